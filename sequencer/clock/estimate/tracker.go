package estimate

import (
	"fmt"
	"math"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
)

// An Interval holds theta and phi at one counter reading, from whatever source.
type Interval struct {
	Counter         int64
	Low, High       int64 // theta, ns
	PhiLow, PhiHigh float64
	Fixed           bool // phi stays within these for ever, whatever is declared of it
}

// Interval is the part of a region that a tracker follows.
func (r *Region) Interval() Interval {
	return Interval{Counter: r.Counter, Low: r.Low, High: r.High, PhiLow: r.PhiLow, PhiHigh: r.PhiHigh}
}

// TrackerConfig says when a bound is good enough, and how time may move.
type TrackerConfig struct {
	Enter, Exit int64   // ns: bound at most Enter to become synchronised, over Exit to cease
	Slew        float64 // largest departure from the estimated rate, at most 500e-6
	Settle      int64   // ns: an error is slewed away with this time constant, at least Period
	Period      int64   // ns from anchor to anchor
	Lead        int64   // ns: how long before its Start an anchor is published
	Holdover    int64   // ns: no promise is kept longer without servers
	Forward     bool    // the operator allows a step forward after a disruption
	Wander      float64 // as in Config
	WanderCap   float64
}

// Validate returns an ErrConfig that names the field.
func (c *TrackerConfig) Validate() error {
	switch {
	case c.Enter <= 0 || c.Exit < c.Enter:
		return fmt.Errorf("%w: enter at %d ns, exit at %d ns", ErrConfig, c.Enter, c.Exit)
	case c.Slew <= 0 || c.Slew > 500e-6:
		return fmt.Errorf("%w: slew %g, want at most 500e-6", ErrConfig, c.Slew)
	case c.Settle < c.Period || c.Period <= 0 || c.Lead < 0 || c.Lead >= c.Period || c.Holdover <= 0:
		return fmt.Errorf("%w: settle %d, period %d, lead %d, holdover %d ns", ErrConfig, c.Settle, c.Period, c.Lead, c.Holdover)
	}
	return nil
}

// Input is what a tracker learns at one step.
type Input struct {
	Interval  Interval
	Known     bool // Interval is that of a fresh quorum
	Disrupted bool // the counter's past is void
	Unread    bool // nobody has read the time, so it may step
}

// Tracker turns intervals into anchors, and keeps the state. It belongs to one loop.
type Tracker struct {
	cfg        TrackerConfig
	leaps      *Leaps
	state      wire.ClockState
	line       clock.Segment // on the scale without leaps
	published  clock.Segment // the same as told
	held       Interval      // the last good one
	holds      bool
	far        [2]Interval // good ones of one to two hours ago, and of up to an hour
	estimated  float64     // phi, as of the last interval
	stepped    bool
	generation uint32
	Cause      string // of the last change of state
}

// NewTracker begins where first is, the anchor in force; leaps may be shared.
func NewTracker(cfg TrackerConfig, first *clock.Anchor, leaps *Leaps) (*Tracker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Tracker{cfg: cfg, leaps: leaps, line: first.Segment, published: first.Segment, Cause: "start"}, nil
}

// State is that of the last anchor.
func (t *Tracker) State() wire.ClockState { return t.state }

// Line is the last anchor's, on the scale without leaps.
func (t *Tracker) Line() clock.Segment { return t.line }

// Generation counts steps and disruptions: errors before and after are unrelated.
func (t *Tracker) Generation() uint32 { return t.generation }

// Step gives the anchor that follows, to be published at the counter reading. Its
// ID is left to the caller.
func (t *Tracker) Step(counter int64, in Input) *clock.Anchor {
	if !t.learn(in) {
		in.Known = false // the promise was broken: this anchor says so, whatever the bound
	}
	start := max(counter+t.cfg.Lead, t.line.End)
	a := &clock.Anchor{Before: t.published, Exit: t.cfg.Exit, Wander: t.cfg.Wander}
	at := t.line.At(start)
	to, stepping := t.step(in, start, at)
	if stepping {
		at, in.Known = to, false // a promise begins when no line before the step is read
		t.change(wire.ClockUnsynchronised, "step")
	}
	t.line = clock.Segment{Start: start, End: start + t.cfg.Period, UTC: at, Rate: t.rate(start, at)}
	t.bounds(a)
	t.decide(a.Bound(start), in.Known)
	t.publish(a, stepping)
	if stepping && in.Unread {
		a.Before = a.Segment // nobody has seen the line before
	}
	return a
}

