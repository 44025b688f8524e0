package history

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// TestModel drives a history and a slice of packets with the same commands.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Slab: 8 << 10, Bytes: 80 << 10, Durable: rapid.Bool().Draw(t, "durable")}
		h, err := New(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		m := newMaker()
		var kept []wire.Packet
		var written, durable, sent uint64
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				b, err := h.Reserve()
				if errors.Is(err, ErrUnwritten) {
					return
				}
				p := m.fill(b, rapid.IntRange(1, 4).Draw(t, "messages"), rapid.IntRange(12, 300).Draw(t, "size"))
				kept = append(kept, bytes.Clone(p))
				h.Commit(p, nil)
			},
			"write": func(t *rapid.T) {
				written = m.next - 1
				h.MarkWritten(written)
			},
			"sync": func(t *rapid.T) {
				durable = written
				h.MarkDurable(durable)
			},
			"send": func(t *rapid.T) {
				for _, p := range h.Unsent(rapid.IntRange(1, 20).Draw(t, "max"), nil) {
					if p.First() != sent+1 || cfg.Durable && p.Next()-1 > durable {
						t.Fatalf("sent %d after %d, durable %d", p.First(), sent, durable)
					}
					sent = p.Next() - 1
				}
			},
			"truncate": func(t *rapid.T) {
				if len(kept) == 0 {
					return
				}
				keep := rapid.IntRange(max(0, len(kept)-20), len(kept)).Draw(t, "keep")
				if keep < len(kept) {
					m.next, m.chain = kept[keep].First(), kept[keep].Chain()
				}
				kept = kept[:keep]
				m.epoch++
				last := m.next - 1
				h.Truncate(last, m.chain)
				h.Rewind(last)
				written, durable, sent = min(written, last), min(durable, last), min(sent, last)
			},
			"": func(t *rapid.T) { compare(t, h, kept, cfg.Durable, durable) },
		})
	})
}

func compare(t *rapid.T, h *History, kept []wire.Packet, strict bool, durable uint64) {
	oldest, next := h.Bounds()
	end := uint64(1)
	if n := len(kept); n > 0 {
		end = kept[n-1].Next()
	}
	if strict {
		end = min(end, durable+1)
	}
	if next != end || oldest > next {
		t.Fatalf("bounds %d %d, want next %d", oldest, next, end)
	}
	dst := make([]byte, 3*wire.DefaultPacket)
	for _, p := range kept {
		if p.First() < oldest || p.First() >= next {
			continue
		}
		n, err := h.Copy(dst, p.Next()-1)
		if err != nil || !bytes.Equal(dst[:len(p)], p) {
			t.Fatalf("Copy(%d): %d bytes, %v", p.Next()-1, n, err)
		}
	}
}

// TestConcurrentReaders runs one writer, a disk loop and more readers than pins.
// What a reader gets must be whole, consecutive and never taken back half.
func TestConcurrentReaders(t *testing.T) {
	const packets, readers = 4_000, 6
	h, m := small(t, Config{Slab: 16 << 10, Bytes: 160 << 10, Pins: 4}), newMaker()
	var stop atomic.Bool
	var wg sync.WaitGroup
	var copies, busy atomic.Int64
	for r := range readers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(r)))
			dst := make([]byte, 6000)
			for !stop.Load() {
				oldest, next := h.Bounds()
				seq := oldest + rng.Uint64N(next-oldest+2)
				n, err := h.Copy(dst, seq)
				switch {
				case err == nil:
					copies.Add(1)
					checkRun(t, dst[:n], seq)
				case errors.Is(err, feed.ErrBusy):
					busy.Add(1)
				case !errors.Is(err, feed.ErrGone) && !errors.Is(err, feed.ErrAhead):
					t.Errorf("Copy(%d): %v", seq, err)
				}
			}
		})
	}
	wg.Go(func() { // the disk loop
		next := uint64(1)
		for !stop.Load() {
			err := h.Lend(next, func(p wire.Packet, _ []feed.Progress) bool {
				if p.First() != next {
					t.Errorf("lent %d, want %d", p.First(), next)
				}
				next = p.Next()
				return true
			})
			if err != nil {
				t.Error(err)
			}
			h.MarkWritten(next - 1)
		}
	})
	for range packets {
		b, err := h.Reserve()
		for ; errors.Is(err, ErrUnwritten); b, err = h.Reserve() {
			drain(h)
		}
		h.Commit(m.fill(b, 3, 40), []feed.Progress{{Input: 1, Hash: 2, Seq: m.next}})
		drain(h)
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d copies, %d refused", copies.Load(), busy.Load())
	if copies.Load() == 0 {
		t.Error("no reader got anything")
	}
}

