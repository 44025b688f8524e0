package synth

import "github.com/tapecast/tapecast/feed/wire"

// What is done, in 256ths of all turns. The rest is entered or deleted, whichever
// takes the side towards half of its depth; and an order that would cross executes
// one on the other side instead.
const (
	shareExecute = 12
	shareReduce  = shareExecute + 5
	shareHidden  = shareReduce + 5
	shareReplace = shareHidden + 40
)

// moveOdds: the fair price moves in one turn of so many.
const moveOdds = 32

// trade appends the message of one turn of one instrument. One random number
// decides: bits 0 to 17 the instrument, 18 to 24 its price and side, 32 to 35 the
// burst, 40 to 47 what is done, and the highest ones whether to enter or delete.
func (m *Market) trade(b []byte) []byte {
	r := m.random.next()
	i := m.choose(r)
	in := &m.list[i]
	if r>>18%moveOdds == 0 {
		in.move(m.direction(i, r>>23&1 == 0))
	}
	s := wire.Side(r >> 24 & 1)
	own, other := &in.sides[s], &in.sides[1-s]
	n := own.count()
	if n == 0 {
		return m.enter(b, i, s)
	}
	switch what := r >> 40 & 255; {
	case what < shareExecute:
		return m.execute(b, i, s)
	case what < shareReduce:
		return m.reduce(b, i, s)
	case what < shareHidden && other.live != 0:
		return m.hidden(b, i, s)
	case what < shareReplace:
		return m.replace(b, i, s)
	case below(r>>32, depth) < n:
		return m.delete(b, i, s)
	}
	return m.enter(b, i, s)
}

// choose picks an instrument, in a burst mostly the burst's.
func (m *Market) choose(r uint64) int {
	i := int(m.activity[int(r)&(len(m.activity)-1)])
	if m.arrivals.burst > 0 && r>>32&15 != 0 {
		return m.arrivals.focus
	}
	m.arrivals.excite(m.random.next(), i)
	return i
}

// direction says where the fair price goes: by chance up, but one way in a burst.
func (m *Market) direction(i int, up bool) bool {
	if m.arrivals.burst > 0 && m.arrivals.focus == i {
		return m.arrivals.up
	}
	return up
}

// enter adds an order to side s, or executes one that it would cross.
func (m *Market) enter(b []byte, i int, s wire.Side) []byte {
	in, r := &m.list[i], m.random.next()
	key := in.place(s, r)
	if in.sides[1-s].crosses(key) {
		return m.execute(b, i, 1-s)
	}
	qty := in.quantity(m.random.next())
	m.order++
	in.sides[s].add(r>>25, m.order, key, qty)
	a := wire.OrderAdd{Head: m.head(i), Order: m.order, Side: s, Price: in.price(s, key), Qty: uint64(qty)}
	if r>>57&7 == 0 {
		a.Participant = [4]byte{'M', 'M', 'K', 'A' + byte(r>>60&7)}
	}
	return a.AppendTo(b)
}

// replace moves some order of side s, or executes one that it would cross.
func (m *Market) replace(b []byte, i int, s wire.Side) []byte {
	in, r := &m.list[i], m.random.next()
	key := in.place(s, r)
	if in.sides[1-s].crosses(key) {
		return m.execute(b, i, 1-s)
	}
	own, qty := &in.sides[s], in.quantity(m.random.next())
	slot := own.any(r >> 25)
	old := own.ids[slot]
	m.order++
	own.remove(slot)
	own.add(r>>28, m.order, key, qty)
	p := wire.OrderReplace{Head: m.head(i), Order: old, New: m.order, Price: in.price(s, key), Qty: uint64(qty)}
	return p.AppendTo(b)
}

// execute fills the first order of side s, in part where the other one is smaller.
func (m *Market) execute(b []byte, i int, s wire.Side) []byte {
	in := &m.list[i]
	own := &in.sides[s]
	slot := own.first()
	qty := min(in.quantity(m.random.next()), own.open[slot])
	m.match++
	e := wire.OrderExecute{Head: m.head(i), Order: own.ids[slot], Match: m.match, Qty: uint64(qty)}
	own.take(slot, qty)
	return e.AppendTo(b)
}

// reduce takes away part of some order of side s; a single share is deleted.
func (m *Market) reduce(b []byte, i int, s wire.Side) []byte {
	own, r := &m.list[i].sides[s], m.random.next()
	slot := own.any(r)
	if own.open[slot] == 1 {
		return m.delete(b, i, s)
	}
	qty := 1 + below(r>>32, own.open[slot]-1)
	own.take(slot, qty)
	o := wire.OrderModify{Head: m.head(i), Order: own.ids[slot], Qty: uint64(qty), Reduced: true}
	return o.AppendTo(b)
}

// delete takes out some order of side s.
func (m *Market) delete(b []byte, i int, s wire.Side) []byte {
	own := &m.list[i].sides[s]
	slot := own.any(m.random.next())
	own.remove(slot)
	d := wire.OrderDelete{Head: m.head(i), Order: own.ids[slot]}
	return d.AppendTo(b)
}

// hidden trades with an order that the book does not show, in the middle of the
// spread. Both sides have orders.
func (m *Market) hidden(b []byte, i int, s wire.Side) []byte {
	in := &m.list[i]
	bid := in.price(wire.Buy, in.sides[wire.Buy].best)
	ask := in.price(wire.Sell, in.sides[wire.Sell].best)
	m.match++
	t := wire.Trade{
		Head:  m.head(i),
		Match: m.match,
		Price: (bid + ask) / 2,
		Qty:   uint64(in.quantity(m.random.next())),
		Side:  s,
	}
	return t.AppendTo(b)
}
