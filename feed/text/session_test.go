package text_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/itch"
	"github.com/tapecast/tapecast/feed/text"
	"github.com/tapecast/tapecast/feed/wire"
)

// sessionFile is a real session. The test is skipped where it is not there.
func sessionFile(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TAPECAST_DATA")
	if dir == "" {
		root, err := filepath.Abs(".")
		if err != nil {
			t.Fatal(err)
		}
		for root != filepath.Dir(root) {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	path := filepath.Join(dir, "nasdaq-itch50-aapl-20200130", "locate-13-10k.bin")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no market data: %v; set TAPECAST_DATA to the folder that has it", err)
	}
	return path
}

// wanted is the line for an ITCH message, written from the exchange's
// specification without any of our decoders.
func wanted(seq int, m []byte) string {
	u := func(at, n int) (v uint64) {
		for _, c := range m[at : at+n] {
			v = v<<8 | uint64(c)
		}
		return v
	}
	s := func(at, n int) string { return strings.TrimRight(string(m[at:at+n]), " ") }
	line := func(kind, format string, args ...any) string {
		head := fmt.Sprintf(`{"seq":%d,"stamp":%d,"kind":%q,"instrument":%d,"symbol":"AAPL","source":%d,`, seq, 1000*seq, kind, u(1, 2), u(5, 6))
		return head + fmt.Sprintf(format, args...) + "}\n"
	}
	side := map[byte]string{'B': "buy", 'S': "sell"}
	switch m[0] {
	case 'A', 'F':
		mpid := ""
		if m[0] == 'F' {
			mpid = s(36, 4)
		}
		return line("order_add", `"order":%d,"side":%q,"price":%d,"qty":%d,"participant":%q`, u(11, 8), side[m[19]], u(32, 4), u(20, 4), mpid)
	case 'D':
		return line("order_delete", `"order":%d`, u(11, 8))
	case 'E':
		return line("order_execute", `"order":%d,"match":%d,"qty":%d,"priced":false,"non_printable":false`, u(11, 8), u(23, 8), u(19, 4))
	case 'P':
		return line("trade", `"match":%d,"price":%d,"qty":%d,"side":%q,"type":"","order":%d,"cross":false`, u(36, 8), u(32, 4), u(20, 4), side[m[19]], u(11, 8))
	case 'U':
		return line("order_replace", `"order":%d,"new":%d,"price":%d,"qty":%d`, u(11, 8), u(19, 8), u(31, 4), u(27, 4))
	case 'X':
		return line("order_modify", `"order":%d,"qty":%d,"reduced":true`, u(11, 8), u(19, 4))
	case 'L':
		return line("opaque", `"format":"itch50","type":"L","name":"participant_position","fields":{"mpid":%q,"stock":%q,`+
			`"primary_market_maker":%q,"market_maker_mode":%q,"participant_state":%q}`, s(11, 4), s(15, 8), s(23, 1), s(24, 1), s(25, 1))
	case 'Y':
		return line("opaque", `"format":"itch50","type":"Y","name":"reg_sho","fields":{"stock":%q,"action":%q}`, s(11, 8), s(19, 1))
	case 'H':
		state := map[byte]string{'H': "halted", 'P': "paused", 'Q': "quoting", 'T': "trading"}
		return line("trading_status", `"state":%q,"code":%q,"detail":%q,"reason":%q`, state[m[19]], m[19:20], m[20:21], s(21, 4))
	case 'R':
		return line("instrument_definition", `"price_exponent":-4,"qty_exponent":0,"class":"equity","lot":%d,"time_base":0,"currency":"","venue":"",`+
			`"format":"itch50","attributes":{"market_category":%q,"financial_status":%q,"round_lot_size":%d,"round_lots_only":%q,`+
			`"issue_classification":%q,"issue_sub_type":%q,"authenticity":%q,"short_sale_threshold":%q,"ipo_flag":%q,`+
			`"luld_reference_price_tier":%q,"etp_flag":%q,"etp_leverage_factor":%d,"inverse_indicator":%q}`,
			u(21, 4), m[19:20], m[20:21], u(21, 4), m[25:26], m[26:27], s(27, 2), m[29:30], m[30:31], m[31:32], m[32:33], m[33:34], u(34, 4), m[38:39])
	}
	return fmt.Sprintf("no line for type %c", m[0])
}

// The session prints as the file says.
func TestSession(t *testing.T) {
	path := sessionFile(t)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := itch.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := text.NewPrinter()
	for seq := 1; len(file) > 0; seq++ {
		n := 2 + int(binary.BigEndian.Uint16(file))
		msg, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := string(p.AppendJSON(nil, uint64(seq), wire.Nanos(1000*seq), msg))
		if want := wanted(seq, file[2:n]); got != want {
			t.Fatalf("got  %swant %s", got, want)
		}
		file = file[n:]
	}
}
