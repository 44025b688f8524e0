package audit

import (
	"fmt"
	"math"
)

// Checked is what Check derived.
type Checked struct {
	Summary  Summary `json:"trail"`
	Samples  uint64  `json:"samples"`
	Updates  uint64  `json:"updates"`  // anchors looked at
	Promised uint64  `json:"promised"` // of them with a promise, all derived again
	Readings uint64  `json:"readings"` // of other sources
	Foreign  uint64  `json:"foreign"`  // of the promised anchors, resting on them
	Unproven uint64  `json:"unproven"` // of them not derived, behind records that were lost
	Seconds  uint64  `json:"seconds"`
	Slack    float64 `json:"slack"` // ns: the most by which a bound was wider than it need be
}

// Check verifies the trail and derives every promised bound again from the exchanges,
// the readings of other sources and the declared assumptions. It returns an ErrUnsound that names the record for the
// first one that is narrower than what follows, and what Verify does; those behind
// lost records are Unproven instead. head is Verify's.
func Check(dir, head string) (Checked, error) {
	c := &checker{}
	s, err := walkThrough(dir, head, c.record)
	c.Summary = s
	return c.Checked, err
}

// A held interval of theta and phi, at a counter reading.
type held struct {
	at              int64
	low, high       float64 // against base
	phiLow, phiHigh float64
	fixed           bool
}

// checker derives bounds while it reads. Thetas are against base, ns.
type checker struct {
	Checked
	assume Assume
	facts  []factSet
	base   int64
	held   held
	holds  bool
	far    [2]held
	anchor *Update // the one that the next second row is of
	lossy  bool    // records are missing since the last header or disruption
	other  other
}

func (c *checker) record(r *Record) error {
	switch r.Kind {
	case KindHeader:
		if err := r.Header.Assumption.valid(); err != nil {
			return unsound(r, "%v", err)
		}
		*c = checker{Checked: c.Checked, assume: r.Header.Assumption, facts: make([]factSet, r.Header.Assumption.Servers), other: other{tai: r.Header.Assumption.TAI}}
	case KindSample:
		c.Samples++
		return c.sample(r)
	case KindReading:
		c.Readings++
		return c.excuse(c.read(r))
	case KindLeap:
		c.other.leaps = true
	case KindLost:
		c.lossy = true
	case KindDisruption:
		c.holds, c.far, c.lossy = false, [2]held{}, false
		c.facts, c.other = make([]factSet, len(c.facts)), other{tai: c.other.tai, leaps: c.other.leaps}
	case KindUpdate:
		c.Updates++
		return c.excuse(c.update(r))
	case KindSecond:
		c.Seconds++
		return c.excuse(c.second(r))
	}
	return nil
}

// excuse counts what does not follow from a trail that says itself that it lacks
// records: it is not proven, and not refuted either.
func (c *checker) excuse(err error) error {
	if err == nil || !c.lossy {
		return err
	}
	c.Unproven++
	return nil
}

func unsound(r *Record, format string, args ...any) error {
	return fmt.Errorf("%w: %s at UTC %d: %s", ErrUnsound, r.Kind, r.UTC, fmt.Sprintf(format, args...))
}

func (c *checker) sample(r *Record) error {
	s := r.Sample
	if !s.Used {
		return nil
	}
	if s.Server < 0 || s.Server >= len(c.facts) {
		return unsound(r, "no server %d was declared", s.Server)
	}
	if least := s.RootDelay/2 + s.Dispersion + c.assume.Reference; s.Error < least {
		return unsound(r, "an error of %d ns where the server claims %d", s.Error, least)
	}
	if c.base == 0 {
		c.base = s.T2 - s.Sent
	}
	f := &c.facts[s.Server]
	if s.Restart {
		*f = factSet{probation: true}
	}
	f.add(s, c.base, c.assume)
	return nil
}

// update derives the interval of an anchor, and holds the anchor against it.
func (c *checker) update(r *Record) error {
	u, before := r.Update, c.anchor
	c.anchor, c.other.tai = u, int(u.TAI)
	if u.Known {
		if err := c.know(r); err != nil {
			return err
		}
	}
	if !promised(u.State) {
		return nil
	}
	c.Promised++
	if !c.holds {
		return unsound(r, "a promise without an interval")
	}
	if u.From != "" {
		c.Foreign++
	}
	for _, at := range [...]int64{u.Start, u.End, u.End + int64(60e9)} {
		ahead, behind := c.farthest(u, at)
		gotAhead, gotBehind := u.sides(at)
		if gotAhead < ahead-rounding || gotBehind < behind-rounding {
			return unsound(r, "at counter %d true time can be %.0f ns ahead and %.0f ns behind, published are %.0f and %.0f",
				at, ahead, behind, gotAhead, gotBehind)
		}
		if at <= u.End {
			c.Slack = max(c.Slack, max(gotAhead, gotBehind)-max(ahead, behind))
		}
	}
	return c.early(r, before)
}

