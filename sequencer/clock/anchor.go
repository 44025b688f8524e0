package clock

import (
	"math"

	"github.com/tapecast/tapecast/feed/wire"
)

// A Segment maps the counter to UTC on a straight line, meant for the counter
// readings from Start to End.
type Segment struct {
	Start int64   // counter, ns
	End   int64   // counter, ns
	UTC   int64   // at Start, ns
	Rate  float64 // of UTC against the counter, less 1; at least -1
}

// At is the UTC of a counter reading, also outside of the segment. It never falls
// while the counter does not.
func (s *Segment) At(counter int64) int64 {
	d := counter - s.Start
	return s.UTC + d + int64(float64(d)*s.Rate)
}

// An Anchor is everything that a stamp needs, published at once: time, how far it
// may be wrong, and how that grows with the anchor's age.
type Anchor struct {
	Segment
	Before Segment // holds before Start

	// True time less the time read is, at an age of d ns, at most
	// Ahead + AheadGrowth*d + wander(d), and at least the negative of
	// Behind + BehindGrowth*d + wander(d).
	Ahead, Behind             float64 // ns
	AheadGrowth, BehindGrowth float64
	Wander                    float64 // largest frequency change per ns of age
	WanderCap                 float64 // largest frequency change

	Exit  int64 // ns; a wider bound is no promise
	State wire.ClockState
	TAI   int8
	ID    uint32

	virgin bool  // nobody has read it: time may still step
	plain  int64 // from Start to this counter reading no other anchor matters: End, or nobody
}

// Follows reports whether a may follow old without time falling for a reader that
// still holds old, or reads a before its Start.
func (a *Anchor) Follows(old *Anchor) bool {
	if a.Segment == old.Segment && a.Before == old.Before {
		return true // the same time, another state or bound
	}
	return a.Start >= old.End && a.UTC >= old.At(a.Start) && a.Rate >= -1 && a.Before == old.Segment
}

// time is the UTC of a counter reading, and whether the reading lies in a segment:
// past its end, a newer anchor may have told somebody another time.
func (a *Anchor) time(counter int64) (utc int64, inside bool) {
	s := &a.Segment
	if counter < a.Start {
		s = &a.Before
	}
	return s.At(counter), counter <= s.End
}

// nobody is the plain of an anchor that a reader must claim first.
const nobody = math.MinInt64

// rounding covers what integer nanoseconds lose in a read.
const rounding = 3

// Bound is the largest error of the time read at counter, ns, rounded up. It is on
// the path of every stamp, so it compares instead of calling max and min, which
// look for NaN.
func (a *Anchor) Bound(counter int64) int64 {
	d := float64(counter - a.Start)
	if d < 0 {
		return a.boundBefore(-d)
	}
	bound, behind := a.Ahead+a.AheadGrowth*d, a.Behind+a.BehindGrowth*d
	if behind > bound {
		bound = behind
	}
	wander := a.Wander * d / 2
	if wander > a.WanderCap {
		wander = a.WanderCap
	}
	return roundUp(bound + wander*d)
}

// boundBefore is the bound on the line before, d ns before it meets this one.
func (a *Anchor) boundBefore(d float64) int64 {
	growth := max(math.Abs(a.AheadGrowth), math.Abs(a.BehindGrowth)) + math.Abs(a.Before.Rate-a.Rate) + a.WanderCap
	return roundUp(max(a.Ahead, a.Behind) + d*growth)
}

const unbounded = math.MaxInt64 / 2

func roundUp(bound float64) int64 {
	if !(bound < unbounded) {
		return unbounded
	}
	return int64(bound) + rounding
}

// Read is the stamp of a counter reading and what to say of it.
func (a *Anchor) Read(counter int64) (wire.Nanos, wire.Clock) {
	utc, _ := a.time(counter)
	return wire.Nanos(utc), a.state(a.Bound(counter))
}

func (a *Anchor) state(bound int64) wire.Clock {
	c := wire.Clock{State: a.State, TAI: a.TAI, ID: a.ID, Bound: wire.BoundUnknown}
	if uint64(bound) < wire.BoundUnknown { // a negative one comes from a contradiction: no promise either
		c.Bound = uint32(bound)
	}
	if uint64(bound) > uint64(a.Exit) && Promises(a.State) {
		c.State = wire.ClockUnsynchronised
	}
	return c
}

// Promises reports whether a bound holds in the state.
func Promises(s wire.ClockState) bool {
	return s == wire.ClockSynchronised || s == wire.ClockHoldover
}
