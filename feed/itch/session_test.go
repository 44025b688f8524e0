package itch

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed/wire"
)

// sessionFile is a real session: 10,000 messages of one instrument. The test is
// skipped where it is not there.
func sessionFile(t testing.TB) string {
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

// The second decoder: a column of text for each type, from the specification,
// with name:size, n for number and a for text. Skipped fields begin with "_".
const sessionLayout = `
S event:1a
R _stock:8a category:1a financial:1a lot:4n lots_only:1a class:1a sub:2a auth:1a short:1a ipo:1a tier:1a etp:1a leverage:4n inverse:1a
H _stock:8a state:1a reserved:1a reason:4a
Y stock:8a action:1a
L mpid:4a stock:8a primary:1a mode:1a state:1a
A order:8n side:1a qty:4n _stock:8a price:4n
F order:8n side:1a qty:4n _stock:8a price:4n mpid:4a
E order:8n qty:4n match:8n
C order:8n qty:4n match:8n printable:1a price:4n
X order:8n qty:4n
D order:8n
U order:8n new:8n qty:4n price:4n
P order:8n side:1a qty:4n _stock:8a price:4n match:8n
`

// row is a message by name of field: uint64 or string.
type row map[string]any

// fromITCH decodes m by sessionLayout.
func fromITCH(t *testing.T, m []byte) row {
	t.Helper()
	for line := range strings.Lines(sessionLayout) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != string(m[:1]) {
			continue
		}
		r := row{"type": words[0], "locate": number(m[1:3]), "time": number(m[5:11])}
		rest := m[11:]
		for _, w := range words[1:] {
			name, form, _ := strings.Cut(w, ":")
			n := int(form[0] - '0')
			if form[1] == 'n' {
				r[name] = number(rest[:n])
			} else {
				r[name] = string(rest[:n])
			}
			rest = rest[n:]
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes too many: %x", len(rest), m)
		}
		return r
	}
	t.Fatalf("type %q is not in the table", m[0])
	return nil
}

func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n*256 + uint64(c)
	}
	return n
}

// toITCH turns a tapecast message back into the row of the ITCH message it came
// from; symbols has those of the definitions so far.
func toITCH(t *testing.T, msg []byte, symbols map[uint32]string) row {
	t.Helper()
	var r row
	var h wire.Head
	sideText := func(s wire.Side) string { return map[wire.Side]string{wire.Buy: "B", wire.Sell: "S"}[s] }
	stock := func() string { return (symbols[h.Instrument] + "        ")[:8] }
	switch v := anyOf(t, msg).(type) {
	case wire.InstrumentDefinition:
		h, symbols[v.Instrument] = v.Head, string(v.Symbol)
		r = fromITCH(t, append([]byte("R          "+stock()), v.Attributes...))
		if v.Lot != uint32(r["lot"].(uint64)) {
			t.Fatalf("lot %d, attribute %d", v.Lot, r["lot"])
		}
	case wire.TradingStatus:
		h = v.Head
		r = row{"type": "H", "_stock": stock(), "state": string(v.Code), "reserved": string(v.Detail), "reason": string(v.Reason[:])}
	case wire.OrderAdd:
		h = v.Head
		r = row{"type": "A", "order": v.Order, "side": sideText(v.Side), "qty": v.Qty, "_stock": stock(), "price": uint64(v.Price)}
		if v.Participant != [4]byte{} {
			r["type"], r["mpid"] = "F", string(v.Participant[:])
		}
	case wire.OrderExecute:
		h = v.Head
		r = row{"type": "E", "order": v.Order, "qty": v.Qty, "match": v.Match}
		if v.Priced {
			r["type"], r["price"], r["printable"] = "C", uint64(v.Price), map[bool]string{false: "Y", true: "N"}[v.NonPrintable]
		}
	case wire.OrderModify:
		h = v.Head
		r = row{"type": "X", "order": v.Order, "qty": v.Qty}
	case wire.OrderDelete:
		h = v.Head
		r = row{"type": "D", "order": v.Order}
	case wire.OrderReplace:
		h = v.Head
		r = row{"type": "U", "order": v.Order, "new": v.New, "qty": v.Qty, "price": uint64(v.Price)}
	case wire.Trade:
		h = v.Head
		r = row{"type": "P", "order": v.Order, "side": sideText(v.Side), "qty": v.Qty, "_stock": stock(), "price": uint64(v.Price), "match": v.Match}
	case wire.Opaque:
		h = v.Head
		r = fromITCH(t, append(append(v.Data[:1:1], make([]byte, 10)...), v.Data[1:]...))
	}
	r["locate"], r["time"] = uint64(h.Instrument), h.Source
	return r
}

func anyOf(t *testing.T, msg []byte) any {
	if wire.KindOf(msg) == wire.KindOpaque {
		return value(t, msg, (*wire.Opaque).Decode)
	}
	return decoded(t, msg)
}

// Every field of every message survives.
func TestSession(t *testing.T) {
	path := sessionFile(t)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	symbols, counts := map[uint32]string{}, map[string]int{}
	for rest := file; len(rest) > 0; {
		n := binary.BigEndian.Uint16(rest)
		want := fromITCH(t, rest[2:2+n])
		rest = rest[2+n:]
		msg, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got := toITCH(t, msg, symbols)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("at byte %d: %s", len(file)-len(rest), diff)
		}
		counts[got["type"].(string)]++
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last: %v", err)
	}
	want := map[string]int{"A": 4758, "D": 4083, "E": 849, "P": 240, "L": 52, "U": 7, "X": 6, "F": 2, "R": 1, "H": 1, "Y": 1}
	if diff := cmp.Diff(want, counts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[uint32]string{13: "AAPL"}, symbols); diff != "" {
		t.Error(diff)
	}
}

// In full packets, headers included, a session is no larger than in the
// exchange's own framing.
func TestSessionSize(t *testing.T) {
	r, err := Open(sessionFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b wire.Builder
	buf := make([]byte, wire.DefaultPacket)
	total, packets, messages := 0, 0, 0
	closePacket := func() {
		p, _ := b.Close(wire.Header{Type: wire.TypeSequenced}, 1)
		total, packets = total+len(p), packets+1
	}
	b.Open(buf)
	for msg, err := r.Next(); err != io.EOF; msg, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		if messages++; !b.Add(msg, 1) {
			closePacket()
			b.Open(buf)
			b.Add(msg, 1)
		}
	}
	closePacket()
	mean := float64(total) / float64(messages)
	t.Logf("%d messages in %d packets, %d bytes, %.3f bytes a message", messages, packets, total, mean)
	if mean > 32 {
		t.Errorf("%.3f bytes a message, at most 32", mean)
	}
}
