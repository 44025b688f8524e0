package estimate_test

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

type anchor = *clock.Anchor

// setting is a number from the environment.
func setting(t testing.TB, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// days is how many days to simulate, from which seed on: TAPECAST_CLOCK_DAYS and
// TAPECAST_CLOCK_SEED, or 40, in short runs 4, from 0.
func days(t testing.TB) (first, n uint64) {
	n = 40
	if testing.Short() {
		n = 4
	}
	return setting(t, "TAPECAST_CLOCK_SEED", 0), setting(t, "TAPECAST_CLOCK_DAYS", n)
}

// each runs the seeds from first on, on all processors; what comes back is in order.
func each[T any](first, n uint64, run func(seed uint64) T) []T {
	out := make([]T, n)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				out[i] = run(first + i)
			}
		})
	}
	wg.Wait()
	return out
}

func world(s clocktest.Scenario) *clocktest.World {
	w, err := clocktest.New(s)
	if err != nil {
		panic(err)
	}
	return w
}

// honest fails t for what no scenario may show.
func honest(t testing.TB, r *clocktest.Result) {
	t.Helper()
	if r.Violations > 0 {
		t.Errorf("%d violations in %d checks, up to %.0f ns; first: %s", r.Violations, r.Checks, r.Worst, r.First)
	}
	if r.Backwards > 0 {
		t.Errorf("time fell %d times; seed %d", r.Backwards, r.Seed)
	}
}

