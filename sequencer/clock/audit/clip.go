package audit

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A bound says that theta is at most (or at least) value at a counter reading.
type bound struct {
	at    int64
	value float64
}

// factSet is what the exchanges with one server say.
type factSet struct {
	most, least []bound
	probation   bool
}

func (f *factSet) add(s *Sample, base int64, a Assume) {
	f.hold(bound{s.Sent, float64(s.T2 + s.Error - s.Sent - base)}, bound{s.Received, float64(s.T3 - s.Error - s.Received - base)}, a)
}

func (f *factSet) hold(most, least bound, a Assume) {
	if len(f.most) >= a.Samples {
		f.most, f.least = f.most[1:], f.least[1:]
	}
	f.most, f.least = append(f.most, most), append(f.least, least)
	f.probation = f.probation && len(f.most) < a.MinSamples
}

// More would take too long to check.
const (
	mostServers = 9
	mostSamples = 128
)

// valid refuses assumptions with which nothing can be derived.
func (a *Assume) valid() error {
	switch {
	case a.Servers < 1 || a.Servers > mostServers || a.Faulty < 0 || 2*a.Faulty >= a.Servers:
		return fmt.Errorf("%d of %d servers may lie", a.Faulty, a.Servers)
	case !(a.Drift > 0 && a.Wander > 0 && a.WanderCap > 0) || a.Drift > 1e-3:
		return fmt.Errorf("drift %g, wander %g and its cap %g are none", a.Drift, a.Wander, a.WanderCap)
	case a.Samples < 1 || a.Samples > mostSamples || a.MinSamples < 1:
		return fmt.Errorf("%d samples of at least %d", a.Samples, a.MinSamples)
	}
	return nil
}

// drifted is how far theta can leave its tangent, ns.
func drifted(a Assume, age float64) float64 {
	fast := min(age, a.WanderCap/a.Wander) // until then phi moves away
	return 1e9 * (a.Wander*fast*fast/2 + a.WanderCap*(age-fast))
}

// A corner of a polygon: theta in ns, phi in ns/s.
type corner struct{ theta, phi float64 }

// cutBy keeps the part of a polygon in which a*theta + b*phi <= c. Most cuts miss it.
func cutBy(polygon []corner, a, b, c float64) []corner {
	if !slices.ContainsFunc(polygon, func(p corner) bool { return a*p.theta+b*p.phi > c }) {
		return polygon
	}
	out := make([]corner, 0, len(polygon)+2)
	for i, q := range polygon {
		p := polygon[(i+len(polygon)-1)%len(polygon)]
		dp, dq := a*p.theta+b*p.phi-c, a*q.theta+b*q.phi-c
		if (dp > 0) != (dq > 0) {
			f := dp / (dp - dq)
			out = append(out, corner{p.theta + f*(q.theta-p.theta), p.phi + f*(q.phi-p.phi)})
		}
		if dq <= 0 {
			out = append(out, q)
		}
	}
	return out
}

// clip cuts a polygon by all that a server says.
func (f *factSet) clip(p []corner, counter int64, a Assume) []corner {
	for _, b := range f.most {
		age := float64(counter-b.at) / 1e9
		p = cutBy(p, 1, -age, b.value+drifted(a, age))
	}
	for _, b := range f.least {
		age := float64(counter-b.at) / 1e9
		p = cutBy(p, -1, age, drifted(a, age)-b.value)
	}
	return p
}

var (
	errVotes  = errors.New("too few servers had a vote")
	errStale  = errors.New("too few servers had answered of late")
	errQuorum = errors.New("no set of servers agrees")
)

// region derives what the exchanges allow at a counter reading.
func (c *checker) region(counter int64) (held, error) {
	voters, answered, fresh := c.voters(counter)
	a := c.assume
	need := max(answered-a.Faulty, 1)
	switch {
	case bits.OnesCount(voters) < max(a.Servers-a.Faulty, need):
		return held{}, errVotes
	case fresh < a.Servers-a.Faulty:
		return held{}, errStale
	}
	h := held{at: counter, low: math.Inf(1), high: math.Inf(-1), phiLow: math.Inf(1), phiHigh: math.Inf(-1)}
	for set := voters; set > 0; set = (set - 1) & voters {
		if bits.OnesCount(set) != need {
			continue
		}
		for _, p := range c.meet(set, counter) {
			h.low, h.high = min(h.low, p.theta), max(h.high, p.theta)
			h.phiLow, h.phiHigh = min(h.phiLow, p.phi/1e9), max(h.phiHigh, p.phi/1e9)
		}
	}
	if h.low > h.high {
		return held{}, errQuorum
	}
	return h, nil
}

// meet is the polygon that all servers of a set allow.
func (c *checker) meet(set uint, counter int64) []corner {
	const far = 1e14 // ns: servers a day apart agree on nothing
	most := c.assume.Drift * 1e9
	p := []corner{{-far, -most}, {far, -most}, {far, most}, {-far, most}}
	for i := range c.facts {
		if set&(1<<i) != 0 && len(p) > 0 {
			p = c.facts[i].clip(p, counter, c.assume)
		}
	}
	return p
}

func (c *checker) voters(counter int64) (voters uint, answered, fresh int) {
	for i := range c.facts {
		f := &c.facts[i]
		for len(f.most) > 0 && f.most[0].at < counter-c.assume.MaxAge {
			f.most, f.least = f.most[1:], f.least[1:]
		}
		n := len(f.most)
		if n > 0 && f.least[n-1].at >= counter-int64(c.assume.Stale)*c.assume.Poll {
			fresh++
		}
		switch {
		case f.probation && n > 0:
			answered++
		case n >= c.assume.MinSamples:
			answered++
			voters |= 1 << i
		}
	}
	return voters, answered, fresh
}
