package text

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

var (
	at   = wire.Head{Instrument: 7, Source: 34_200_000_000_001}
	none = wire.Head{Source: 5}
)

const (
	stamp    = wire.Nanos(1_580_371_634_909_934_345) // 2020-01-30T08:07:14.909934345Z
	textHead = "2020-01-30T08:07:14.909934345Z          9 ZVZZT    "
	jsonHead = `{"seq":9,"stamp":1580371634909934345,"kind":`
	jsonAt   = `,"instrument":7,"symbol":"ZVZZT","source":34200000000001,`
	jsonNone = `,"instrument":0,"symbol":"","source":5,`
	clockAt  = " source=09:30:00.000000001"
	clock5   = " source=00:00:00.000000005"
)

type encoder interface{ AppendTo([]byte) []byte }

func four(s string) (b [4]byte) {
	copy(b[:], s)
	return b
}

var definition = wire.InstrumentDefinition{Head: at, PriceExponent: -4, Class: wire.ClassEquity, Lot: 100, Symbol: []byte("ZVZZT"),
	Format: wire.FormatITCH50, Attributes: []byte("QN\x00\x00\x00dNCZ PNY1N\x00\x00\x00\x02N")}

var lines = []struct {
	msg  encoder
	text string // behind textHead
	json string // behind jsonHead
}{
	{&definition,
		"instrument_definition price_exponent=-4 qty_exponent=0 class=equity lot=100 format=itch50 market_category=Q " +
			"financial_status=N round_lot_size=100 round_lots_only=N issue_classification=C issue_sub_type=Z authenticity=P " +
			"short_sale_threshold=N ipo_flag=Y luld_reference_price_tier=1 etp_flag=N etp_leverage_factor=2 " +
			"inverse_indicator=N" + clockAt,
		`"instrument_definition"` + jsonAt + `"price_exponent":-4,"qty_exponent":0,"class":"equity","lot":100,"time_base":0,` +
			`"currency":"","venue":"","format":"itch50","attributes":{"market_category":"Q","financial_status":"N",` +
			`"round_lot_size":100,"round_lots_only":"N","issue_classification":"C","issue_sub_type":"Z","authenticity":"P",` +
			`"short_sale_threshold":"N","ipo_flag":"Y","luld_reference_price_tier":"1","etp_flag":"N",` +
			`"etp_leverage_factor":2,"inverse_indicator":"N"}}`},
	{&wire.TradingStatus{Head: at, State: wire.StateHalted, Code: 'H', Detail: ' ', Reason: four("T1  ")},
		"trading_status state=halted code=H reason=T1" + clockAt,
		`"trading_status"` + jsonAt + `"state":"halted","code":"H","detail":" ","reason":"T1"}`},
	{&wire.TradingStatus{Head: at, State: 99}, "trading_status state=unknown" + clockAt,
		`"trading_status"` + jsonAt + `"state":"unknown","code":"","detail":"","reason":""}`},
	{&wire.Trade{Head: at, Match: 1, Price: 1234567, Qty: 8, Side: wire.Sell, Order: 3},
		"trade          match=1 price=123.4567 qty=8 side=sell order=3" + clockAt,
		`"trade"` + jsonAt + `"match":1,"price":1234567,"qty":8,"side":"sell","type":"","order":3,"cross":false}`},
	{&wire.Trade{Head: at, Match: 1, Price: -5, Qty: 1 << 63, Type: 'O', Cross: true},
		"trade          match=1 price=-0.0005 qty=9223372036854775808 type=O cross" + clockAt,
		`"trade"` + jsonAt + `"match":1,"price":-5,"qty":9223372036854775808,"type":"O","order":0,"cross":true}`},
	{&wire.TradeCancel{Head: at, Match: 4}, "trade_cancel   match=4" + clockAt, `"trade_cancel"` + jsonAt + `"match":4}`},
	{&wire.OrderAdd{Head: at, Order: 1<<64 - 1, Side: wire.Buy, Price: -1 << 63, Qty: 100, Participant: four("GSCO")},
		"order_add      order=18446744073709551615 side=buy price=-922337203685477.5808 qty=100 participant=GSCO" + clockAt,
		`"order_add"` + jsonAt + `"order":18446744073709551615,"side":"buy","price":-9223372036854775808,"qty":100,"participant":"GSCO"}`},
	{&wire.OrderModify{Head: at, Order: 2, Qty: 3, Reduced: true}, "order_modify   order=2 qty=3 reduced" + clockAt,
		`"order_modify"` + jsonAt + `"order":2,"qty":3,"reduced":true}`},
	{&wire.OrderExecute{Head: at, Order: 2, Match: 3, Qty: 4}, "order_execute  order=2 match=3 qty=4" + clockAt,
		`"order_execute"` + jsonAt + `"order":2,"match":3,"qty":4,"priced":false,"non_printable":false}`},
	{&wire.OrderExecute{Head: at, Order: 2, Match: 3, Qty: 4, Priced: true, Price: 10000, NonPrintable: true},
		"order_execute  order=2 match=3 qty=4 price=1.0000 non_printable" + clockAt,
		`"order_execute"` + jsonAt + `"order":2,"match":3,"qty":4,"priced":true,"price":10000,"non_printable":true}`},
	{&wire.OrderDelete{Head: at, Order: 2}, "order_delete   order=2" + clockAt, `"order_delete"` + jsonAt + `"order":2}`},
	{&wire.OrderReplace{Head: at, Order: 2, New: 3, Price: 1, Qty: 4}, "order_replace  order=2 new=3 price=0.0001 qty=4" + clockAt,
		`"order_replace"` + jsonAt + `"order":2,"new":3,"price":1,"qty":4}`},
	{&wire.Imbalance{Head: at, Direction: 'B', Auction: 'O', Variation: 'L', Paired: 1, Unpaired: 2, Far: 30000, Near: 40000, Reference: 50000},
		"imbalance      direction=B auction=O variation=L paired=1 unpaired=2 far=3.0000 near=4.0000 reference=5.0000" + clockAt,
		`"imbalance"` + jsonAt + `"direction":"B","auction":"O","variation":"L","paired":1,"unpaired":2,"far":30000,"near":40000,"reference":50000}`},
	{&wire.Opaque{Head: at, Format: wire.FormatITCH50, Data: []byte("JZVZZT   \x00\x0f\x42\x40\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03")},
		"opaque         format=itch50 type=J name=luld_collar stock=ZVZZT reference_price=100.0000 upper_price=0.0001 " +
			"lower_price=0.0002 extension=3" + clockAt,
		`"opaque"` + jsonAt + `"format":"itch50","type":"J","name":"luld_collar","fields":{"stock":"ZVZZT",` +
			`"reference_price":1000000,"upper_price":1,"lower_price":2,"extension":3}}`},
	{&wire.Opaque{Head: at, Format: wire.FormatITCH50Raw, Data: []byte("z\x00\xff")},
		"opaque         format=itch50_raw type=z data=7a00ff" + clockAt,
		`"opaque"` + jsonAt + `"format":"itch50_raw","type":"z","data":"7a00ff"}`},
	{&wire.Opaque{Head: at, Format: 200, Data: []byte{1, 2}}, "opaque         format=200 data=0102" + clockAt,
		`"opaque"` + jsonAt + `"format":"200","data":"0102"}`},
}

