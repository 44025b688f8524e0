package itch

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed/wire"
)

// Every golden message has locate 7, tracking number 0x0102 and this time, unless
// it says otherwise.
const (
	goldenHead = "0007 0102 0a0b0c0d0e0f "
	goldenTime = 0x0a0b0c0d0e0f
	zvzzt      = "5a565a5a54202020 " // the symbol ZVZZT
)

var head = wire.Head{Instrument: 7, Source: goldenTime}

// opaqueFrom is a decoded opaque message with its fields, as text.
type opaqueFrom struct {
	wire.Opaque
	Name   string
	Fields string
}

var golden = []struct {
	name string
	hex  string // ITCH message, spaces for the eye
	want any
}{
	{"S", "53 0000 0102 0a0b0c0d0e0f 51",
		wire.TradingStatus{Head: wire.Head{Source: goldenTime}, State: wire.StateSystem, Code: 'Q'}},
	{"R", "52 " + goldenHead + zvzzt + "51 4e 00000064 4e 43 5a20 50 4e 59 31 4e 00000002 4e",
		wire.InstrumentDefinition{Head: head, PriceExponent: -4, Class: wire.ClassEquity, Lot: 100, Symbol: []byte("ZVZZT"),
			Format: wire.FormatITCH50, Attributes: []byte("QN\x00\x00\x00dNCZ PNY1N\x00\x00\x00\x02N")}},
	{"H", "48 " + goldenHead + zvzzt + "48 20 4c554450",
		wire.TradingStatus{Head: head, State: wire.StateHalted, Code: 'H', Detail: ' ', Reason: [4]byte([]byte("LUDP"))}},
	{"A", "41 " + goldenHead + "0000000012345678 42 000001f4 " + zvzzt + "000f4240",
		wire.OrderAdd{Head: head, Order: 0x12345678, Side: wire.Buy, Qty: 500, Price: 1000000}},
	{"A wide", "41 " + goldenHead + "ffffffffffffffff 53 ffffffff " + zvzzt + "ffffffff",
		wire.OrderAdd{Head: head, Order: 1<<64 - 1, Side: wire.Sell, Qty: 1<<32 - 1, Price: 1<<32 - 1}},
	{"F", "46 " + goldenHead + "0000000012345679 53 000001f4 " + zvzzt + "000f4241 47534341",
		wire.OrderAdd{Head: head, Order: 0x12345679, Side: wire.Sell, Qty: 500, Price: 1000001, Participant: [4]byte([]byte("GSCA"))}},
	{"E", "45 " + goldenHead + "0000000012345678 00000064 00000000000004d2",
		wire.OrderExecute{Head: head, Order: 0x12345678, Qty: 100, Match: 1234}},
	{"C", "43 " + goldenHead + "0000000012345678 00000064 00000000000004d3 4e 000f4242",
		wire.OrderExecute{Head: head, Order: 0x12345678, Qty: 100, Match: 1235, Priced: true, Price: 1000002, NonPrintable: true}},
	{"X", "58 " + goldenHead + "0000000012345678 00000032",
		wire.OrderModify{Head: head, Order: 0x12345678, Qty: 50, Reduced: true}},
	{"D", "44 " + goldenHead + "0000000012345678", wire.OrderDelete{Head: head, Order: 0x12345678}},
	{"U", "55 " + goldenHead + "0000000012345678 000000001234567a 0000012c 000f4243",
		wire.OrderReplace{Head: head, Order: 0x12345678, New: 0x1234567a, Qty: 300, Price: 1000003}},
	{"P", "50 " + goldenHead + "0000000000000000 42 000003e8 " + zvzzt + "000f4244 00000000000004d4",
		wire.Trade{Head: head, Side: wire.Buy, Qty: 1000, Price: 1000004, Match: 1236}},
	{"P named", "50 " + goldenHead + "0000000000000063 53 000003e8 " + zvzzt + "000f4244 00000000000004d4",
		wire.Trade{Head: head, Order: 99, Side: wire.Sell, Qty: 1000, Price: 1000004, Match: 1236}},
	{"Q", "51 " + goldenHead + "0000000100000000 " + zvzzt + "000f4245 00000000000004d5 4f",
		wire.Trade{Head: head, Qty: 1 << 32, Price: 1000005, Match: 1237, Type: 'O', Cross: true}},
	{"B", "42 " + goldenHead + "00000000000004d4", wire.TradeCancel{Head: head, Match: 1236}},
	{"I", "49 " + goldenHead + "0000000000002710 0000000000000bb8 53 " + zvzzt + "000f4246 000f4247 000f4248 43 31",
		wire.Imbalance{Head: head, Paired: 10000, Unpaired: 3000, Direction: 'S', Far: 1000006, Near: 1000007,
			Reference: 1000008, Auction: 'C', Variation: '1'}},
	{"Y", "59 " + goldenHead + zvzzt + "31", opaqueFrom{Name: "reg_sho", Fields: "stock=ZVZZT action=1"}},
	{"L", "4c " + goldenHead + "4a504d53 " + zvzzt + "59 4e 41", opaqueFrom{Name: "participant_position",
		Fields: "mpid=JPMS stock=ZVZZT primary_market_maker=Y market_maker_mode=N participant_state=A"}},
	{"V", "56 " + goldenHead + "000000574fbde600 0000005d21dba000 0000000000000001", opaqueFrom{Name: "mwcb_decline",
		Fields: "level_1=375000000000 level_2=400000000000 level_3=1"}},
	{"W", "57 " + goldenHead + "32", opaqueFrom{Name: "mwcb_status", Fields: "breached_level=2"}},
	{"K", "4b " + goldenHead + zvzzt + "0000940c 41 00030d40", opaqueFrom{Name: "quoting_period",
		Fields: "stock=ZVZZT release_time=37900 release_qualifier=A ipo_price=200000"}},
	{"J", "4a " + goldenHead + zvzzt + "000f4240 00100590 000e7ef0 00000002", opaqueFrom{Name: "luld_collar",
		Fields: "stock=ZVZZT reference_price=1000000 upper_price=1050000 lower_price=950000 extension=2"}},
	{"h", "68 " + goldenHead + zvzzt + "51 48", opaqueFrom{Name: "operational_halt", Fields: "stock=ZVZZT market_code=Q action=H"}},
	{"N", "4e " + goldenHead + zvzzt + "42", opaqueFrom{Name: "retail_interest", Fields: "stock=ZVZZT interest_flag=B"}},
	{"O", "4f " + goldenHead + zvzzt + "59 000186a0 00030d40 000249f0 0000000000000005 00020f58 00028488", opaqueFrom{
		Name: "direct_listing", Fields: "stock=ZVZZT open_eligibility=Y minimum_price=100000 maximum_price=200000 " +
			"near_execution_price=150000 near_execution_time=5 lower_collar=135000 upper_collar=165000"}},
}

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// single decodes one ITCH message by a Decoder that knows locate 7 as ZVZZT.
func single(m []byte) []byte {
	d := new(Decoder)
	d.declare(7, [8]byte([]byte("ZVZZT   ")))
	out, _ := d.Append(nil, m)
	return out
}

