package estimate

import (
	"math"
	"slices"
)

// Region is where (theta, phi) can be at one counter reading.
type Region struct {
	Counter  int64
	Low      int64   // ns, rounded down: theta is at least this
	High     int64   // ns, rounded up
	PhiLow   float64 // true time against the counter, less 1
	PhiHigh  float64
	Voters   uint // bit set of servers with a vote
	Agree    uint // in a set that may be all honest
	Need     int  // size of those sets
	Answered int
}

// Region is the hull of what the servers allow at the counter reading; ok is false
// when fewer than Servers - Faulty have a vote, or no set of them agrees. It
// decides every server's verdict.
func (s *Servers) Region(counter int64) (r Region, ok bool) {
	r.Counter = counter
	r.Voters, r.Answered = s.vote(counter)
	r.Need = max(r.Answered-s.cfg.Faulty, 1)
	if ones(r.Voters) < max(s.cfg.Servers-s.cfg.Faulty, r.Need) {
		return r, false
	}
	s.base = s.middle(r.Voters)
	for i := range s.all {
		if r.Voters&(1<<i) != 0 {
			s.envelopes(&s.all[i], counter, s.base)
		}
	}
	e := Extent{Low: math.Inf(1), High: math.Inf(-1), PhiLow: math.Inf(1), PhiHigh: math.Inf(-1)}
	s.agreed = 0
	s.sets(&e, r, 0, 0, 0)
	r.Agree = s.agreed
	s.judge(r)
	if r.Agree == 0 {
		return r, false
	}
	r.Low, r.High = s.base+int64(math.Floor(e.Low))-1, s.base+int64(math.Ceil(e.High))+1
	r.PhiLow, r.PhiHigh = e.PhiLow/1e9, e.PhiHigh/1e9
	return r, true
}

// vote expires old exchanges and tells who has enough of them.
func (s *Servers) vote(counter int64) (voters uint, answered int) {
	for i := range s.all {
		v := &s.all[i]
		v.expire(counter - s.cfg.MaxAge)
		v.verdict = Silent
		switch {
		case v.probation && len(v.upper) > 0:
			answered++
			v.verdict = Probation
		case len(v.upper) >= s.cfg.MinSamples:
			answered++
			voters |= 1 << i
			v.verdict = Undecided
		}
	}
	return voters, answered
}

// middle is the median of the voters' newest thetas: with fewer liars than half it
// is near the truth, so that no liar costs the others their precision.
func (s *Servers) middle(voters uint) int64 {
	var thetas [MaxServers]int64
	n := 0
	for i := range s.all {
		if voters&(1<<i) != 0 {
			f := s.all[i].upper
			thetas[n] = f[len(f)-1].theta
			n++
		}
	}
	slices.Sort(thetas[:n])
	return thetas[n/2]
}

// sets walks over the sets of r.Need voters, from server i on, whose polygons meet,
// and makes e the hull of the meetings. chosen has depth members; their meeting is
// s.stack[depth].
func (s *Servers) sets(e *Extent, r Region, i, depth int, chosen uint) {
	if depth == r.Need {
		if x, ok := s.stack[depth].extent(s.cfg.Drift * 1e9); ok {
			e.hull(x)
			s.agreed |= chosen
		}
		return
	}
	for ; i < len(s.all) && ones(r.Voters>>i) >= r.Need-depth; i++ {
		if r.Voters&(1<<i) == 0 {
			continue
		}
		p := polygon{s.all[i].up, s.all[i].low}
		next := &s.stack[depth+1]
		if depth == 0 {
			next.upper, next.lower = append(next.upper[:0], p.upper...), append(next.lower[:0], p.lower...)
		} else {
			next.intersect(&s.stack[depth], &p)
		}
		s.sets(e, r, i+1, depth+1, chosen|1<<i)
	}
}

// judge names the liars: voters that are in no agreeing set, if there is one.
func (s *Servers) judge(r Region) {
	if r.Agree == 0 {
		return
	}
	for i := range s.all {
		if r.Voters&(1<<i) == 0 {
			continue
		}
		s.all[i].verdict = Liar
		if r.Agree&(1<<i) != 0 {
			s.all[i].verdict = Agrees
		}
	}
}
