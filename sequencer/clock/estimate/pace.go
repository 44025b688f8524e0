package estimate

import "math/rand/v2"

// Outcome is what a question to a server came to.
type Outcome uint8

// Outcomes.
const (
	Answered  Outcome = iota
	Failed            // no answer, or none that can be used
	Throttled         // kiss of death: fewer questions, please
	Denied            // kiss of death: none, ever
)

// Limits of a Pace, ns.
const (
	Burst       = 4             // questions at the start
	BurstEvery  = int64(200e6)  // between them
	SlowestPoll = int64(1024e9) // between questions, whatever a server asks for
)

// Pace says when to ask one server again: a burst at the start, then from a random
// phase on at intervals that are a little random, so that no two clients keep step.
// It belongs to the loop that asks.
type Pace struct {
	poll      int64
	rng       *rand.Rand
	asked     int
	hurried   bool // the question under way is an extra one
	hurries   int  // extra ones since the last regular one
	throttled bool
}

// NewPace is for one server that is asked every poll, ns, at least 1.
func NewPace(poll int64, rng *rand.Rand) *Pace { return &Pace{poll: poll, rng: rng} }

// First is how long to wait before the first question, ns.
func (p *Pace) First() int64 { return p.rng.Int64N(BurstEvery) }

// Next is how long to wait after a question that came to o, ns; least is the interval
// that the answer asked for, 0 for none. Every Throttled one doubles the interval for
// good. ok is false after Denied: the server is not asked again.
func (p *Pace) Next(o Outcome, least int64) (wait int64, ok bool) {
	p.asked++
	if !p.hurried {
		p.hurries = 0
	}
	p.hurried = false
	switch {
	case o == Denied:
		return 0, false
	case o == Throttled:
		p.asked, p.throttled = max(p.asked, Burst+1), true
		p.poll = min(2*p.poll, SlowestPoll)
		return p.poll, true
	case p.asked < Burst:
		return BurstEvery, true
	case p.asked == Burst:
		return 1 + p.rng.Int64N(p.poll), true
	}
	poll := min(max(p.poll, least), SlowestPoll)
	return poll - p.rng.Int64N(poll/16+1), true
}

// Hurry reports whether one extra question may be asked at once: one between two
// regular ones, so that a server which contradicts itself at every answer does not
// have all others asked without end, and none of a server that wants fewer.
func (p *Pace) Hurry() bool {
	if p.throttled || p.hurries > 0 {
		return false
	}
	p.hurries++
	p.hurried = true
	return true
}