func TestGolden(t *testing.T) {
	types := map[byte]bool{}
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			m := bytesOf(t, c.hex)
			types[m[0]] = true
			if len(m) != int(sizes[m[0]]) {
				t.Fatalf("golden message has %d bytes, the type %d", len(m), sizes[m[0]])
			}
			msg := single(m)
			if err := wire.CheckMessage(msg); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if o, ok := want.(opaqueFrom); ok {
				o.Opaque = wire.Opaque{Head: head, Format: wire.FormatITCH50, Data: append(m[:1:1], m[offBody:]...)}
				want = o
			}
			if diff := cmp.Diff(want, decoded(t, msg)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if len(types) != 23 {
		t.Errorf("%d types have a golden message, want 23", len(types))
	}
}

// decoded is msg as a value of its wire type.
func decoded(t *testing.T, msg []byte) any {
	t.Helper()
	switch wire.KindOf(msg) {
	case wire.KindInstrumentDefinition:
		return value(t, msg, (*wire.InstrumentDefinition).Decode)
	case wire.KindTradingStatus:
		return value(t, msg, (*wire.TradingStatus).Decode)
	case wire.KindTrade:
		return value(t, msg, (*wire.Trade).Decode)
	case wire.KindTradeCancel:
		return value(t, msg, (*wire.TradeCancel).Decode)
	case wire.KindOrderAdd:
		return value(t, msg, (*wire.OrderAdd).Decode)
	case wire.KindOrderModify:
		return value(t, msg, (*wire.OrderModify).Decode)
	case wire.KindOrderExecute:
		return value(t, msg, (*wire.OrderExecute).Decode)
	case wire.KindOrderDelete:
		return value(t, msg, (*wire.OrderDelete).Decode)
	case wire.KindOrderReplace:
		return value(t, msg, (*wire.OrderReplace).Decode)
	case wire.KindImbalance:
		return value(t, msg, (*wire.Imbalance).Decode)
	}
	o := value(t, msg, (*wire.Opaque).Decode)
	fields, ok := Fields(nil, o.Format, o.Data)
	if !ok {
		t.Fatalf("no fields for %q", o.Data)
	}
	return opaqueFrom{o, TypeName(o.Data[0]), fieldText(fields)}
}

func value[T any](t *testing.T, msg []byte, decode func(*T, []byte) error) T {
	t.Helper()
	var v T
	if err := decode(&v, msg); err != nil {
		t.Fatal(err)
	}
	return v
}

func fieldText(fields []Field) string {
	var words []string
	for _, f := range fields {
		switch f.Form {
		case FormCode, FormText:
			words = append(words, fmt.Sprintf("%s=%s", f.Name, f.Text()))
		default:
			words = append(words, fmt.Sprintf("%s=%d", f.Name, f.Number()))
		}
	}
	return strings.Join(words, " ")
}

func TestAttributes(t *testing.T) {
	def := decoded(t, single(bytesOf(t, golden[1].hex))).(wire.InstrumentDefinition)
	fields, ok := Attributes(nil, def.Format, def.Attributes)
	want := "market_category=Q financial_status=N round_lot_size=100 round_lots_only=N issue_classification=C " +
		"issue_sub_type=Z authenticity=P short_sale_threshold=N ipo_flag=Y luld_reference_price_tier=1 etp_flag=N " +
		"etp_leverage_factor=2 inverse_indicator=N"
	if got := fieldText(fields); !ok || got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, ok := Attributes(nil, def.Format, def.Attributes[1:]); ok {
		t.Error("attributes of another length are known")
	}
	if _, ok := Attributes(nil, wire.FormatApplication, def.Attributes); ok {
		t.Error("another format's attributes are known")
	}
}

// What tapecast's messages have no room for travels whole.
func TestRaw(t *testing.T) {
	add := golden[3].hex
	cases := map[string]string{
		"unknown type":          "7a " + goldenHead + "0102",
		"add cut by one":        add[:len(add)-2],
		"add with one more":     add + "00",
		"add of no side":        strings.Replace(add, " 42 ", " 4e ", 1),
		"add of no locate":      strings.Replace(add, "0007 ", "0000 ", 1),
		"printable unknown":     strings.Replace(golden[7].hex, " 4e ", " 3f ", 1),
		"too short for a head":  "41 0007 0102",
		"one byte":              "41",
		"directory, no locate":  strings.Replace(golden[1].hex, "0007 ", "0000 ", 1),
		"halt of no instrument": strings.Replace(golden[2].hex, "0007 ", "0000 ", 1),
	}
	for name, s := range cases {
		t.Run(name, func(t *testing.T) {
			m := bytesOf(t, s)
			want := wire.Opaque{Format: wire.FormatITCH50Raw, Data: m}
			if len(m) >= offBody {
				want.Head = wire.Head{Instrument: uint32(m[2]), Source: goldenTime}
			}
			if diff := cmp.Diff(want, value(t, single(m), (*wire.Opaque).Decode)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, ok := Fields(nil, wire.FormatITCH50Raw, bytesOf(t, golden[16].hex)); ok {
		t.Error("fields of a raw message are known")
	}
	if _, ok := Fields(nil, wire.FormatITCH50, nil); ok {
		t.Error("fields of nothing are known")
	}
}

// The layouts agree with the sizes and with each other.
func TestLayouts(t *testing.T) {
	for i := range sizes {
		c := byte(i)
		fields, size, stock := opaque[c].fields, offBody, 0
		for _, s := range fields {
			if s.name == "stock" {
				stock = size
			}
			size += int(s.size)
		}
		if fields != nil && (size != int(sizes[c]) || stock != int(stocks[c]) || TypeName(c) == "") {
			t.Errorf("type %c: fields end at %d and have the symbol at %d, sizes and stocks say %d and %d",
				c, size, stock, sizes[c], stocks[c])
		}
		if int(stocks[c])+stockLen > int(sizes[c]) && stocks[c] != 0 {
			t.Errorf("type %c: symbol at %d does not fit %d", c, stocks[c], sizes[c])
		}
	}
}