// TestSlowSearch: a reader that knew the bounds of the table and was then held up while
// the writer went round it may find nothing, but must not take that for eviction, or the
// journal would be declared dead, and a repair that is there unavailable.
func TestSlowSearch(t *testing.T) {
	h, m := small(t, Config{Slab: 8 << 10, Bytes: 80 << 10}), newMaker()
	commit := func() error {
		b, err := h.Reserve()
		if err == nil {
			h.Commit(m.fill(b, 3, 300), nil)
			drain(h)
		}
		return err
	}
	for h.tail.Load() < 5 {
		h.MarkWritten(m.next - 1)
		if err := commit(); err != nil {
			t.Fatal(err)
		}
	}
	tail, head, first := h.tail.Load(), h.head.Load(), m.next
	h.MarkWritten(first - 1) // first is what the disk loop wants next
	for {
		if err := commit(); errors.Is(err, ErrUnwritten) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if s, _ := h.search(first, tail, head); s != nil {
		t.Fatal("the search with old bounds found a slab: this tests nothing")
	}
	if h.evicted(first) || !h.evicted(first-100) {
		t.Errorf("%d evicted: %v; %d: %v", first, h.evicted(first), first-100, h.evicted(first-100))
	}
	if err := h.Lend(first, func(wire.Packet, []feed.Progress) bool { return false }); err != nil {
		t.Error(err)
	}
}

// TestConcurrentTruncate lets readers run while epochs cut the history.
func TestConcurrentTruncate(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	h.Abandon()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(r)))
			dst := make([]byte, 4000)
			for !stop.Load() {
				oldest, next := h.Bounds()
				seq := oldest + rng.Uint64N(next-oldest+1)
				if n, err := h.Copy(dst, seq); err == nil {
					checkRun(t, dst[:n], seq)
				}
				h.Definitions()
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 3))
	var kept []wire.Packet
	for range 10_000 {
		p := m.packet(2, 100)
		if rng.IntN(50) == 0 {
			p = m.define(rng.Uint32N(5), "S")
			m.next, m.chain = p.First(), p.Chain() // built in place of the one before
			if len(kept) > 0 {
				last := kept[len(kept)-1]
				m.next, m.chain = last.Next(), wire.ChainAfter(last)
			}
			p = m.define(rng.Uint32N(5), "S")
		}
		if err := h.Append(p, nil); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, p)
		if rng.IntN(40) == 0 {
			cut := len(kept) - 1 - rng.IntN(min(len(kept), 60))
			m.next, m.chain = kept[cut].First(), kept[cut].Chain()
			kept = kept[:cut]
			m.epoch++
			h.Truncate(m.next-1, m.chain)
		}
	}
	stop.Store(true)
	wg.Wait()
}

// checkRun checks that b is whole consecutive packets of one history, the first
// one holding seq.
func checkRun(t *testing.T, b []byte, seq uint64) {
	for first := true; len(b) > 0; first = false {
		p, err := wire.Parse(b)
		if err != nil {
			t.Errorf("copied at %d: %v", seq, err)
			return
		}
		if p.First() > seq || p.Next() <= seq {
			t.Errorf("copied %d to %d, want %d (first %v)", p.First(), p.Next(), seq, first)
			return
		}
		seq, b = p.Next(), b[len(p):]
	}
}
