package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// mix is messages in the proportions of an order-level equity feed, stamped in
// bursts, and the packets that hold them.
type mix struct {
	adds     []OrderAdd
	deletes  []OrderDelete
	executes []OrderExecute
	replaces []OrderReplace
	trades   []Trade
	modifies []OrderModify

	order   []Kind  // which kind comes next
	stamps  []Nanos // of each message
	packets []Packet
	bytes   int // in all packets
}

const mixLen = 10_000

func newMix() *mix {
	m := &mix{}
	rng := rand.New(rand.NewPCG(1, 1))
	stamp := Nanos(1_580_394_600e9)
	for range mixLen {
		if rng.IntN(8) == 0 { // eight messages a turn of the sequencer, on average
			stamp += Nanos(rng.IntN(20_000))
		}
		m.stamps = append(m.stamps, stamp)
		m.add(rng, Head{uint32(1 + rng.IntN(500)), uint64(rng.Int64N(86_400e9))})
	}
	m.pack()
	return m
}

// add appends one message: 45 % adds, 40 % deletes, 8 % replaces, the rest mixed.
func (m *mix) add(rng *rand.Rand, h Head) {
	order, price, qty := rng.Uint64N(1<<40), int64(rng.IntN(5_000_000)), uint64(100*(1+rng.IntN(10)))
	k := KindOrderModify
	switch n := rng.IntN(100); {
	case n < 45:
		k = KindOrderAdd
		m.adds = append(m.adds, OrderAdd{Head: h, Order: order, Price: price, Qty: qty, Side: Side(n & 1)})
	case n < 85:
		k = KindOrderDelete
		m.deletes = append(m.deletes, OrderDelete{h, order})
	case n < 93:
		k = KindOrderReplace
		m.replaces = append(m.replaces, OrderReplace{h, order, order + 1, price, qty})
	case n < 97:
		k = KindOrderExecute
		m.executes = append(m.executes, OrderExecute{Head: h, Order: order, Match: order, Qty: qty})
	case n < 98:
		k = KindTrade
		m.trades = append(m.trades, Trade{Head: h, Match: order, Price: price, Qty: qty})
	default:
		m.modifies = append(m.modifies, OrderModify{Head: h, Order: order, Qty: qty, Reduced: true})
	}
	m.order = append(m.order, k)
}

// pack encodes the mix into packets.
func (m *mix) pack() {
	h := testHeader(TypeSequenced)
	m.encode(make([]byte, DefaultPacket), func(b *Builder) {
		p, chain := b.Close(h, h.Stamp)
		h.Sequence, h.Chain = p.Next(), chain
		m.packets = append(m.packets, bytes.Clone(p))
		m.bytes += len(p)
	})
}

// encode is what a source and the sequencer do for every message, AppendTo and Add.
// It calls full for every packet that is to be closed.
func (m *mix) encode(mem []byte, full func(*Builder)) {
	var b Builder
	b.Open(mem)
	var add, del, exe, rep, trd, mod int
	var scratch [64]byte
	for i, k := range m.order {
		msg := scratch[:0]
		switch k {
		case KindOrderAdd:
			msg = m.adds[add].AppendTo(msg)
			add++
		case KindOrderDelete:
			msg = m.deletes[del].AppendTo(msg)
			del++
		case KindOrderExecute:
			msg = m.executes[exe].AppendTo(msg)
			exe++
		case KindOrderReplace:
			msg = m.replaces[rep].AppendTo(msg)
			rep++
		case KindTrade:
			msg = m.trades[trd].AppendTo(msg)
			trd++
		case KindOrderModify:
			msg = m.modifies[mod].AppendTo(msg)
			mod++
		}
		if !b.Add(msg, m.stamps[i]) {
			full(&b)
			b.Open(mem)
			b.Add(msg, m.stamps[i])
		}
	}
	full(&b)
}

// perMessage reports what one message of the mix took, and its share of a packet.
func (m *mix) perMessage(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*mixLen), "ns/msg")
	b.ReportMetric(float64(m.bytes)/mixLen, "B/msg")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMessages compares, over the same 10,000 messages, what each step takes
// with copying the bytes: one message at a time (copy), as encoding does, and one
// packet at a time (copy/packets). Encoding includes finding the next message (walk),
// decoding the cursor.
func BenchmarkMessages(b *testing.B) {
	m := newMix()
	mem := make([]byte, DefaultPacket)
	b.Run("copy", func(b *testing.B) {
		for b.Loop() {
			m.copyMessages(mem)
		}
		m.perMessage(b)
	})
	b.Run("copy/packets", func(b *testing.B) {
		for b.Loop() {
			for _, p := range m.packets {
				copy(mem, p)
			}
		}
		m.perMessage(b)
	})
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			m.walk()
		}
		m.perMessage(b)
	})
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			m.encode(mem, func(*Builder) {}) // closing is measured by parse and chain
		}
		m.perMessage(b)
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			m.decodePackets(b)
		}
		m.perMessage(b)
	})
	b.Run("cursor", func(b *testing.B) {
		for b.Loop() {
			for _, p := range m.packets {
				c := p.Cursor()
				for c.Next() {
				}
			}
		}
		m.perMessage(b)
	})
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			for _, p := range m.packets {
				Parse(p)
			}
		}
		m.perMessage(b)
	})
	b.Run("chain", func(b *testing.B) {
		for b.Loop() {
			for _, p := range m.packets {
				ChainAfter(p)
			}
		}
		m.perMessage(b)
	})
}

// walk reads a field of every message in order: what encode takes to find them.
func (m *mix) walk() (sum uint64) {
	var add, del, exe, rep, trd, mod int
	for i, k := range m.order {
		switch k {
		case KindOrderAdd:
			sum += m.adds[add].Order
			add++
		case KindOrderDelete:
			sum += m.deletes[del].Order
			del++
		case KindOrderExecute:
			sum += m.executes[exe].Order
			exe++
		case KindOrderReplace:
			sum += m.replaces[rep].Order
			rep++
		case KindTrade:
			sum += m.trades[trd].Match
			trd++
		case KindOrderModify:
			sum += m.modifies[mod].Order
			mod++
		}
		sum += uint64(m.stamps[i])
	}
	return sum
}

// copyMessages copies the messages of every packet, one by one.
func (m *mix) copyMessages(mem []byte) {
	for _, p := range m.packets {
		n := copy(mem, p[:HeaderLen])
		for b := p[HeaderLen:]; len(b) > 0; {
			size := le.Uint16(b)
			n += copy(mem[n:], b[:size])
			b = b[size:]
		}
	}
}

// decodePackets walks every packet and decodes every message into its struct.
func (m *mix) decodePackets(b *testing.B) {
	var (
		add OrderAdd
		del OrderDelete
		exe OrderExecute
		rep OrderReplace
		trd Trade
		mod OrderModify
		err error
	)
	for _, p := range m.packets {
		c := p.Cursor()
		for c.Next() {
			switch c.Kind() {
			case KindOrderAdd:
				err = add.Decode(c.Message())
			case KindOrderDelete:
				err = del.Decode(c.Message())
			case KindOrderExecute:
				err = exe.Decode(c.Message())
			case KindOrderReplace:
				err = rep.Decode(c.Message())
			case KindTrade:
				err = trd.Decode(c.Message())
			case KindOrderModify:
				err = mod.Decode(c.Message())
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
