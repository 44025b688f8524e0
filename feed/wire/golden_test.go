package wire

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata from the fields in the tests")

// message is what every kind's struct can do.
type message interface {
	AppendTo([]byte) []byte
	Decode([]byte) error
}

// fresh returns a zero message of m's kind.
func fresh(m message) message {
	return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
}

// vector is one line of testdata/messages.txt.
type vector struct {
	name string
	msg  message
}

var head = Head{Instrument: 0x01020304, Source: 0x0a0b0c0d0e0f}

const (
	bigPrice = -1 << 40
	bigQty   = 1 << 40
)

// vectors has every kind, narrow and wide, with each flag.
func vectors() []vector {
	return []vector{
		{"instrument_definition", &InstrumentDefinition{
			Head: head, PriceExponent: -4, QtyExponent: 0, Class: ClassEquity, Lot: 100,
			TimeBase: 1580360400e9, Currency: [4]byte{'U', 'S', 'D'}, Venue: [4]byte{'X', 'N', 'A', 'S'},
			Symbol: []byte("AAPL"), Format: FormatITCH50, Attributes: []byte{1, 2, 3},
		}},
		{"instrument_definition/bare", &InstrumentDefinition{Head: Head{Instrument: 1}, Symbol: []byte{}, Attributes: []byte{}}},
		{"trading_status", &TradingStatus{Head: head, State: StateHalted, Code: 'H', Detail: 'x', Reason: [4]byte{'T', '1'}}},
		{"trading_status/market", &TradingStatus{Head: Head{Source: MaxSource}, State: StateSystem, Code: 'O'}},
		{"trade", &Trade{Head: head, Match: 77, Price: 3_100_000, Qty: 50}},
		{"trade/named/cross/sell", &Trade{Head: head, Match: 77, Price: -1, Qty: 50, Side: Sell, Type: 'C', Order: 9, Cross: true}},
		{"trade/wide", &Trade{Head: head, Match: 77, Price: bigPrice, Qty: 50, Order: 9}},
		{"trade_cancel", &TradeCancel{Head: head, Match: 1<<64 - 1}},
		{"order_add/buy", &OrderAdd{Head: head, Order: 12345, Price: 3_120_500, Qty: 100}},
		{"order_add/sell/attributed", &OrderAdd{Head: head, Order: 12345, Side: Sell, Price: -1 << 31, Qty: 1<<32 - 1, Participant: [4]byte{'N', 'S', 'D', 'Q'}}},
		{"order_add/wide/price", &OrderAdd{Head: head, Order: 12345, Price: bigPrice, Qty: 100, Participant: [4]byte{0, 0, 0, 1}}},
		{"order_add/wide/qty", &OrderAdd{Head: head, Order: 12345, Side: Sell, Price: 1, Qty: bigQty}},
		{"order_modify", &OrderModify{Head: head, Order: 12345, Qty: 60}},
		{"order_modify/reduced", &OrderModify{Head: head, Order: 12345, Qty: 40, Reduced: true}},
		{"order_modify/wide", &OrderModify{Head: head, Order: 12345, Qty: bigQty}},
		{"order_execute", &OrderExecute{Head: head, Order: 12345, Match: 78, Qty: 60}},
		{"order_execute/priced/nonprintable", &OrderExecute{Head: head, Order: 12345, Match: 78, Qty: 60, Price: 3_120_400, Priced: true, NonPrintable: true}},
		{"order_execute/wide", &OrderExecute{Head: head, Order: 12345, Match: 78, Qty: bigQty}},
		{"order_execute/wide/priced", &OrderExecute{Head: head, Order: 12345, Match: 78, Qty: 1, Price: bigPrice, Priced: true}},
		{"order_delete", &OrderDelete{Head: head, Order: 12345}},
		{"order_replace", &OrderReplace{Head: head, Order: 12345, New: 12346, Price: 3_120_600, Qty: 40}},
		{"order_replace/wide", &OrderReplace{Head: head, Order: 12345, New: 12346, Price: 1, Qty: bigQty}},
		{"imbalance", &Imbalance{Head: head, Direction: 'B', Auction: 'C', Variation: 'L', Paired: 1000, Unpaired: 200, Far: 1, Near: -2, Reference: 3}},
		{"imbalance/wide", &Imbalance{Head: head, Direction: 'S', Auction: 'O', Variation: '1', Paired: bigQty, Unpaired: 200, Far: bigPrice, Near: 2, Reference: 3}},
		{"opaque", &Opaque{Head: head, Format: FormatITCH50, Data: []byte("anything")}},
		{"opaque/empty", &Opaque{Head: head, Format: FormatApplication, Data: []byte{}}},
	}
}