func TestLines(t *testing.T) {
	for _, c := range lines {
		p := NewPrinter()
		p.Learn(definition.AppendTo(nil))
		msg := c.msg.AppendTo(nil)
		if got, want := string(p.AppendText([]byte("> "), 9, stamp, msg)), "> "+textHead+c.text+"\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		if got, want := string(p.AppendJSON([]byte("> "), 9, stamp, msg)), "> "+jsonHead+c.json+"\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
		if !json.Valid([]byte(jsonHead + c.json)) {
			t.Errorf("not valid: %s", c.json)
		}
	}
}

// A message as it is in a packet, with a stamp offset, prints as it was put in.
func TestStamped(t *testing.T) {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	for i, c := range lines {
		b.Add(c.msg.AppendTo(nil), wire.Nanos(1000+i))
	}
	packet, _ := b.Close(wire.Header{Type: wire.TypeSequenced, Sequence: 1}, 2000)
	p, i := NewPrinter(), 0
	c := packet.Cursor()
	for ; c.Next(); i++ {
		got := string(p.AppendJSON(nil, 9, stamp, c.Message()))
		if want := jsonHead + lines[i].json + "\n"; got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

func TestUnknown(t *testing.T) {
	msg := (&wire.OrderDelete{Head: none, Order: 2}).AppendTo(nil)
	kind := func(k wire.Kind, b []byte) []byte { b[offKind] = byte(k); return b }
	cases := []struct {
		name, text, json string
		msg              []byte
	}{
		{"kind of tomorrow", "unknown        number=99 length=22 data=0200000000000000" + clock5,
			`"unknown"` + jsonNone + `"number":99,"length":22,"data":"0200000000000000"}`, kind(99, append([]byte(nil), msg...))},
		{"reserved kind", "quote          number=3 length=22 data=0200000000000000" + clock5,
			`"quote"` + jsonNone + `"number":3,"length":22,"data":"0200000000000000"}`, kind(wire.KindQuote, append([]byte(nil), msg...))},
		{"short body", `order_delete   error="wire: message is too short for its kind" data=0200` + clock5,
			`"order_delete"` + jsonNone + `"error":"wire: message is too short for its kind","data":"0200"}`, msg[:16]},
		{"short head", `unknown        error="wire: message is too short for its kind" data=16000b source=00:00:00.000000000`,
			`"unknown","instrument":0,"symbol":"","source":0,"error":"wire: message is too short for its kind","data":"16000b"}`, msg[:3]},
	}
	blank := strings.Replace(textHead, "ZVZZT", "-    ", 1)
	for _, c := range cases {
		p := NewPrinter()
		if got, want := string(p.AppendText(nil, 9, stamp, c.msg)), blank+c.text+"\n"; got != want {
			t.Errorf("%s: got  %swant %s", c.name, got, want)
		}
		if got, want := string(p.AppendJSON(nil, 9, stamp, c.msg)), jsonHead+c.json+"\n"; got != want {
			t.Errorf("%s: got  %swant %s", c.name, got, want)
		}
	}
}

// Before its definition an instrument is a number, and its prices are mantissas.
func TestUndeclared(t *testing.T) {
	p := NewPrinter()
	msg := (&wire.OrderAdd{Head: at, Order: 1, Price: -20000, Qty: 3}).AppendTo(nil)
	want := strings.Replace(textHead, "ZVZZT", "#7   ", 1) + "order_add      order=1 side=buy price=-20000e? qty=3e?" + clockAt + "\n"
	if got := string(p.AppendText(nil, 9, stamp, msg)); got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	redefined := wire.InstrumentDefinition{Head: at, PriceExponent: 2, QtyExponent: -1, Symbol: []byte("a\x1b[\"\\ é"), Currency: four("USD")}
	def := redefined.AppendTo(nil)
	if got := string(p.AppendText(nil, 9, stamp, def)); !strings.Contains(got, `9 a\x1b["\x5c\x20\xc3\xa9 instrument_definition`) {
		t.Errorf("got %s", got)
	}
	if got := string(p.AppendText(nil, 9, stamp, msg)); !strings.Contains(got, " price=-2000000 qty=0.3 ") {
		t.Errorf("got %s", got)
	}
	var v struct{ Symbol, Currency string }
	if err := json.Unmarshal(p.AppendJSON(nil, 9, stamp, def), &v); err != nil || v.Symbol != "a\x1b[\"\\ \u00c3\u00a9" || v.Currency != "USD" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestDecimal(t *testing.T) {
	cases := []struct {
		v        uint64
		exponent int8
		want     string
	}{
		{0, 0, "0"}, {0, -4, "0.0000"}, {0, 3, "0"}, {7, 3, "7000"}, {12, -1, "1.2"}, {12, -2, "0.12"}, {12, -3, "0.012"},
		{1<<64 - 1, -19, "1.8446744073709551615"}, {1<<64 - 1, -20, "0.18446744073709551615"},
		{1, -128, "0." + strings.Repeat("0", 127) + "1"}, {1, 127, "1" + strings.Repeat("0", 127)},
	}
	for _, c := range cases {
		if got := string(appendDecimal([]byte("x"), c.v, c.exponent)); got != "x"+c.want {
			t.Errorf("%d * 10^%d = %s, want %s", c.v, c.exponent, got[1:], c.want)
		}
	}
}
