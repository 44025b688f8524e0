package clocktest

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Times in ns.
const (
	Second = int64(1e9)
	Hour   = 3600 * Second
	Day    = 24 * Hour
)

// Base is n honest servers, of which f may lie, on paths with the jitter, ns, on one
// side at a time: a crystal 50 ppm off that wanders, 16 s polls, the us50ms profile.
func Base(seed uint64, n, f int, jitter float64) Scenario {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := Scenario{
		Seed: seed, Poll: 16 * Second, Tick: 16 * Second, Looks: 10,
		Oscillator: Oscillator{
			Offset: math.Copysign(50e-6, rng.Float64()-0.5), Walk: 1e-9, Wave: 0.3e-6,
			Wander: 5e-9, WanderBy: 1e-6,
		},
		Estimate: estimate.Default(n, f),
		Track:    Track(10e6, 50e6, 16*Second),
	}
	for range n {
		base := 50e3 + rng.Float64()*150e3
		s.Servers = append(s.Servers, Server{Error: 30e3})
		s.Paths = append(s.Paths, Path{
			Forward: base, Backward: base + rng.Float64()*200e3, Jitter: jitter, OneSided: true,
			Loss: 0.02, Double: 0.01,
		})
	}
	return s
}

// Track is a tracker with its bounds and the time between anchors, ns.
func Track(enter, exit, tick int64) estimate.TrackerConfig {
	return estimate.TrackerConfig{
		Enter: enter, Exit: exit, Slew: 500e-6, Settle: max(16*Second, tick), Period: tick,
		Lead: tick / 20, Holdover: Hour,
	}
}

// Campaign is one simulated day of the proof: two of five servers lie in the ways
// that the seed draws, the network fails for half an hour, the machine freezes, and
// some days the crystal is as hostile, the tails as heavy as they may be.
func Campaign(seed uint64) Scenario {
	s := Base(seed, 5, 2, 5e6)
	rng := rand.New(rand.NewPCG(seed, 2))
	for _, i := range rng.Perm(5)[:2] {
		s.Servers[i].Lie = Lie(1 + rng.IntN(int(Kissing)))
		s.Servers[i].Size = math.Copysign(0.2e6+rng.Float64()*21e6, rng.Float64()-0.5)
		s.Servers[i].From = rng.Int64N(Day)
	}
	s.Oscillator.Hostile = rng.Float64() < 0.3
	s.Oscillator.Offset = (rng.Float64()*2 - 1) * 50e-6
	for i := range s.Paths {
		s.Paths[i].Pareto = rng.Float64() < 0.3
		s.Paths[i].OneSided = rng.Float64() < 0.7
		if rng.Float64() < 0.3 {
			s.Paths[i].Reroute = 3e6
		}
	}
	if rng.Float64() < 0.5 {
		s.Stamp = 200e3
	}
	if rng.Float64() < 0.5 { // a quiet network: what the servers may be wrong decides
		for i := range s.Paths {
			s.Paths[i].Forward, s.Paths[i].Backward = 5e3, 5e3
			s.Paths[i].Jitter = 20e3
		}
	}
	if seed%10 == 0 { // as often as the production loop
		s.Tick, s.Looks = Second, 2
		s.Track = Track(10e6, 50e6, Second)
	}
	at := rng.Int64N(20 * Hour)
	s.Outages = []Span{{at, at + Hour/2}}
	s.Track.Forward = rng.Float64() < 0.5
	for range rng.IntN(3) {
		f := Freeze{At: 2*Hour + rng.Int64N(20*Hour), For: int64(rng.ExpFloat64() * 2e9)}
		if rng.Float64() < 0.3 {
			f.For = -f.For / 4 // moved to a machine whose counter is ahead
		}
		s.Freezes = append(s.Freezes, f)
	}
	if rng.Float64() < 0.25 { // liars that agree: both pull the same way, just inside
		for i := range s.Servers {
			if s.Servers[i].Lie != Honest {
				s.Servers[i].Lie, s.Servers[i].Size = Subtle, 1
			}
		}
	}
	slices.SortFunc(s.Freezes, func(a, b Freeze) int { return cmp.Compare(a.At, b.At) })
	return s
}

// Reference is the scenario of the published comparison: four perfect servers and
// one 10 ms off, f = 1, 200 us each way and 5 ms of jitter on one side at a time.
func Reference(seed uint64) Scenario {
	s := Base(seed, 5, 1, 5e6)
	s.Servers[4].Lie, s.Servers[4].Size = Constant, 10e6
	for i := range s.Paths {
		s.Servers[i].Error = 0
		s.Paths[i] = Path{Forward: 200e3, Backward: 200e3, Jitter: 5e6, OneSided: true}
	}
	return s
}