// Flag gives the anchor in force with the state disrupted, for the moment between
// the marker of a pause and the next step.
func (t *Tracker) Flag(inForce *clock.Anchor) *clock.Anchor {
	a := *inForce
	a.State, a.Ahead, a.Behind = wire.ClockDisrupted, math.MaxInt64, math.MaxInt64
	return &a
}

// learn takes the interval; it returns false when this anchor must not promise.
func (t *Tracker) learn(in Input) (sound bool) {
	if in.Disrupted {
		t.disrupt("the counter or the source was disrupted")
	}
	if !in.Known {
		return !in.Disrupted
	}
	sound = !in.Disrupted
	if t.holds && !t.meets(in.Interval) { // also without a promise: what is remembered of the rate is void
		t.disrupt("the servers' interval does not meet the one held")
		sound = false
	}
	if in.Interval.Fixed != t.held.Fixed {
		t.far = [2]Interval{} // what another source said of the counter's rate is not mixed in
	}
	t.held, t.holds = in.Interval, true
	if t.held.Counter-t.far[1].Counter >= farApart || t.far[1].Counter == 0 {
		t.far[0], t.far[1] = t.far[1], t.held
	}
	return sound
}

// farApart is how often the far intervals move on, ns.
const farApart = 3600e9

// mean is how fast true time ran on average since the far interval: from then on
// its rate stays within the cap of that. It is no news before they lie far apart.
func (t *Tracker) mean() (low, high float64) {
	far := t.far[0]
	if far.Counter == 0 {
		far = t.far[1]
	}
	d := float64(t.held.Counter - far.Counter)
	if far.Counter == 0 || d <= 0 {
		return -1, 1
	}
	return float64(t.held.Low-far.High) / d, float64(t.held.High-far.Low) / d
}

func (t *Tracker) disrupt(cause string) {
	t.change(wire.ClockDisrupted, cause)
	t.holds = false
	t.far = [2]Interval{}
	t.generation++
}

func (t *Tracker) change(s wire.ClockState, cause string) {
	if t.state != s {
		t.state, t.Cause = s, cause
	}
}

// project is how far the ends of the held interval move until a later counter
// reading, ns.
func (t *Tracker) project(counter int64) (low, high float64) {
	age := float64(counter - t.held.Counter)
	if t.held.Fixed {
		return t.held.PhiLow * age, t.held.PhiHigh * age
	}
	w := drift(t.cfg.Wander, t.cfg.WanderCap, age/1e9)
	meanLow, meanHigh := t.mean()
	return max(t.held.PhiLow*age-w, (meanLow-t.cfg.WanderCap)*age),
		min(t.held.PhiHigh*age+w, (meanHigh+t.cfg.WanderCap)*age)
}

// phi is the range of phi at a later counter reading, and how far it can leave it.
func (t *Tracker) phi(counter int64) (low, high, further float64) {
	if t.held.Fixed {
		return t.held.PhiLow, t.held.PhiHigh, 0
	}
	change := min(t.cfg.Wander*float64(counter-t.held.Counter)/1e9, t.cfg.WanderCap)
	meanLow, meanHigh := t.mean()
	leastEver, mostEver := meanLow-t.cfg.WanderCap, meanHigh+t.cfg.WanderCap
	low, high = max(t.held.PhiLow-change, leastEver), min(t.held.PhiHigh+change, mostEver)
	return low, high, max(min(t.cfg.WanderCap-change, max(mostEver-high, low-leastEver)), 0)
}

