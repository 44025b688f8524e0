package recovery

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// TestGaps compares the list with a plain set of missing sequences.
func TestGaps(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		g, edge := newGaps(), uint64(1)
		missing := map[uint64]bool{}
		for range 300 {
			if r.IntN(3) == 0 {
				edge += uint64(r.IntN(3)) // held
				last := edge + uint64(r.IntN(9))
				if g.append(edge, last, 0) {
					for ; edge <= last; edge++ {
						missing[edge] = true
					}
				}
			} else {
				first := 1 + r.Uint64N(edge)
				last := first + uint64(r.IntN(6))
				if g.fill(first, last) {
					for seq := first; seq <= last; seq++ {
						delete(missing, seq)
					}
				}
			}
			compare(t, seed, &g, missing)
		}
	}
}

func compare(t *testing.T, seed uint64, g *gaps, missing map[uint64]bool) {
	n, before := 0, uint64(0)
	for _, x := range g.list {
		if x.first <= before || x.last < x.first {
			t.Fatalf("seed %d: gaps out of order at %d", seed, x.first)
		}
		for seq := x.first; seq <= x.last; seq++ {
			if n++; !missing[seq] {
				t.Fatalf("seed %d: %d is not missing", seed, seq)
			}
		}
		before = x.last
	}
	if n != len(missing) {
		t.Fatalf("seed %d: %d missing in gaps, %d in truth", seed, n, len(missing))
	}
}

// TestGapsFull: nothing grows beyond its bound.
func TestGapsFull(t *testing.T) {
	g := newGaps()
	room := cap(g.list)
	for i := range uint64(2 * maxGaps) {
		g.append(10*i+10, 10*i+15, 0)
	}
	if len(g.list) != maxGaps {
		t.Errorf("%d gaps, want %d", len(g.list), maxGaps)
	}
	for i := range uint64(maxGaps) {
		g.fill(10*i+12, 10*i+13)
	}
	g.prepend(1, 2, 5)
	if len(g.list) != room || cap(g.list) != room || g.list[0].first != 1 {
		t.Errorf("%d gaps from %d, room for %d", len(g.list), g.list[0].first, cap(g.list))
	}
}

func TestFences(t *testing.T) {
	var f fences
	f.add(2, 10)
	f.add(5, 30)
	f.add(7, 20)
	for _, tc := range []struct {
		epoch uint32
		seq   uint64
		want  bool
	}{{1, 10, false}, {1, 11, true}, {2, 20, false}, {2, 21, true}, {5, 21, true}, {6, 20, false}, {7, 99, false}} {
		if got := f.void(tc.epoch, tc.seq); got != tc.want {
			t.Errorf("epoch %d, %d: void %v", tc.epoch, tc.seq, got)
		}
	}
	for i := range uint32(2 * maxFences) {
		f.add(10+i, uint64(100+i))
	}
	if f.n != maxFences || !f.void(10+2*maxFences-2, 100+2*maxFences) {
		t.Errorf("%d fences", f.n)
	}
}

// TestLine counts what a line lost, repeated and overtook.
func TestLine(t *testing.T) {
	m := newMarket("LINE")
	var p []wire.Packet
	for range 6 {
		p = append(p, m.publish(3))
	}
	var st LineStats
	l := newLine(&st)
	for _, i := range []int{0, 2, 1, 1, 5, 5, 3} {
		l.packet(p[i], 1)
	}
	want := LineStats{Packets: 7, Messages: 21, Missing: 3, Duplicates: 2, Reordered: 2}
	if st != want {
		t.Errorf("%+v, want %+v", st, want)
	}
	m.next += 7
	l.control(m.control(wire.TypeHeartbeat), 2)
	if st.Missing != 10 || st.Heartbeats != 1 {
		t.Errorf("after a heartbeat: %+v", st)
	}
}

// TestLineJump: one packet out of reach is not believed, two in a row are.
// What clear forgets is what was named, at every place in the words.
func TestLineClear(t *testing.T) {
	for low := uint64(lineReach - 70); low < lineReach+70; low++ {
		for n := range uint64(200) {
			l := newLine(&LineStats{})
			for i := range l.carried {
				l.carried[i] = ^uint64(0)
			}
			l.clear(low, low+n)
			for seq := low - 70; seq < low+n+70; seq++ {
				if w, b := l.bit(seq); *w&b != 0 == (seq >= low && seq < low+n) {
					t.Fatalf("clear(%d, %d): wrong at %d", low, low+n, seq)
				}
			}
		}
	}
}

func TestLineJump(t *testing.T) {
	m := newMarket("JUMP")
	var st LineStats
	l := newLine(&st)
	l.packet(m.publish(1), 1)
	m.next += 1 << 30
	a, b := m.publish(1), m.publish(1)
	l.packet(a, 1)
	if st.Missing != 0 || l.edge != 2 {
		t.Errorf("believed one packet: edge %d", l.edge)
	}
	l.packet(b, 1)
	if l.edge != b.Next() || st.Missing != b.First()-2 {
		t.Errorf("not believed: edge %d, missing %d", l.edge, st.Missing)
	}
}

func TestConfigRefused(t *testing.T) {
	for _, c := range []Config{
		{TCP: true}, {Lines: 3}, {PacketSize: 1 << 20}, {Window: 1 << 40}, {Attempts: -1}, {Grace: -1},
		{Resume: &Position{}}, {Servers: make([]string, maxServers+1)},
	} {
		if _, err := NewSubscriber(c, &counter{}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := NewStream(c, &counter{}); !errors.Is(err, ErrConfig) {
			t.Errorf("stream, %+v: %v", c, err)
		}
	}
}

// TestStreamAlone delivers a recording, in which something is missing, in process.
func TestStreamAlone(t *testing.T) {
	packets := session(10)
	rec := recorder{}
	s, err := NewStream(Config{}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packets {
		if i != 4 {
			s.Put(p, Recording, 0, 1)
		}
	}
	s.GiveUp(2)
	if s.Stats().Delivered != 9*40 || rec.lost != 40 || s.Position().Sequence != 400 || len(rec.bad) > 0 {
		t.Errorf("delivered %d, lost %d, at %d: %q", s.Stats().Delivered, rec.lost, s.Position().Sequence, rec.bad)
	}
}

// TestWords: every value that tools print has a word.
func TestWords(t *testing.T) {
	for p := LineA; p <= Replay; p++ {
		if p.String() == "unknown" {
			t.Errorf("provenance %d", p)
		}
	}
	for k := EventLost; k <= EventAlert; k++ {
		if k.String() == "unknown" {
			t.Errorf("event kind %d", k)
		}
	}
	for s := StateJoining; s <= StateEnded; s++ {
		if s.String() == "unknown" {
			t.Errorf("state %d", s)
		}
	}
	for c := CauseUnavailable; c <= CauseLoss; c++ {
		if c.String() == "" {
			t.Errorf("cause %d", c)
		}
	}
}

// Each packet counts as first on the line that brought it before the other one.
func TestFirst(t *testing.T) {
	m := newMarket("FIRST")
	a, b, c, d := m.publish(2), m.publish(2), m.publish(2), m.publish(2)
	s, err := NewSubscriber(Config{}, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		line int
		p    wire.Packet
	}{{0, a}, {1, a}, {1, b}, {1, d}, {0, b}, {0, c}, {0, d}, {1, c}, {1, c}, {0, a}} {
		s.Datagram(x.line, x.p, 0, 1)
	}
	if st := s.Stats(); st.Lines[0].First != 2 || st.Lines[1].First != 2 || st.Delivered != 8 {
		t.Errorf("%+v", *st)
	}
}
