package clock

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// chain publishes a random chain of anchors through Follows.
func chain(t *testing.T, seed uint64, n int) []*Anchor {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	a := Undisciplined(1e18)
	out := []*Anchor{a}
	for range n {
		next := &Anchor{Before: a.Segment, State: wire.ClockSynchronised, Exit: 1e9}
		start := a.End + rng.Int64N(50e6)
		next.Segment = Segment{Start: start, End: start + 1 + rng.Int64N(1e9), UTC: a.At(start) + rng.Int64N(2)*rng.Int64N(1e6), Rate: (rng.Float64()*2 - 1) * 600e-6}
		if rng.IntN(20) == 0 {
			next.Rate = -1
		}
		if !next.Follows(a) {
			t.Fatalf("seed %d: a good anchor is refused", seed)
		}
		a = next
		out = append(out, a)
	}
	return out
}

// TestOrderAcrossAnchors: a reader that lags behind by any number of anchors, and
// stays in their segments, is in order with all others.
func TestOrderAcrossAnchors(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		anchors := chain(t, seed, 40)
		for range 1000 {
			i := 1 + rng.IntN(len(anchors)-2)
			a, b := anchors[i], anchors[i+rng.IntN(len(anchors)-i)]
			first := a.Start + rng.Int64N(a.End-a.Start+1)
			second := max(first, b.Before.Start) + rng.Int64N(1e9)
			early, _ := a.time(first)
			late, inside := b.time(second)
			if inside && late < early {
				t.Fatalf("seed %d: %d at counter %d, then %d at counter %d", seed, early, first, late, second)
			}
		}
	}
}

func TestFollowsRefuses(t *testing.T) {
	old := &Anchor{Segment: Segment{Start: 100, End: 200, UTC: 1000}}
	good := Anchor{Before: old.Segment, Segment: Segment{Start: 200, End: 300, UTC: 1100}}
	for _, c := range []struct {
		name  string
		spoil func(*Anchor)
		want  bool
	}{
		{"good", func(*Anchor) {}, true},
		{"late", func(a *Anchor) { a.Start, a.UTC = 250, 1150 }, true},
		{"forward", func(a *Anchor) { a.UTC = 5000 }, true},
		{"before the end", func(a *Anchor) { a.Start, a.UTC = 199, 1099 }, false},
		{"back", func(a *Anchor) { a.UTC = 1099 }, false},
		{"falling", func(a *Anchor) { a.Rate = -1.1 }, false},
		{"another past", func(a *Anchor) { a.Before.UTC++ }, false},
		{"the same line, another state", func(a *Anchor) { *a = *old; a.State = wire.ClockDisrupted }, true},
	} {
		a := good
		c.spoil(&a)
		if got := a.Follows(old); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestBound(t *testing.T) {
	a := &Anchor{
		Segment: Segment{Start: 1e9, End: 2e9, UTC: 5e9}, Ahead: 1000, Behind: 500,
		AheadGrowth: 1e-6, BehindGrowth: 3e-6, Wander: 1e-18, WanderCap: 1e-6,
		Exit: 10_000, State: wire.ClockSynchronised,
	}
	for _, c := range []struct {
		counter, want int64
		state         wire.ClockState
	}{
		{1e9, 1000 + rounding, wire.ClockSynchronised},
		{2e9, 500 + 3000 + rounding, wire.ClockSynchronised}, // Behind has overtaken; wander is under 1 ns
		{4e9, 500 + 9000 + 4 + rounding, wire.ClockSynchronised},
		{10e9, 500 + 27000 + 40 + rounding, wire.ClockUnsynchronised}, // over Exit: the reader says so
	} {
		if got := a.Bound(c.counter); got != c.want {
			t.Errorf("bound at %d is %d, want %d", c.counter, got, c.want)
		}
		if _, s := a.Read(c.counter); s.State != c.state {
			t.Errorf("state at %d is %d, want %d", c.counter, s.State, c.state)
		}
	}
	none := &Anchor{Segment: Segment{End: 1e9}, Ahead: -1e6, Behind: -1e6, Exit: 10_000, State: wire.ClockSynchronised}
	if _, s := none.Read(5); s.Bound != wire.BoundUnknown || s.State != wire.ClockUnsynchronised {
		t.Errorf("an anchor that contradicts itself: %+v", s)
	}
	u := Undisciplined(0)
	if _, s := u.Read(math.MaxInt64 / 2); s.Bound != wire.BoundUnknown || s.State != wire.ClockUnsynchronised {
		t.Errorf("undisciplined: %+v", s)
	}
}
