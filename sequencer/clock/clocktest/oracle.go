package clocktest

import (
	"fmt"
	"math"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Result is what the oracle saw.
type Result struct {
	Seed       uint64
	Checks     uint64 // stamps held against the truth
	Violations uint64 // true time out of a promised bound, or another promise broken
	Backwards  uint64 // time fell
	Blind      uint64 // out of bound between a freeze and the first look at it
	Steps      uint64
	Worst      float64  // ns out of the bound
	First      string   // the first violation
	States     [4]int64 // ns spent in each
	Errors     []float64
	Bounds     []float64
	Rivals     []float64 // what ClockBound's formula would have said
	Regions    uint64    // ticks with a quorum
}

// oracle knows the truth and remembers what it saw.
type oracle struct {
	last   int64 // the last time read
	blind  bool
	recent []rival
}

// lookNext is the next of the drawn looks.
func (w *World) lookNext() {
	at := w.looks[0]
	w.looks = w.looks[1:]
	w.look(max(at, w.now))
}

// look reads the clock and holds it against the truth.
func (w *World) look(at int64) {
	utc, c := w.anchor.Read(at)
	w.Checks++
	if int64(utc) < w.last {
		w.Backwards++
	}
	w.last = max(w.last, int64(utc))
	wrong := math.Abs(float64(int64(utc) - w.utc(int64(math.Round(w.truth(at))))))
	if c.State == wire.ClockSynchronised {
		w.Errors = append(w.Errors, wrong)
		w.Bounds = append(w.Bounds, float64(c.Bound))
		w.Rivals = append(w.Rivals, w.clockBound(at))
	}
	if !clock.Promises(c.State) || wrong <= float64(c.Bound) && int64(c.Bound) <= w.Track.Exit {
		return
	}
	if w.blind {
		w.Blind++
		return
	}
	w.Worst = max(w.Worst, wrong-float64(c.Bound))
	w.violate(fmt.Sprintf("error %.0f ns, bound %d, state %d", wrong, c.Bound, c.State))
}

func (w *World) violate(what string) {
	w.Violations++
	if w.First == "" {
		w.First = fmt.Sprintf("seed %d, %.3f s: %s", w.Scenario.Seed, float64(w.now)/1e9, what)
	}
}

// legal are the changes of state that package clock documents.
var legal = [4][4]bool{
	wire.ClockUnsynchronised: {wire.ClockUnsynchronised: true, wire.ClockSynchronised: true, wire.ClockDisrupted: true},
	wire.ClockSynchronised:   {true, true, true, true},
	wire.ClockHoldover:       {true, true, true, true},
	wire.ClockDisrupted:      {wire.ClockDisrupted: true, wire.ClockSynchronised: true, wire.ClockUnsynchronised: true},
}

// slewLimit is how far time's rate may leave the true one while a bound is promised:
// 500 ppm, and what the estimate of the rate itself may be off.
const slewLimit = 500e-6 + 3e-6

// published holds a new anchor against the rules of order, rate and state.
func (w *World) published(old, a *clock.Anchor) {
	w.blind = w.blind && clock.Promises(a.State) // whoever promises anew must know
	leaping := w.Leap != 0 && math.Abs(float64(a.UTC-w.Leap)) < 5e9
	if !legal[old.State&3][a.State&3] && !leaping {
		w.violate(fmt.Sprintf("state %d after %d", a.State, old.State))
	}
	phi := w.counter.phi(w.now)
	if off := math.Abs(a.Rate - phi); clock.Promises(a.State) && !w.blind && off > slewLimit {
		w.violate(fmt.Sprintf("the rate is %.1f ppm off", 1e6*off))
	}
	if step := a.UTC - old.At(a.Start); step > 2 && !leaping {
		w.Steps++
		if w.last != 0 && (!w.Track.Forward || clock.Promises(old.State)) {
			w.violate(fmt.Sprintf("time stepped by %d ns", step))
		}
	} else if step < -2 {
		w.Steps++
	}
	if w.last != 0 && !a.Follows(old) {
		w.violate("the anchor would be refused")
	}
}

// A rival is one sample as ClockBound takes it.
type rival struct {
	at       int64
	distance float64
}

// rival keeps the samples of honest servers, for Rivals: ClockBound's formula, half
// the round trip and all that is claimed, growing by 50 ppm, on the best sample.
func (w *World) rival(x estimate.Sample) {
	if w.Scenario.Servers[x.Server].Lie != Honest {
		return
	}
	if len(w.recent) == 32 {
		w.recent = append(w.recent[:0], w.recent[1:]...)
	}
	w.recent = append(w.recent, rival{x.Received, float64(x.Received-x.Sent-(x.T3-x.T2))/2 + float64(x.Error)})
}

func (w *World) clockBound(at int64) float64 {
	best := math.Inf(1)
	for _, r := range w.recent {
		best = min(best, r.distance+50e-6*float64(at-r.at))
	}
	return best
}
