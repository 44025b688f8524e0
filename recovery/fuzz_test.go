package recovery

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// FuzzDatagram feeds packets that pass the checksum but say anything: nothing may
// panic, and what is delivered is in order.
func FuzzDatagram(f *testing.F) {
	m := newMarket("FUZZ")
	for range 6 {
		m.publish(2)
	}
	f.Add([]byte{0, 1, 2, 3, 4, 5})
	f.Add([]byte{0, 5, 1, 0x46, 2, 0x83, 3, 4})
	f.Add([]byte{0x20, 0x61, 0xa2, 0xe3, 0, 0xff, 0x1f})
	f.Add([]byte{1, 0x90, 2, 0xd0, 3, 0xb0, 0xf0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		rec := recorder{}
		s, err := NewSubscriber(Config{Window: 1, Seed: 1}, &rec)
		if err != nil {
			t.Fatal(err)
		}
		for i, op := range script {
			now := wire.Nanos(i+1) * ms / 4
			s.Datagram(int(op>>3&1), mutate(m, op), 0, now)
			s.Poll(now)
		}
		if len(rec.bad) > 0 {
			t.Errorf("%q", rec.bad)
		}
	})
}

// mutate gives one of the market's packets, or a forged one, as op says: the low
// three bits choose the packet, the high four what is wrong with it.
func mutate(m *market, op byte) []byte {
	p := m.packets[int(op&7)%len(m.packets)]
	h := p.Header()
	switch op >> 4 {
	case 0, 1:
		return p
	case 2:
		h.Epoch++
	case 3:
		h.Epoch += 5
	case 4:
		h.Epoch = 0
	case 5:
		h.Chain++
	case 6:
		h.Sequence += 1 << 17
	case 7:
		h.Sequence += 1 << 19
	case 8:
		h.Sequence = 1<<64 - 1
	case 9:
		return control(h, wire.TypeHeartbeat, wire.Status{})
	case 10:
		return control(h, wire.TypeEpoch, wire.Status{Previous: 1, Cut: uint64(op & 7)})
	case 11:
		h.Epoch++
		return control(h, wire.TypeEpoch, wire.Status{Previous: h.Epoch - 1, Cut: uint64(op & 7)})
	case 12:
		return control(h, wire.TypeEnd, wire.Status{Last: uint64(op & 7)})
	case 13:
		h.Epoch += 2
		return control(h, wire.TypeHeartbeat, wire.Status{Previous: 3, Cut: uint64(op&7) << 20})
	case 14:
		h.Sequence++
	case 15:
		h.Sequence--
	}
	return rebuild(p, h)
}

func control(h wire.Header, t wire.Type, st wire.Status) []byte {
	h.Type = t
	return st.AppendControl(nil, h)
}

// rebuild gives p with another header.
func rebuild(p wire.Packet, h wire.Header) wire.Packet {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	c := p.Cursor()
	for c.Next() {
		b.Add(c.Message(), c.Stamp())
	}
	q, _ := b.Close(h, h.Stamp)
	return q
}

// FuzzBytes feeds raw bytes: they are refused or are packets.
func FuzzBytes(f *testing.F) {
	m := newMarket("FUZZ")
	f.Add([]byte(m.publish(3)))
	f.Add([]byte(m.control(wire.TypeHeartbeat)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewSubscriber(Config{Window: 1}, &counter{})
		if err != nil {
			t.Fatal(err)
		}
		s.Datagram(0, b, 0, 1)
		s.Poll(2)
		st := s.Stats()
		if sum := st.Bad + st.Packets + st.Control + st.Foreign + st.Overflow + st.Held; sum == 0 {
			t.Errorf("nothing was counted: %+v", *st)
		}
	})
}

// TestTruncationsAndFlips damages a packet in every way that one bit or one cut can.
func TestTruncationsAndFlips(t *testing.T) {
	m := newMarket("FLIPS")
	p := m.publish(5)
	s, err := NewSubscriber(Config{}, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	bad := uint64(0)
	for i := range p {
		s.Datagram(0, p[:i], 0, 1)
		bad++
		for bit := range 8 {
			q := append([]byte(nil), p...)
			q[i] ^= 1 << bit
			s.Datagram(0, q, 0, 1)
			bad++
		}
	}
	if st := s.Stats(); st.Bad != bad || st.Packets != 0 {
		t.Errorf("%d of %d damaged packets were counted, %d delivered", st.Bad, bad, st.Packets)
	}
	s.Datagram(0, append([]byte(p), 1, 2, 3), 0, 1)
	if s.Stats().Delivered != 5 {
		t.Error("a packet with padding behind it was not delivered")
	}
}
