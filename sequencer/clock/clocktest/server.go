package clocktest

import (
	"math"
	"math/rand/v2"

	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Lie is how a server is wrong.
type Lie uint8

// Lies.
const (
	Honest   Lie = iota
	Constant     // off by Server.Size at all times
	Stepping     // off by a random part of Size, from Floor on, another every few minutes
	Ramping      // leaves the truth at 2 ppm, up to Size, and starts again
	Smearing     // spreads a second over a day
	Subtle       // just inside what the others allow, pulling one way
	Late         // honest for Server.From, then off by Size
	Drifting     // as Subtle, but to and fro, to pull the slope
	Kissing      // asks for fewer questions now and then, and in the end for none
)

// Server is one that is asked.
type Server struct {
	Lie   Lie
	Size  float64 // ns
	Error float64 // ns: honest error stays below it, and it is claimed
	Floor float64 // least part of Size of a Stepping one
	From  int64   // true ns at which a Late one starts to lie
	Leap  int8
}

// server is a Server at work.
type server struct {
	Server
	rng    *rand.Rand
	phase  float64
	bias   float64
	off    float64 // of a Stepping one
	offEnd float64
}

func newServer(s Server, rng *rand.Rand) *server {
	return &server{Server: s, rng: rng, phase: rng.Float64() * 7, bias: rng.Float64()*1.2 - 0.6}
}

// stamp is the server's clock at true time t, ns; pull is how far a subtle lie may
// go unnoticed.
func (s *server) stamp(t, pull float64) int64 {
	honest := 0.97 * s.Error * (s.bias + 0.4*math.Sin(t/311e9+s.phase))
	return int64(math.Round(t + honest + s.lie(t, pull)))
}

func (s *server) lie(t, pull float64) float64 {
	switch s.Lie {
	case Constant:
		return s.Size
	case Stepping:
		if t > s.offEnd {
			s.off = math.Copysign(s.Floor+(1-s.Floor)*s.rng.Float64(), s.rng.Float64()-0.5) * s.Size
			s.offEnd = t + s.rng.ExpFloat64()*300e9
		}
		return s.off
	case Ramping:
		return math.Mod(t*2e-6+s.phase*s.Size, math.Abs(s.Size))
	case Smearing:
		return math.Mod(t, 86400e9) / 86400e9 * 1e9
	case Subtle:
		return pull * math.Copysign(0.9, s.Size)
	case Drifting:
		return pull * 0.95 * math.Sin(t/600e9+s.phase)
	case Late:
		if t >= float64(s.From) {
			return s.Size
		}
	}
	return 0
}

// answer is what the server does with a question that arrives.
func (s *server) answer() estimate.Outcome {
	if s.Lie == Kissing {
		switch draw := s.rng.Float64(); {
		case draw < 0.0005:
			return estimate.Denied
		case draw < 0.002:
			return estimate.Throttled
		}
	}
	return estimate.Answered
}

// Path is the way to a server and back. Delays in ns.
type Path struct {
	Forward, Backward float64 // the least
	Jitter            float64 // mean of the exponential part
	OneSided          bool    // the jitter is on one way at a time
	Pareto            bool    // heavy tails
	Loss, Double      float64 // shares of exchanges
	Reroute           float64 // up to so much more, another every hour
}

// path is a Path at work.
type path struct {
	Path
	rng           *rand.Rand
	extraF        float64
	extraB        float64
	until         float64
	forwardJitter bool
}

func (p *path) delays(t float64) (forward, backward float64) {
	if p.Reroute > 0 && t > p.until {
		p.extraF, p.extraB = p.rng.Float64()*p.Reroute, p.rng.Float64()*p.Reroute
		p.until = t + p.rng.ExpFloat64()*3600e9
	}
	forward, backward = p.Forward+p.extraF, p.Backward+p.extraB
	p.forwardJitter = !p.forwardJitter
	if !p.OneSided || p.forwardJitter {
		forward += p.jitter()
	}
	if !p.OneSided || !p.forwardJitter {
		backward += p.jitter()
	}
	return forward, backward
}

func (p *path) jitter() float64 {
	if p.Pareto {
		return min(p.Jitter/3*(math.Pow(1-p.rng.Float64(), -1/1.5)-1), 2e9)
	}
	return p.rng.ExpFloat64() * p.Jitter
}