func quantile(v []float64, q float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

func synchronised(r *clocktest.Result) float64 {
	return float64(r.States[wire.ClockSynchronised]) / float64(r.States[0]+r.States[1]+r.States[2]+r.States[3])
}

// TestCampaign is the proof of the promise: days with two of five servers lying.
func TestCampaign(t *testing.T) {
	first, n := days(t)
	var checks, blind, freezes, steps uint64
	var covered float64
	for _, r := range each(first, n, func(seed uint64) *clocktest.Result {
		return world(clocktest.Campaign(seed)).Run(clocktest.Day)
	}) {
		honest(t, r)
		if s := synchronised(r); s < 0.9-slewing(clocktest.Campaign(r.Seed)) {
			t.Errorf("seed %d: synchronised only %.1f %% of the day", r.Seed, 100*s)
		}
		checks, blind, covered, steps = checks+r.Checks, blind+r.Blind, covered+synchronised(r), steps+r.Steps
		freezes += uint64(len(clocktest.Campaign(r.Seed).Freezes))
	}
	t.Logf("%d days, %d checks, %d stamps between a freeze and its marker (%d freezes), synchronised %.2f %% of the time, %d steps",
		n, checks, blind, freezes, 100*covered/float64(n), steps)
}

// slewing is the part of a day that it takes to slew away what the freezes left.
func slewing(s clocktest.Scenario) (part float64) {
	for _, f := range s.Freezes {
		if f.For < 0 || !s.Track.Forward {
			part += math.Abs(float64(f.For)) / s.Track.Slew / float64(clocktest.Day)
		}
	}
	return part
}

// TestTooManyLiars: more than f lie, each in its own way, by 5 to 50 ms. The clock
// says that it knows nothing.
func TestTooManyLiars(t *testing.T) {
	first, n := days(t)
	n *= 10
	claimed, wrong := uint64(0), 0
	for _, r := range each(first, n, tooManyLiars) {
		if r.States[wire.ClockSynchronised] > 0 {
			claimed++
		}
		if r.Violations > 0 {
			wrong++
		}
	}
	t.Logf("%d cases: quorum claimed in %d, wrong in %d", n, claimed, wrong)
	if claimed > n/100 {
		t.Errorf("quorum claimed in %d of %d cases with 3 of 5 liars, from seed %d on", claimed, n, first)
	}
}

func tooManyLiars(seed uint64) *clocktest.Result {
	s := clocktest.Base(seed, 5, 2, 5e6)
	rng := rand.New(rand.NewPCG(seed, 3))
	for i := range 3 {
		size := math.Copysign(10e6+rng.Float64()*40e6, rng.Float64()-0.5)
		s.Servers[i] = clocktest.Server{Lie: clocktest.Constant, Size: size, Error: 30e3}
		if rng.IntN(2) == 0 {
			s.Servers[i].Lie, s.Servers[i].Floor = clocktest.Stepping, 0.5
		}
	}
	return world(s).Run(2 * clocktest.Hour)
}

// TestReference is the published comparison: errors of chronyd, and the bound of
// ClockBound's formula on the same samples.
func TestReference(t *testing.T) {
	for seed := range uint64(3) {
		r := world(clocktest.Reference(seed)).Run(100_000 * clocktest.Second)
		honest(t, r)
		p50, p99 := quantile(r.Errors, 0.5), quantile(r.Errors, 0.99)
		bound, rival := quantile(r.Bounds, 0.5), quantile(r.Rivals, 0.5)
		t.Logf("seed %d: error p50 %.1f us, p99 %.1f us; bound p50 %.0f us, p99 %.0f us; ClockBound's p50 %.0f us",
			seed, p50/1e3, p99/1e3, bound/1e3, quantile(r.Bounds, 0.99)/1e3, rival/1e3)
		if p50 > 27e3 || p99 > 110e3 || bound > 0.6*rival {
			t.Errorf("seed %d: error p50 %.0f, p99 %.0f ns, bound %.0f against %.0f ns", seed, p50, p99, bound, rival)
		}
	}
}

// TestWander: servers and paths so good that the crystal's freedom decides.
func TestWander(t *testing.T) {
	for seed := range uint64(4) {
		s := clocktest.Base(seed, 3, 0, 0)
		s.Oscillator.Hostile = true
		for i := range s.Paths {
			s.Servers[i].Error = 500
			s.Paths[i] = clocktest.Path{Forward: 2e3, Backward: 1e3, Jitter: 500}
		}
		s.Track = clocktest.Track(100e3, 200e3, 16*clocktest.Second)
		r := world(s).Run(clocktest.Day / 2)
		honest(t, r)
		if synchronised(r) < 0.99 {
			t.Errorf("seed %d: synchronised only %.2f %%", seed, 100*synchronised(r))
		}
		t.Logf("seed %d: error p50 %.2f us, bound p50 %.2f us", seed, quantile(r.Errors, 0.5)/1e3, quantile(r.Bounds, 0.5)/1e3)
	}
}

// TestClaims: paths so good that what a server may be wrong decides, and it is.
func TestClaims(t *testing.T) {
	for seed := range uint64(4) {
		s := clocktest.Base(seed, 1, 0, 0)
		s.Servers[0].Error = 100e3
		s.Paths[0] = clocktest.Path{Forward: 2e3, Backward: 2e3, Jitter: 500}
		honest(t, world(s).Run(clocktest.Day/4))
	}
}

// TestHoldover: an hour without servers, with a crystal that uses its whole freedom.
func TestHoldover(t *testing.T) {
	for seed := range uint64(10) {
		s := clocktest.Base(seed, 5, 1, 100e3)
		s.Oscillator.Hostile = seed%2 == 0
		s.Outages = []clocktest.Span{{From: 2 * clocktest.Hour, To: 3 * clocktest.Hour}}
		s.Track = clocktest.Track(1e6, 10e6, 16*clocktest.Second)
		s.Track.Holdover = 2 * clocktest.Hour
		w := world(s)
		var widest int64
		w.OnTick = func(w *clocktest.World, a anchor, at int64) {
			if at < 3*clocktest.Hour && a.State == wire.ClockHoldover {
				widest = max(widest, a.Bound(at))
			}
		}
		r := w.Run(4 * clocktest.Hour)
		honest(t, r)
		t.Logf("seed %d: bound after an hour %.2f ms", seed, float64(widest)/1e6)
		if widest == 0 || widest > 5e6 || r.States[wire.ClockHoldover] < 55*60*clocktest.Second {
			t.Errorf("seed %d: bound of %d ns, %d s in holdover", seed, widest, r.States[wire.ClockHoldover]/clocktest.Second)
		}
	}
}

// TestNamed: servers that begin to lie by a millisecond are named in three polls.
func TestNamed(t *testing.T) {
	for seed := range uint64(50) {
		s := clocktest.Base(seed, 5, 2, 100e3)
		from := clocktest.Hour + int64(seed)*clocktest.Second
		for i, size := range []float64{1e6, -1e6} {
			s.Servers[i] = clocktest.Server{Lie: clocktest.Late, Size: size, From: from, Error: 30e3}
			if seed%2 == 0 {
				s.Servers[i].Size = 1e6 // both the same way
			}
			s.Paths[i].Loss = 0
		}
		w := world(s)
		w.OnTick = func(w *clocktest.World, _ anchor, at int64) {
			for i := range 2 {
				v := w.Estimator().Verdict(i)
				named := v == estimate.Liar || v == estimate.Probation
				if named != (at >= from) && (at < from || at > from+3*s.Poll+s.Tick) {
					t.Errorf("seed %d: %.0f s after the lie began server %d is %v", seed, float64(at-from)/1e9, i, v)
				}
			}
		}
		honest(t, w.Run(2*clocktest.Hour))
	}
}

// TestFreezeUnmarked: the counter stops and nothing tells of it. Stamps are wrong
// until the servers do; that takes less than a poll and a second.
func TestFreezeUnmarked(t *testing.T) {
	for seed := range uint64(20) {
		s := clocktest.Base(seed, 5, 2, 100e3)
		at := clocktest.Hour + int64(seed)*7*clocktest.Second
		s.Freezes = []clocktest.Freeze{{At: at, For: 3e9, Unmarked: true}}
		s.Track.Forward = true
		w := world(s)
		found := int64(0)
		w.OnTick = func(w *clocktest.World, a anchor, now int64) {
			if a.State == wire.ClockDisrupted && found == 0 {
				found = now
			}
		}
		r := w.Run(2 * clocktest.Hour)
		honest(t, r)
		if found < at || found > at+s.Poll+2*clocktest.Second {
			t.Errorf("seed %d: the freeze of second %d was found in second %d", seed, at/1e9, found/1e9)
		}
		if synchronised(r) < 0.97 {
			t.Errorf("seed %d: synchronised only %.1f %%", seed, 100*synchronised(r))
		}
	}
}

// TestFreezeUnseen: the counter stops, unmarked, while no server answers. When they are
// back, and all exchanges of before forgotten, nothing of before may count: not even the
// rate that the counter had.
func TestFreezeUnseen(t *testing.T) {
	for seed := range uint64(6) {
		s := clocktest.Base(seed, 5, 2, 100e3)
		s.Outages = []clocktest.Span{{From: 3 * clocktest.Hour, To: 6 * clocktest.Hour}}
		for i := range s.Paths {
			s.Servers[i].Error = 500
			s.Paths[i] = clocktest.Path{Forward: 5e3, Backward: 5e3, Jitter: 500}
		}
		s.Freezes = []clocktest.Freeze{{At: 4*clocktest.Hour + 600*clocktest.Second, For: 1e9, Unmarked: true}}
		s.Track.Forward = true
		r := world(s).Run(8 * clocktest.Hour)
		honest(t, r)
		if r.States[wire.ClockDisrupted] == 0 || synchronised(r) < 0.55 {
			t.Errorf("seed %d: disrupted for %d s, synchronised %.1f %%", seed, r.States[wire.ClockDisrupted]/clocktest.Second, 100*synchronised(r))
		}
	}
}

// newYear is 2027-01-01, UTC.
const newYear = 1_798_761_600_000_000_000

// TestLeap: a second is inserted or left out, and servers say so only beforehand; one
// smears it, and is a liar.
func TestLeap(t *testing.T) {
	for _, r := range each(0, 4, func(seed uint64) *clocktest.Result {
		s := clocktest.Base(seed, 5, 2, 100e3)
		s.Leap, s.Start, s.LeaveOut = newYear, newYear-2*clocktest.Hour, seed%2 == 1
		s.Track.Period, s.Track.Lead, s.Tick = clocktest.Second, clocktest.Second/20, clocktest.Second
		s.Servers[0] = clocktest.Server{Lie: clocktest.Smearing, Error: 30e3}
		w := world(s)
		want, tai := int8(38), map[int8]bool{}
		if s.LeaveOut {
			want = 36
		}
		w.OnTick = func(w *clocktest.World, a anchor, at int64) { tai[a.TAI] = true }
		r := w.Run(3 * clocktest.Hour)
		if v := w.Estimator().Verdict(0); v != estimate.Liar && v != estimate.Probation {
			t.Errorf("seed %d: the smearing server is said to be %v", seed, v)
		}
		if !tai[37] || !tai[want] || len(tai) != 2 {
			t.Errorf("seed %d: TAI offsets %v", seed, tai)
		}
		return r
	}) {
		honest(t, r)
		if u := r.States[wire.ClockUnsynchronised]; u < 3*clocktest.Second || u > 60*clocktest.Second || synchronised(r) < 0.99 {
			t.Errorf("seed %d: unsynchronised for %d s, synchronised %.2f %%", r.Seed, u/1e9, 100*synchronised(r))
		}
	}
}

// TestFalseLeap: as many servers as may lie announce a leap that nobody else knows of.
func TestFalseLeap(t *testing.T) {
	s := clocktest.Base(1, 5, 2, 100e3)
	s.Start = newYear - 2*clocktest.Hour
	s.Servers[1].Leap, s.Servers[3].Leap = 1, 1
	w := world(s)
	w.OnTick = func(w *clocktest.World, a anchor, at int64) {
		if a.TAI != 37 || w.Estimator().Leaps.Ahead() {
			t.Errorf("%.0f s: two liars made a leap: TAI offset %d", float64(at)/1e9, a.TAI)
		}
	}
	r := w.Run(3 * clocktest.Hour)
	honest(t, r)
	if synchronised(r) < 0.99 {
		t.Errorf("synchronised %.2f %%", 100*synchronised(r))
	}
}

// TestReadEarly: somebody reads the time before it is known. From then on it may not
// step, and slews for an hour if it must.
func TestReadEarly(t *testing.T) {
	for seed := range uint64(6) {
		s := clocktest.Base(seed, 5, 2, 100e3)
		s.Early = true
		r := world(s).Run(3 * clocktest.Hour)
		honest(t, r)
		if r.Steps > 0 || r.States[wire.ClockSynchronised] == 0 {
			t.Errorf("seed %d: %d steps, synchronised %.2f %%", seed, r.Steps, 100*synchronised(r))
		}
	}
}

// TestOneStep: before the first read time steps once, to the truth.
func TestOneStep(t *testing.T) {
	for seed := range uint64(6) {
		if r := world(clocktest.Base(seed, 5, 2, 100e3)).Run(clocktest.Hour); r.Steps != 1 {
			t.Errorf("seed %d: %d steps", seed, r.Steps)
		}
	}
}