func (t *Tracker) meets(i Interval) bool {
	low, high := t.project(i.Counter)
	return float64(i.Low-t.held.High) <= high+1 && float64(t.held.Low-i.High) <= 1-low
}

// middle is the best estimate of true time at a counter reading.
func (t *Tracker) middle(counter int64) (utc int64, halfWidth float64) {
	low, high := t.project(counter)
	width := float64(t.held.High-t.held.Low) + high - low
	return counter + t.held.Low + int64(low+width/2), width / 2
}

// step says where time must step to: to the middle of the interval, once before the
// first read, and forward after a disruption if the operator allows it.
func (t *Tracker) step(in Input, start, at int64) (to int64, ok bool) {
	if !in.Known || !t.holds || clock.Promises(t.state) {
		return 0, false
	}
	middle, width := t.middle(start)
	first := in.Unread && !t.stepped
	again := t.cfg.Forward && float64(middle-at) > float64(t.cfg.Enter)
	if width > float64(t.cfg.Enter) || !first && !again {
		return 0, false
	}
	t.stepped = true
	t.generation++
	return middle, true
}

// rate slews towards the middle.
func (t *Tracker) rate(start, at int64) float64 {
	if !t.holds {
		return t.estimated // without its slew, which nothing would end
	}
	t.estimated = (t.held.PhiLow + t.held.PhiHigh) / 2
	middle, _ := t.middle(start)
	slew := float64(middle-at) / float64(t.cfg.Settle)
	return t.estimated + min(max(slew, -t.cfg.Slew), t.cfg.Slew)
}

// bounds fills in how far a, on t.line, can be from true time.
func (t *Tracker) bounds(a *clock.Anchor) {
	a.Segment = t.line
	if !t.holds {
		a.Ahead, a.Behind = math.MaxInt64, math.MaxInt64
		return
	}
	start := t.line.Start
	low, high := t.project(start)
	phiLow, phiHigh, further := t.phi(start)
	a.Ahead = float64(start+t.held.High-t.line.UTC) + high
	a.Behind = float64(t.line.UTC-start-t.held.Low) - low
	a.AheadGrowth, a.BehindGrowth = phiHigh-t.line.Rate, t.line.Rate-phiLow
	a.Wander, a.WanderCap = t.cfg.Wander/1e9, further
}

// decide is the state machine of package clock, given the bound now.
func (t *Tracker) decide(bound int64, known bool) {
	switch {
	case !t.holds:
	case known && !clock.Promises(t.state):
		if bound <= t.cfg.Enter {
			t.change(wire.ClockSynchronised, "quorum, bound within enter")
		}
	case !clock.Promises(t.state):
	case bound > t.cfg.Exit:
		t.change(wire.ClockUnsynchronised, "bound over exit")
	case known:
		t.change(wire.ClockSynchronised, "quorum")
	case t.line.Start-t.held.Counter > t.cfg.Holdover:
		t.change(wire.ClockUnsynchronised, "holdover over its limit")
	default:
		t.change(wire.ClockHoldover, "no fresh quorum")
	}
}

// publish turns a from the scale without leaps into UTC.
func (t *Tracker) publish(a *clock.Anchor, stepping bool) {
	l := t.leaps
	a.State = t.state
	if l.near(t.line.UTC, t.line.At(t.line.End)) {
		a.State = wire.ClockUnsynchronised
		a.Ahead, a.Behind = a.Ahead+2*float64(second), a.Behind+2*float64(second)
	}
	utc, until, still := l.utc(t.line.UTC)
	if end := float64(until-t.line.UTC) / (1 + t.line.Rate); end < float64(t.line.End-t.line.Start) {
		t.line.End = t.line.Start + int64(end)
	}
	if !stepping {
		utc = max(utc, t.published.At(t.line.Start)) // a late line ran into the leap, or half a ns was lost there
	}
	a.Segment = t.line
	a.UTC = utc
	if still {
		a.Rate = -1
	}
	a.TAI = int8(l.TAI())
	t.published = a.Segment
	l.pass(t.line.UTC)
}
