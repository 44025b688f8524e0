package history

import (
	"encoding/binary"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// maker builds chained packets.
type maker struct {
	next, chain uint64
	epoch       uint32
	stamp       wire.Nanos
}

func newMaker() *maker { return &maker{next: 1, epoch: 1, stamp: 1_000_000} }

// fill builds the next packet of n messages of size bytes of data in buf.
func (m *maker) fill(buf []byte, n, size int) wire.Packet {
	var b wire.Builder
	b.Open(buf)
	for i := range n {
		data := make([]byte, size)
		binary.LittleEndian.PutUint64(data, m.next+uint64(i))
		binary.LittleEndian.PutUint32(data[8:], m.epoch)
		o := wire.Opaque{Format: wire.FormatApplication, Data: data}
		m.stamp++
		b.Add(o.AppendTo(nil), m.stamp)
	}
	return m.close(&b)
}

func (m *maker) close(b *wire.Builder) wire.Packet {
	p, chain := b.Close(wire.Header{Type: wire.TypeSequenced, Epoch: m.epoch, Sequence: m.next, Chain: m.chain}, m.stamp)
	m.next, m.chain = p.Next(), chain
	return p
}

func (m *maker) packet(n, size int) wire.Packet {
	return m.fill(make([]byte, wire.DefaultPacket), n, size)
}

// define builds a packet of one instrument definition.
func (m *maker) define(id uint32, symbol string) wire.Packet {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	d := wire.InstrumentDefinition{Head: wire.Head{Instrument: id}, Symbol: []byte(symbol)}
	o := wire.Opaque{Data: make([]byte, 4)}
	b.Add(o.AppendTo(nil), m.stamp)
	m.stamp += 5
	b.Add(d.AppendTo(nil), m.stamp) // carries a stamp offset
	return m.close(&b)
}

func small(t testing.TB, cfg Config) *History {
	t.Helper()
	if cfg.Slab == 0 {
		cfg.Slab = 8 << 10
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = 10 * cfg.Slab
	}
	h, err := New(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func commit(t testing.TB, h *History, m *maker, n, size int, progress ...feed.Progress) wire.Packet {
	t.Helper()
	b, err := h.Reserve()
	if err != nil {
		t.Fatalf("Reserve at %d: %v", h.Next(), err)
	}
	p := m.fill(b, n, size)
	h.Commit(p, progress)
	return p
}

// drain hands out what is unsent, as a publisher would.
func drain(h *History) (n int) {
	var ps [64]wire.Packet
	for {
		got := h.Unsent(len(ps), ps[:0])
		if len(got) == 0 {
			return n
		}
		n += len(got)
	}
}
