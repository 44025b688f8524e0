package history

import (
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// TestAllocs names every operation of the ingest, serve and disk loops that must
// not allocate.
func TestAllocs(t *testing.T) {
	h, m := small(t, Config{Slab: 64 << 10}), newMaker()
	h.Abandon()
	src := m.packet(4, 100)
	progress := []feed.Progress{{Input: 1, Hash: 2, Seq: 3}}
	add := func() {
		b, err := h.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		h.Commit(wire.Packet(b[:copy(b, renumber(src, h.Next()))]), progress)
	}
	ps := make([]wire.Packet, 0, 16)
	dst := make([]byte, 32<<10)
	lend := func(wire.Packet, []feed.Progress) bool { return true }
	for range 1000 {
		add()
		h.Unsent(16, ps)
	}
	for name, op := range map[string]func(){
		"Reserve, Commit, Unsent": func() { add(); h.Unsent(16, ps) },
		"Copy":                    func() { h.Copy(dst, h.Next()-20) },
		"Bounds":                  func() { h.Bounds() },
		"Definitions":             func() { h.Definitions() },
		"Lend":                    func() { h.Lend(h.Next()-20, lend) },
	} {
		if n := testing.AllocsPerRun(1000, op); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	h, err := New(Config{}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	h.Abandon()
	m := newMaker()
	src := m.packet(30, 24)
	progress := []feed.Progress{{Input: 1, Hash: 2, Seq: 3}}
	ps := make([]wire.Packet, 0, 16)
	for b.Loop() {
		buf, err := h.Reserve()
		if err != nil {
			b.Fatal(err)
		}
		h.Commit(wire.Packet(buf[:copy(buf, renumber(src, h.Next()))]), progress)
		h.Unsent(16, ps)
	}
}

func BenchmarkCopy(b *testing.B) {
	h, err := New(Config{}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	h.Abandon()
	m := newMaker()
	src := m.packet(30, 24)
	for range 20_000 {
		h.Append(renumber(src, h.Next()), nil)
	}
	dst := make([]byte, 64<<10)
	oldest, next := h.Bounds()
	seq, total := oldest, 0
	for b.Loop() {
		n, err := h.Copy(dst, seq)
		if err != nil {
			b.Fatal(err)
		}
		total += n
		seq += uint64(n / len(src) * src.Count())
		if seq >= next {
			seq = oldest
		}
	}
	b.SetBytes(int64(total / b.N))
}

// renumber makes p begin at seq; its checksum no longer matches.
func renumber(p wire.Packet, seq uint64) wire.Packet {
	for i := range 8 {
		p[32+i] = byte(seq >> (8 * i))
	}
	return p
}
