package rig

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// due is what a schedule must say: how many messages have their time at or before.
func due(s Schedule, elapsed int64) (n uint64) {
	for s.At(n) <= elapsed {
		n++
	}
	return n
}

func TestSchedulesSayWhatIsDue(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	arrivals := []int64{1000}
	for range 200 {
		arrivals = append(arrivals, arrivals[len(arrivals)-1]+r.Int64N(3)*r.Int64N(5000))
	}
	for _, rate := range []float64{3, 997, 1e6, 31e6} {
		bursts, err := NewBursts(arrivals, rate)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]Schedule{"even": Even(rate), "bursts": bursts} {
			at := int64(-5)
			for range 300 {
				want := due(s, at)
				// A product may round the other way than a quotient: one message, 1 ns apart.
				if got := s.Due(at); got != want && !(name == "even" && got == due(s, at-1)) {
					t.Fatalf("%s at %v/s: %d due at %d ns, want %d (seed %d)", name, rate, got, at, want, seed)
				}
				at += r.Int64N(int64(2e9/rate)) + 1
			}
		}
	}
}

// A sender that was away finds all that became due meanwhile, with their own times.
func TestScheduleIsOpenLoop(t *testing.T) {
	s := Even(1e6)
	if n := s.Due(5_000_000); n != 5001 {
		t.Errorf("%d messages due after a pause of 5 ms at 1 M/s, want 5001", n)
	}
	if at := s.At(2500); at != 2_500_000 {
		t.Errorf("message 2500 is due at %d ns, want 2500000", at)
	}
}

func TestBurstsKeepGapsAndRate(t *testing.T) {
	b, err := NewBursts([]int64{100, 100, 100, 1100}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if b.At(0) != 0 || b.At(2) != 0 || b.At(3) != 4_000_000 || b.At(4000) != 4_000_000_000 {
		t.Errorf("times %d %d %d, message 4000 at %d", b.At(0), b.At(2), b.At(3), b.At(4000))
	}
	for _, bad := range [][]int64{nil, {1}, {5, 5}} {
		if _, err := NewBursts(bad, 1); err == nil {
			t.Errorf("%v made a schedule", bad)
		}
	}
}

func TestArrivals(t *testing.T) {
	got, err := arrivals(strings.NewReader("20 {\"x\":1}\n10 " + strings.Repeat("y ", 1<<16) + "\nnone\n30\n"))
	if err != nil || len(got) != 3 || got[0] != 10 || got[2] != 30 {
		t.Errorf("arrivals %v, %v", got, err)
	}
	if _, err := Arrivals("testdata/none"); err == nil {
		t.Error("a missing file gave arrivals")
	}
}
