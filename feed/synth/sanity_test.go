package synth

import (
	"fmt"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// order and replay are a book built from messages alone, in the plainest way.
type order struct {
	instrument uint32
	side       wire.Side
	price      int64
	open       uint64
}

type replay struct {
	live       map[uint64]order
	sides      map[uint32]*[2]map[uint64]bool // by instrument, ids of live orders
	state      map[uint32]wire.TradingState
	lot        map[uint32]uint64
	symbols    map[string]bool
	now        uint64
	instrument uint32 // of the message before
	match      uint64
	order      uint64
	traded     bool // something other than a definition was seen

	kinds [32]int
	odd   int
	adds  int
}

func newReplay() *replay {
	return &replay{
		live: map[uint64]order{}, sides: map[uint32]*[2]map[uint64]bool{},
		state: map[uint32]wire.TradingState{}, lot: map[uint32]uint64{}, symbols: map[string]bool{},
	}
}

func (p *replay) take(msg []byte) error {
	if err := wire.CheckMessage(msg); err != nil {
		return err
	}
	k := wire.KindOf(msg)
	p.kinds[k]++
	switch k {
	case wire.KindInstrumentDefinition:
		return p.define(msg)
	case wire.KindTradingStatus:
		return p.status(msg)
	case wire.KindOrderAdd:
		return p.add(msg)
	case wire.KindOrderDelete:
		return p.delete(msg)
	case wire.KindOrderModify:
		return p.modify(msg)
	case wire.KindOrderExecute:
		return p.execute(msg)
	case wire.KindOrderReplace:
		return p.replace(msg)
	case wire.KindTrade:
		return p.trade(msg)
	}
	return fmt.Errorf("kind %v", k)
}

func (p *replay) head(h wire.Head, states ...wire.TradingState) error {
	if h.Source < p.now || h.Source < opening {
		return fmt.Errorf("source time %d after %d", h.Source, p.now)
	}
	p.now, p.instrument = h.Source, h.Instrument
	if len(states) == 0 {
		return nil
	}
	for _, s := range states {
		if p.state[h.Instrument] == s {
			p.traded = true
			return nil
		}
	}
	return fmt.Errorf("instrument %d is in state %d, want one of %v", h.Instrument, p.state[h.Instrument], states)
}

func (p *replay) define(msg []byte) error {
	var d wire.InstrumentDefinition
	if err := d.Decode(msg); err != nil {
		return err
	}
	if p.traded || p.sides[d.Instrument] != nil || p.symbols[string(d.Symbol)] || d.Instrument == 0 || d.Lot == 0 || d.PriceExponent != -4 {
		return fmt.Errorf("definition %+v", d)
	}
	p.sides[d.Instrument] = &[2]map[uint64]bool{{}, {}}
	p.lot[d.Instrument], p.symbols[string(d.Symbol)] = uint64(d.Lot), true
	return p.head(d.Head)
}

func (p *replay) status(msg []byte) error {
	var s wire.TradingStatus
	if err := s.Decode(msg); err != nil {
		return err
	}
	was := p.state[s.Instrument]
	if p.sides[s.Instrument] == nil || !(was == 0 && s.State == wire.StatePreOpen || was == wire.StatePreOpen && s.State == wire.StateTrading) {
		return fmt.Errorf("status %+v after %v", s, was)
	}
	p.state[s.Instrument], p.traded = s.State, true
	return p.head(s.Head)
}

func (p *replay) insert(id uint64, o order) error {
	if id != p.order+1 || o.open == 0 || o.price <= 0 || o.price%cent != 0 {
		return fmt.Errorf("order %d after %d: %+v", id, p.order, o)
	}
	p.order = id
	for other := range p.sides[o.instrument][1-o.side] {
		if q := p.live[other]; o.side == wire.Buy && o.price >= q.price || o.side == wire.Sell && o.price <= q.price {
			return fmt.Errorf("order %d %+v crosses %d %+v", id, o, other, q)
		}
	}
	p.live[id] = o
	p.sides[o.instrument][o.side][id] = true
	if n := len(p.sides[o.instrument][o.side]); n > depth {
		return fmt.Errorf("%d live orders on a side of instrument %d", n, o.instrument)
	}
	p.adds++
	if o.open < p.lot[o.instrument] {
		p.odd++
	}
	return nil
}

// find gives a live order of the instrument.
func (p *replay) find(instrument uint32, id uint64) (order, error) {
	o, ok := p.live[id]
	if !ok || o.instrument != instrument {
		return o, fmt.Errorf("order %d is not live in instrument %d", id, instrument)
	}
	return o, nil
}

func (p *replay) remove(id uint64) {
	o := p.live[id]
	delete(p.live, id)
	delete(p.sides[o.instrument][o.side], id)
}

// reduce takes qty of an order, and the order when all of it is gone.
func (p *replay) reduce(id uint64, qty uint64, all bool) error {
	o := p.live[id]
	if qty == 0 || qty > o.open || qty == o.open && !all {
		return fmt.Errorf("takes %d of order %d, which has %d", qty, id, o.open)
	}
	if o.open -= qty; o.open == 0 {
		p.remove(id)
	} else {
		p.live[id] = o
	}
	return nil
}

func (p *replay) add(msg []byte) error {
	var a wire.OrderAdd
	if err := a.Decode(msg); err != nil {
		return err
	}
	if err := p.head(a.Head, wire.StatePreOpen, wire.StateTrading); err != nil {
		return err
	}
	return p.insert(a.Order, order{a.Instrument, a.Side, a.Price, a.Qty})
}

func (p *replay) delete(msg []byte) error {
	var d wire.OrderDelete
	if err := d.Decode(msg); err != nil {
		return err
	}
	if _, err := p.find(d.Instrument, d.Order); err != nil {
		return err
	}
	p.remove(d.Order)
	return p.head(d.Head, wire.StateTrading)
}

func (p *replay) modify(msg []byte) error {
	var m wire.OrderModify
	if err := m.Decode(msg); err != nil {
		return err
	}
	if _, err := p.find(m.Instrument, m.Order); err != nil || !m.Reduced {
		return fmt.Errorf("%+v: %w", m, err)
	}
	if err := p.head(m.Head, wire.StateTrading); err != nil {
		return err
	}
	return p.reduce(m.Order, m.Qty, false)
}

func (p *replay) execute(msg []byte) error {
	var e wire.OrderExecute
	if err := e.Decode(msg); err != nil {
		return err
	}
	o, err := p.find(e.Instrument, e.Order)
	if err != nil {
		return err
	}
	for id := range p.sides[o.instrument][o.side] {
		q := p.live[id]
		better := q.price > o.price == (o.side == wire.Buy) && q.price != o.price
		if better || q.price == o.price && id < e.Order {
			return fmt.Errorf("executes order %d %+v before %d %+v", e.Order, o, id, q)
		}
	}
	if p.match++; e.Match != p.match {
		return fmt.Errorf("match %d, want %d", e.Match, p.match)
	}
	if err := p.head(e.Head, wire.StateTrading); err != nil {
		return err
	}
	return p.reduce(e.Order, e.Qty, true)
}

func (p *replay) replace(msg []byte) error {
	var r wire.OrderReplace
	if err := r.Decode(msg); err != nil {
		return err
	}
	o, err := p.find(r.Instrument, r.Order)
	if err != nil {
		return err
	}
	if err := p.head(r.Head, wire.StateTrading); err != nil {
		return err
	}
	p.remove(r.Order)
	return p.insert(r.New, order{r.Instrument, o.side, r.Price, r.Qty})
}

func (p *replay) trade(msg []byte) error {
	var t wire.Trade
	if err := t.Decode(msg); err != nil {
		return err
	}
	if p.match++; t.Match != p.match || t.Qty == 0 || t.Order != 0 {
		return fmt.Errorf("trade %+v, want match %d", t, p.match)
	}
	for side, ids := range p.sides[t.Instrument] {
		for id := range ids {
			if o := p.live[id]; !t.Cross && o.price > t.Price == (side == int(wire.Buy)) && o.price != t.Price {
				return fmt.Errorf("trade %+v outside of order %d %+v", t, id, o)
			}
		}
	}
	return p.head(t.Head, wire.StateTrading)
}

func TestBooksStaySane(t *testing.T) {
	for _, c := range []struct {
		seed        uint64
		instruments int
		messages    int
	}{
		{1, 0, 400_000}, {2, 0, 100_000}, {3, 1, 100_000}, {4, 2, 100_000}, {1 << 63, 50, 200_000},
	} {
		if testing.Short() {
			c.messages /= 8
		}
		m, p := New(c.seed, c.instruments), newReplay()
		for i := range c.messages {
			if err := p.take(next(t, m)); err != nil {
				t.Fatalf("%s, message %d: %v", m.Name(), i+1, err)
			}
		}
		if n := len(p.sides); n != len(m.list) {
			t.Errorf("%s: %d instruments defined", m.Name(), n)
		}
	}
}

// The market looks like one: what the messages are, where they go, how they come.
func TestShape(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of market are a million messages")
	}
	const n = 1_000_000
	m, p := New(1, 0), newReplay()
	size, top, burst := 0, 0, 0
	times := make([]uint64, 0, n)
	for range n {
		msg := next(t, m)
		if err := p.take(msg); err != nil {
			t.Fatal(err)
		}
		size += len(msg)
		if p.instrument <= 10 {
			top++
		}
		times = append(times, p.now)
	}
	for i := 64; i < n; i++ {
		if times[i]-times[i-64] < 10_000 {
			burst++
		}
	}
	opened := times[rounds*DefaultInstruments]
	first, later := within(times, opened, 1e9), within(times, opened+9e9, 1e9)
	share := func(k wire.Kind) int { return p.kinds[k] * 1000 / n }
	for _, c := range []struct {
		what           string
		got, low, high int
	}{
		{"hundredths of a byte a message", size * 100 / n, 2700, 3100},
		{"adds per thousand", share(wire.KindOrderAdd), 300, 480},
		{"deletes per thousand", share(wire.KindOrderDelete), 250, 450},
		{"replaces per thousand", share(wire.KindOrderReplace), 80, 200},
		{"executions per thousand", share(wire.KindOrderExecute), 40, 150},
		{"reductions per thousand", share(wire.KindOrderModify), 10, 50},
		{"trades per thousand", share(wire.KindTrade), 10, 50},
		{"odd lots per thousand orders", p.odd * 1000 / p.adds, 200, 300},
		{"per thousand in the ten busiest instruments", top * 1000 / n, 300, 600},
		{"per thousand in bursts of 64 in 10 µs", burst * 1000 / n, 30, 200},
		{"messages in the first second", first, 200_000, 500_000},
		{"messages in the tenth second", later, 20_000, 60_000},
	} {
		if t.Logf("%s: %d", c.what, c.got); c.got < c.low || c.got > c.high {
			t.Errorf("seed 1: %s: %d, want %d to %d", c.what, c.got, c.low, c.high)
		}
	}
}

// within counts the times in a span of ns.
func within(times []uint64, from, span uint64) (n int) {
	for _, t := range times {
		if t >= from && t < from+span {
			n++
		}
	}
	return n
}