// goldens reads testdata/name: lines of fields, the first of which is the key.
func goldens(t testing.TB, name string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] != "#" {
			out[f[0]] = f[1:]
		}
	}
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeGolden(t *testing.T, name string, lines []string) {
	t.Helper()
	if err := os.WriteFile("testdata/"+name, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMessageVectors(t *testing.T) {
	if *update {
		lines := []string{"# name, message in hex"}
		for _, v := range vectors() {
			lines = append(lines, fmt.Sprintf("%s %x", v.name, v.msg.AppendTo(nil)))
		}
		writeGolden(t, "messages.txt", lines)
	}
	golden := goldens(t, "messages.txt")
	if len(golden) != len(vectors()) {
		t.Errorf("%d lines, want %d", len(golden), len(vectors()))
	}
	for _, v := range vectors() {
		want := unhex(t, golden[v.name][0])
		if got := v.msg.AppendTo(nil); !bytes.Equal(got, want) {
			t.Errorf("%s encodes as\n%x, want\n%x", v.name, got, want)
		}
		got := fresh(v.msg)
		if err := got.Decode(want); err != nil || !reflect.DeepEqual(got, v.msg) {
			t.Errorf("%s decodes as %+v, %v", v.name, got, err)
		}
		if err := CheckMessage(want); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		if kind, _, _ := strings.Cut(v.name, "/"); KindOf(want).String() != kind {
			t.Errorf("%s is of kind %v", v.name, KindOf(want))
		}
	}
}

// Every kind that is not reserved has vectors, and numeric kinds wide ones.
func TestVectorsCoverKinds(t *testing.T) {
	kinds, wide, flags := map[Kind]bool{}, map[Kind]bool{}, map[Kind]uint8{}
	for _, v := range vectors() {
		b := v.msg.AppendTo(nil)
		kinds[KindOf(b)] = true
		flags[KindOf(b)] |= b[offFlags]
		wide[KindOf(b)] = flags[KindOf(b)]&FlagWide != 0
	}
	if len(kinds) != len(messages()) {
		t.Errorf("%d kinds, want %d", len(kinds), len(messages()))
	}
	for k, want := range map[Kind]uint8{
		KindTrade: FlagWide | FlagSell | FlagA | FlagB, KindOrderAdd: FlagWide | FlagSell | FlagA,
		KindOrderModify: FlagWide | FlagA, KindOrderExecute: FlagWide | FlagA | FlagB,
		KindOrderReplace: FlagWide, KindImbalance: FlagWide,
	} {
		if flags[k] != want {
			t.Errorf("%v has flags %#x, want %#x", k, flags[k], want)
		}
	}
}

// messages returns a zero message of every kind.
func messages() []message {
	return []message{
		&InstrumentDefinition{}, &TradingStatus{}, &Trade{}, &TradeCancel{}, &OrderAdd{}, &OrderModify{},
		&OrderExecute{}, &OrderDelete{}, &OrderReplace{}, &Imbalance{}, &Opaque{},
	}
}

// packetVector is one line of testdata/packets.txt.
type packetVector struct {
	name   string
	packet Packet
}

func testHeader(t Type) Header {
	s, _ := ParseSession("20200130")
	return Header{
		Type: t, Channel: 7, Session: s, Epoch: 1_580_000_000, Sequence: 1001,
		Chain: 0x0123456789abcdef, Stamp: 1_580_394_600_000_000_000,
		Clock: Clock{State: ClockSynchronised, TAI: 37, ID: 0xfeedface, Bound: 1500},
	}
}

// pack builds a packet of msgs, each stamped 250 ns after the one before.
func pack(h Header, msgs ...message) Packet {
	var b Builder
	b.Open(make([]byte, DefaultPacket))
	for i, m := range msgs {
		b.Add(m.AppendTo(nil), h.Stamp+Nanos(250*i))
	}
	p, _ := b.Close(h, h.Stamp+Nanos(250*len(msgs)+1000))
	return p
}

// tagged adds a tag to p.
func tagged(p Packet) Packet {
	h := p.Header()
	h.Flags |= FlagTag
	h.KeyID = 3
	p = seal(bytes.Clone(p), &h)
	for i := range TagLen {
		p = append(p, byte(0xa0+i))
	}
	return p
}

func packetVectors() []packetVector {
	order := &OrderAdd{Head: head, Order: 12345, Price: 3_120_500, Qty: 100}
	define := vectors()[0].msg
	status := Status{Journal: JournalAlive, Durable: 990, Previous: 1_579_999_000, Cut: 500, CutChain: 0xc0ffee}
	end := status
	end.Last = 1000
	out := []packetVector{
		{"sequenced", pack(testHeader(TypeSequenced), order)},
		{"sequenced/definitions/stamped", pack(testHeader(TypeSequenced), define, order, &OrderDelete{Head: head, Order: 12345})},
		{"sequenced/tagged", tagged(pack(testHeader(TypeSequenced), order))},
		{"heartbeat", status.AppendControl(nil, testHeader(TypeHeartbeat))},
		{"epoch", status.AppendControl(nil, testHeader(TypeEpoch))},
		{"end", end.AppendControl(nil, testHeader(TypeEnd))},
		{"snapshot", pack(testHeader(TypeSnapshot), define)},
	}
	for _, n := range []int{0, 1, 7, 8, 46, 47, 110, 238} { // with the rest, 64 bytes and 0 to 7 and more left
		m := &Opaque{Data: bytes.Repeat([]byte{byte(n)}, n)}
		out = append(out, packetVector{"sequenced/opaque-" + strconv.Itoa(n), pack(testHeader(TypeSequenced), m)})
	}
	return out
}

func TestPacketVectors(t *testing.T) {
	if *update {
		lines := []string{"# name, chain after in hex, packet in hex"}
		for _, v := range packetVectors() {
			lines = append(lines, fmt.Sprintf("%s %016x %x", v.name, ChainAfter(v.packet), []byte(v.packet)))
		}
		writeGolden(t, "packets.txt", lines)
	}
	golden := goldens(t, "packets.txt")
	if len(golden) != len(packetVectors()) {
		t.Errorf("%d lines, want %d", len(golden), len(packetVectors()))
	}
	for _, v := range packetVectors() {
		want := unhex(t, golden[v.name][1])
		if !bytes.Equal(v.packet, want) {
			t.Errorf("%s is built as\n%x, want\n%x", v.name, []byte(v.packet), want)
		}
		p, err := Parse(want)
		if err != nil || !bytes.Equal(p, want) {
			t.Errorf("%s: Parse: %v", v.name, err)
			continue
		}
		if chain := fmt.Sprintf("%016x", ChainAfter(p)); chain != golden[v.name][0] {
			t.Errorf("%s: chain after %s, want %s", v.name, chain, golden[v.name][0])
		}
	}
}
