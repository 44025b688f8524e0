package estimate

import (
	"math"
	"math/bits"
)

// An Exchange is one question and answer, with what the server may be wrong.
type Exchange struct {
	Server   int
	Sent     int64 // counter, ns: at or before the question's departure
	Received int64 // counter, ns: at or after the answer's arrival
	T2, T3   int64 // the server's stamps, ns, on a scale without leaps
	Error    int64 // E, ns: root delay / 2 + root dispersion + precision + reference
}

// Verdict is what is known of a server.
type Verdict uint8

// Verdicts.
const (
	Silent    Verdict = iota // too few answers to have a vote
	Agrees                   // in some set of servers that may all be honest
	Liar                     // in none: proven wrong, unless more than f are
	Probation                // contradicted itself; no vote until it has enough samples
	Undecided                // has a vote, but no set agrees
)

// String is the verdict as people and programs read it.
func (v Verdict) String() string {
	return [...]string{"silent", "agrees", "liar", "probation", "undecided"}[min(v, Undecided)]
}

// A fact bounds theta at one counter reading, ns.
type fact struct{ counter, theta int64 }

type server struct {
	upper, lower []fact // oldest first, equal in number
	broke        int64  // counter when it last contradicted itself
	probation    bool
	verdict      Verdict
	up, low      []line // scratch: the envelopes
}

// Servers holds the exchanges with all servers. It belongs to one loop.
type Servers struct {
	cfg    Config
	all    []server
	from   int64     // exchanges that began before this counter reading are void
	base   int64     // thetas are computed against it
	stack  []polygon // scratch: one for every depth of the walk over sets
	agreed uint
	Breaks uint64 // servers that contradicted themselves
}

// NewServers returns an ErrConfig, or an estimator without exchanges.
func NewServers(cfg Config) (*Servers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Servers{cfg: cfg, all: make([]server, cfg.Servers), stack: make([]polygon, cfg.Servers+1)}
	s.Reset(math.MinInt64)
	return s, nil
}

// Reset forgets every exchange, because the counter's past is no longer the present's,
// and with them the ones under way: what was sent before the counter reading may have
// come back after the counter jumped, and would bind the one side to the other.
func (s *Servers) Reset(counter int64) {
	s.from = counter
	for i := range s.all {
		v := &s.all[i]
		v.upper, v.lower, v.probation, v.verdict, v.broke = v.upper[:0], v.lower[:0], false, Silent, -1<<62
	}
}

// Add takes an exchange. It returns false with no error when the exchange is kept
// but contradicts the earlier ones of its server, which are forgotten.
func (s *Servers) Add(x Exchange) (consistent bool, err error) {
	if x.Server < 0 || x.Server >= len(s.all) {
		return false, ErrServer
	}
	v := &s.all[x.Server]
	if x.Received < x.Sent || !v.follows(x) {
		return false, ErrOrder
	}
	if x.Sent < s.from {
		return false, ErrVoid
	}
	up, low := fact{x.Sent, x.T2 + x.Error - x.Sent}, fact{x.Received, x.T3 - x.Error - x.Received}
	if x.T3 < x.T2 || x.Error < 0 || float64(low.theta-up.theta) > s.cfg.Drift*float64(x.Received-x.Sent)+slack {
		return false, ErrCausality
	}
	v.add(up, low, s.cfg.Samples)
	if s.empty(v, x.Received) {
		s.Breaks++
		v.upper, v.lower = append(v.upper[:0], up), append(v.lower[:0], low)
		v.broke, v.probation = x.Received, true
		return false, nil
	}
	v.probation = v.probation && len(v.upper) < s.cfg.MinSamples
	return true, nil
}

// follows reports whether x is later than all that is held, at both its ends: the
// envelopes rest on facts in order, and a replayed answer is not one of them.
func (v *server) follows(x Exchange) bool {
	n := len(v.upper)
	return n == 0 || x.Sent > v.upper[n-1].counter && x.Received > v.lower[n-1].counter
}

func (v *server) add(up, low fact, keep int) {
	if len(v.upper) >= keep {
		v.upper = append(v.upper[:0], v.upper[1:]...)
		v.lower = append(v.lower[:0], v.lower[1:]...)
	}
	v.upper, v.lower = append(v.upper, up), append(v.lower, low)
}

// expire forgets what is too old to use.
func (v *server) expire(before int64) {
	n := 0
	for n < len(v.upper) && v.upper[n].counter < before {
		n++
	}
	if n > 0 {
		v.upper = append(v.upper[:0], v.upper[n:]...)
		v.lower = append(v.lower[:0], v.lower[n:]...)
	}
}

// empty reports whether the server's facts exclude each other.
func (s *Servers) empty(v *server, counter int64) bool {
	s.envelopes(v, counter, v.upper[len(v.upper)-1].theta)
	p := polygon{v.up, v.low}
	_, ok := p.extent(s.cfg.Drift * 1e9)
	return !ok
}

// envelopes projects the facts of v to the counter, against base.
func (s *Servers) envelopes(v *server, counter, base int64) {
	v.up, v.low = v.up[:0], v.low[:0]
	for _, f := range v.upper {
		age := float64(counter-f.counter) / 1e9
		v.up = push(v.up, line{age, float64(f.theta-base) + s.cfg.drift(age)})
	}
	for i := len(v.lower) - 1; i >= 0; i-- {
		f := v.lower[i]
		age := float64(counter-f.counter) / 1e9
		v.low = push(v.low, line{-age, s.cfg.drift(age) - float64(f.theta-base)})
	}
}

// Broken counts the servers that contradicted themselves at or after the counter
// reading. More than f cannot be liars: the counter itself jumped.
func (s *Servers) Broken(since int64) int {
	n := 0
	for i := range s.all {
		if s.all[i].broke >= since {
			n++
		}
	}
	return n
}

// Verdict is that of the last Region.
func (s *Servers) Verdict(server int) Verdict { return s.all[server].verdict }

// Samples is how many exchanges with a server are held.
func (s *Servers) Samples(server int) int { return len(s.all[server].upper) }

// Fresh counts the servers that answered at or after the counter reading.
func (s *Servers) Fresh(since int64) int {
	n := 0
	for i := range s.all {
		if l := s.all[i].lower; len(l) > 0 && l[len(l)-1].counter >= since {
			n++
		}
	}
	return n
}

func ones(set uint) int { return bits.OnesCount(set) }
