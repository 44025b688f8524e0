package synth

import (
	"strconv"

	"github.com/tapecast/tapecast/feed/wire"
)

// DefaultInstruments is the number of instruments that New lists when told 0.
const DefaultInstruments = 400

// MaxInstruments bounds the instruments of a Market.
const MaxInstruments = 10_000

// Market is a synthetic market, as the package comment has it. It implements
// feed.Reader and belongs to one goroutine.
type Market struct {
	name     string
	random   random
	arrivals arrivals
	list     []instrument // instrument id - 1 is the index; lower ids are busier
	activity []uint16     // indices, each as often as its instrument is busy; 2^n of them
	round    int          // of the opening, see open
	listed   int          // instruments done in this round
	order    uint64       // the last order id given
	match    uint64       // the last match number given
	buf      []byte       // the message
}

// New makes the market of a seed, with that many instruments: 0 is
// DefaultInstruments, and above MaxInstruments is MaxInstruments. The market is
// decided by both numbers.
func New(seed uint64, instruments int) *Market {
	name := "synth:" + strconv.FormatUint(seed, 10)
	if instruments <= 0 {
		instruments = DefaultInstruments
	}
	instruments = min(instruments, MaxInstruments)
	if instruments != DefaultInstruments {
		name += "/" + strconv.Itoa(instruments)
	}
	m := &Market{
		name:     name,
		random:   random(seed),
		arrivals: arrivals{now: opening},
		list:     make([]instrument, instruments),
		activity: activity(instruments),
		buf:      make([]byte, 0, 128),
	}
	for i := range m.list {
		m.list[i] = list(m.random.next())
	}
	return m
}

// activity shares at least 16 places for each of n instruments as by Zipf: the k-th
// has a share proportional to 1/(k+1), and one place at least.
func activity(n int) (places []uint16) {
	size := 1
	for size < 16*n {
		size *= 2
	}
	weight := func(i int) uint64 { return 1 << 32 / uint64(i+2) }
	total := uint64(0)
	for i := range n {
		total += weight(i)
	}
	for i := range n {
		for range 1 + uint64(size-n)*weight(i)/total {
			places = append(places, uint16(i))
		}
	}
	for len(places) < size { // what rounding left
		places = append(places, uint16(len(places)%n))
	}
	return places
}

// Name is "synth:SEED", and "synth:SEED/N" with other than DefaultInstruments.
func (m *Market) Name() string { return m.name }

// Close does nothing and returns nil.
func (m *Market) Close() error { return nil }

// Next returns the next message, lent until the next call. It never returns an
// error: the market does not end.
func (m *Market) Next() ([]byte, error) {
	m.arrivals.next(m.random.next())
	if m.round < rounds {
		m.buf = m.open(m.buf[:0])
	} else {
		m.buf = m.trade(m.buf[:0])
	}
	return m.buf, nil
}

func (m *Market) head(i int) wire.Head {
	return wire.Head{Instrument: uint32(i) + 1, Source: m.arrivals.now}
}

// Rounds of the opening: each gives one message of every instrument.
const (
	roundDefine  = 0
	roundPreOpen = 1
	roundOrders  = 2 // to roundOpen-1: the book before the open
	roundOpen    = 14
	roundCross   = 15
	rounds       = 16
)

// open appends the next message of the opening: definitions, pre-open, the first
// orders, open and the opening crosses.
func (m *Market) open(b []byte) []byte {
	i, round := m.listed, m.round
	m.listed++
	if m.listed == len(m.list) {
		m.listed = 0
		m.round++
	}
	if m.round == rounds {
		m.arrivals.open = m.arrivals.now
	}
	switch round {
	case roundDefine:
		return m.define(b, i)
	case roundPreOpen:
		return m.status(b, i, wire.StatePreOpen, 'P')
	case roundOpen:
		return m.status(b, i, wire.StateTrading, 'T')
	case roundCross:
		return m.cross(b, i)
	}
	return m.enter(b, i, wire.Side(round&1))
}

func (m *Market) define(b []byte, i int) []byte {
	var symbol [4]byte
	d := wire.InstrumentDefinition{
		Head:          m.head(i),
		PriceExponent: priceExponent,
		Class:         wire.ClassEquity,
		Lot:           m.list[i].lot,
		Currency:      [4]byte{'U', 'S', 'D'},
		Venue:         [4]byte{'X', 'X', 'X', 'X'}, // ISO 10383: no market
		Symbol:        appendSymbol(symbol[:0], i),
	}
	return d.AppendTo(b)
}

func (m *Market) status(b []byte, i int, state wire.TradingState, code byte) []byte {
	s := wire.TradingStatus{Head: m.head(i), State: state, Code: code}
	return s.AppendTo(b)
}

func (m *Market) cross(b []byte, i int) []byte {
	in := &m.list[i]
	m.match++
	t := wire.Trade{
		Head:  m.head(i),
		Match: m.match,
		Price: in.price(wire.Sell, in.fair),
		Qty:   uint64(in.lot) * uint64(10+m.random.next()%1000),
		Type:  'O',
		Cross: true,
	}
	return t.AppendTo(b)
}