// early holds what an anchor says of the time from its publication to its start, when
// the line before still holds, against what follows from the interval.
func (c *checker) early(r *Record, before *Update) error {
	u := r.Update
	if before == nil || !u.Known || u.Counter < before.Start || u.Counter >= u.Start {
		return nil
	}
	ahead, behind := c.farthest(before, u.Counter)
	growth := max(math.Abs(u.AheadGrowth), math.Abs(u.BehindGrowth)) + math.Abs(before.Rate-u.Rate) + u.WanderCap
	if got := max(u.Ahead, u.Behind) + growth*float64(u.Start-u.Counter); got < max(ahead, behind)-rounding {
		return unsound(r, "published at counter %d true time can be %.0f ns off, published are %.0f", u.Counter, max(ahead, behind), got)
	}
	return nil
}

// rounding is what two ways to calculate may differ by, ns.
const rounding = 4

// know takes the interval that an anchor follows, if the exchanges with the servers, or the
// readings of the source that it names, allow no wider one.
func (c *checker) know(r *Record) error {
	u := r.Update
	own, err := c.derive(u)
	if err != nil {
		return unsound(r, "%v", err)
	}
	said := held{u.Counter, float64(u.Low - c.base), float64(u.High - c.base), u.PhiLow, u.PhiHigh, u.Fixed}
	if said.low > own.low+rounding || said.high < own.high-rounding || said.phiLow > own.phiLow+1e-9 || said.phiHigh < own.phiHigh-1e-9 {
		return unsound(r, "what the sources said allows [%.0f, %.0f], the record says [%.0f, %.0f]", own.low, own.high, said.low, said.high)
	}
	if said.fixed && !own.fixed {
		return unsound(r, "a rate that stays as it is, which nobody vouches for")
	}
	if said.fixed != c.held.fixed {
		c.far = [2]held{}
	}
	c.held, c.holds = said, true
	if c.far[1].at == 0 || u.Counter-c.far[1].at >= 3600e9 {
		c.far[0], c.far[1] = c.far[1], said
	}
	return nil
}

func (c *checker) derive(u *Update) (held, error) {
	if u.From == "" {
		return c.region(u.Counter)
	}
	return c.foreign(u)
}

// farthest is how far true time can be from the anchor's line at a counter reading.
func (c *checker) farthest(u *Update, at int64) (ahead, behind float64) {
	low, high := c.moved(float64(at - c.held.at))
	d := at - u.Start
	line := float64(u.Time+d-at-c.base) + float64(d)*u.Rate // as a theta
	return c.held.high + high - line, line - c.held.low - low
}

// moved is how far the ends of the held interval can have moved in age ns.
func (c *checker) moved(age float64) (low, high float64) {
	h := c.held
	if h.fixed {
		return h.phiLow * age, h.phiHigh * age
	}
	least, most := math.Inf(-1), math.Inf(1) // of phi, ever
	far := c.far[0]
	if far.at == 0 {
		far = c.far[1]
	}
	if d := float64(h.at - far.at); far.at != 0 && d > 0 {
		least, most = (h.low-far.high)/d-c.assume.WanderCap, (h.high-far.low)/d+c.assume.WanderCap
	}
	return c.fallen(h.phiLow, least, age), -c.fallen(-h.phiHigh, -most, age)
}

// fallen is the integral over age ns of the least phi that is possible: it falls from
// phi as fast as was declared, by no more than was declared, and never below least.
func (c *checker) fallen(phi, least, age float64) float64 {
	if phi <= least {
		return least * age
	}
	rate := c.assume.Wander / 1e9 // for each ns
	floor := max(phi-c.assume.WanderCap, least)
	until := (phi - floor) / rate
	if age < until {
		return phi*age - rate*age*age/2
	}
	return phi*until - rate*until*until/2 + floor*(age-until)
}

// sides is what the anchor itself says of its error.
func (u *Update) sides(at int64) (ahead, behind float64) {
	d := float64(at - u.Start)
	w := min(u.Wander*d/2, u.WanderCap) * d
	return u.Ahead + u.AheadGrowth*d + w, u.Behind + u.BehindGrowth*d + w
}

// second holds a row against the anchor that it is of.
func (c *checker) second(r *Record) error {
	u, s := c.anchor, r.Second
	if u == nil || u.Start != s.From {
		return unsound(r, "no anchor begins at counter %d", s.From)
	}
	if !promised(s.State) {
		return nil
	}
	for _, at := range [...]int64{s.From, s.To} {
		ahead, behind := u.sides(at)
		if bound := max(ahead, behind); float64(s.Bound) < math.Floor(bound) {
			return unsound(r, "a widest bound of %d ns, at counter %d it was %.0f", s.Bound, at, bound)
		}
	}
	return nil
}

func promised(state uint8) bool { return state == 1 || state == 2 }
