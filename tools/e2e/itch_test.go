package e2e

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/tools/testenv"
)

const sessionFile = "nasdaq-itch50-aapl-20200130/locate-13-10k.bin"

// TestITCH is the main job: a real session to four receivers, none of which loses
// anything, and a journal that holds the file, field by field.
func TestITCH(t *testing.T) {
	file := testenv.Data(t, sessionFile)
	for _, pace := range []string{"max", "100000/s"} {
		t.Run(pace, func(t *testing.T) {
			dir := t.TempDir()
			c := onLoopback(t, dir)
			s := start(t, "serve", with(c.serve, "--source", "itch:"+file, "--pace", pace, "--await", "4", "--end-at-eof", "--linger", "1m")...)
			s.ready(`"started"`)
			var rs []*proc
			for i := range 4 {
				rs = append(rs, start(t, fmt.Sprint("listen ", i), c.listen...))
			}
			for _, r := range rs {
				r.wait(0)
			}
			s.dismiss()
			for _, r := range rs {
				sum := complete(t, s.summary(), r)
				if sum.Delivered != 10_000 || sum.Repaired*20 > sum.Delivered {
					t.Errorf("%s: %d of %d messages came by repair", r.name, sum.Repaired, sum.Delivered)
				}
			}
			sameAsFile(t, dir, file)
		})
	}
}

// sameAsFile holds what cat prints of the journal against the file, decoded here by
// the tables of the exchange's specification.
func sameAsFile(t *testing.T, dir, file string) {
	t.Helper()
	out, err := exec.Command(command, "cat", "--json", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	lines.Buffer(nil, 1<<20)
	n := 0
	for _, m := range itchMessages(t, file) {
		n++
		if !lines.Scan() {
			t.Fatalf("cat ends before message %d", n)
		}
		var got map[string]any
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatalf("message %d: %v: %s", n, err, lines.Text())
		}
		delete(got, "stamp")
		want := decodeITCH(m)
		want["seq"], want["symbol"] = num(n), "AAPL"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("message %d, type %c (-file +journal):\n%s", n, m[0], diff)
		}
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf(`"messages":%d`, n)) {
		t.Fatalf("cat does not end with its summary behind the file: %s", lines.Text())
	}
	if lines.Scan() {
		t.Fatalf("cat goes on behind its summary: %s", lines.Text())
	}
}

func itchMessages(t *testing.T, file string) (ms [][]byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		ms, b = append(ms, b[2:n]), b[n:]
	}
	return ms
}

func num[T int | uint64](n T) json.Number { return json.Number(fmt.Sprint(n)) }

// field is one field of an ITCH message: big-endian number of n bytes at off, or
// text where it is so named.
type field struct {
	name   string
	off, n int
	text   bool
}

// itchFields gives, by message type, the kind and fields that cat prints.
var itchFields = map[byte]struct {
	kind   string
	fields []field
	fixed  map[string]any
}{
	'A': {"order_add", []field{{"order", 11, 8, false}, {"qty", 20, 4, false}, {"price", 32, 4, false}}, map[string]any{"participant": ""}},
	'F': {"order_add", []field{{"order", 11, 8, false}, {"qty", 20, 4, false}, {"price", 32, 4, false}, {"participant", 36, 4, true}}, nil},
	'E': {"order_execute", []field{{"order", 11, 8, false}, {"qty", 19, 4, false}, {"match", 23, 8, false}}, map[string]any{"priced": false, "non_printable": false}},
	'X': {"order_modify", []field{{"order", 11, 8, false}, {"qty", 19, 4, false}}, map[string]any{"reduced": true}},
	'D': {"order_delete", []field{{"order", 11, 8, false}}, nil},
	'U': {"order_replace", []field{{"order", 11, 8, false}, {"new", 19, 8, false}, {"qty", 27, 4, false}, {"price", 31, 4, false}}, nil},
	'P': {"trade", []field{{"order", 11, 8, false}, {"qty", 20, 4, false}, {"price", 32, 4, false}, {"match", 36, 8, false}}, map[string]any{"type": "", "cross": false}},
	'H': {"trading_status", []field{{"code", 19, 1, true}, {"detail", 20, 1, true}, {"reason", 21, 4, true}}, map[string]any{"state": "trading"}},
	'R': {"instrument_definition", []field{{"lot", 21, 4, false}}, map[string]any{
		"price_exponent": num(-4), "qty_exponent": num(0), "class": "equity", "time_base": num(0), "currency": "", "venue": "", "format": "itch50"}},
	'Y': {"opaque", nil, map[string]any{"format": "itch50", "type": "Y", "name": "reg_sho"}},
	'L': {"opaque", nil, map[string]any{"format": "itch50", "type": "L", "name": "participant_position"}},
}

// nested gives the fields that cat prints as an object of their own, and its name.
var nested = map[byte]struct {
	name   string
	fields []field
}{
	'R': {"attributes", []field{{"market_category", 19, 1, true}, {"financial_status", 20, 1, true}, {"round_lot_size", 21, 4, false},
		{"round_lots_only", 25, 1, true}, {"issue_classification", 26, 1, true}, {"issue_sub_type", 27, 2, true}, {"authenticity", 29, 1, true},
		{"short_sale_threshold", 30, 1, true}, {"ipo_flag", 31, 1, true}, {"luld_reference_price_tier", 32, 1, true}, {"etp_flag", 33, 1, true},
		{"etp_leverage_factor", 34, 4, false}, {"inverse_indicator", 38, 1, true}}},
	'Y': {"fields", []field{{"stock", 11, 8, true}, {"action", 19, 1, true}}},
	'L': {"fields", []field{{"mpid", 11, 4, true}, {"stock", 15, 8, true}, {"primary_market_maker", 23, 1, true},
		{"market_maker_mode", 24, 1, true}, {"participant_state", 25, 1, true}}},
}

// decodeITCH is what cat must print of m, without sequence, stamp and symbol.
func decodeITCH(m []byte) map[string]any {
	x := itchFields[m[0]]
	out := map[string]any{"kind": x.kind, "instrument": num(number(m[1:3])), "source": num(number(m[5:11]))}
	for k, v := range x.fixed {
		out[k] = v
	}
	for _, f := range x.fields {
		out[f.name] = f.value(m)
	}
	switch m[0] {
	case 'A', 'F', 'P':
		out["side"] = map[byte]string{'B': "buy", 'S': "sell"}[m[19]]
	}
	if in, ok := nested[m[0]]; ok {
		object := map[string]any{}
		for _, f := range in.fields {
			object[f.name] = f.value(m)
		}
		out[in.name] = object
	}
	return out
}

func (f field) value(m []byte) any {
	b := m[f.off : f.off+f.n]
	if f.text {
		if f.n == 1 {
			return string(b)
		}
		return strings.TrimRight(string(b), " ")
	}
	return num(number(b))
}

func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
