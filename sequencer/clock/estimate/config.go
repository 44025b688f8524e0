package estimate

import "fmt"

// Limits of every configuration.
const (
	MaxServers = 9   // 126 sets of 5 of 9
	MaxSamples = 128 // exchanges kept of one server
)

// Config is what is declared about servers and counter. A bound is as true as these.
type Config struct {
	Servers int // asked, 1 to MaxServers
	Faulty  int // of them may be wrong within the Samples kept; 2*Faulty < Servers

	Drift     float64 // largest |phi|: 100e-6 is 100 ppm
	Wander    float64 // largest change of phi in a second
	WanderCap float64 // largest change of phi ever

	Samples    int   // exchanges kept of each server
	MinSamples int   // of a server, before it has a vote
	MaxAge     int64 // ns; older exchanges are forgotten
}

// Default declares an ordinary crystal: 100 ppm off, changing by at most 5e-9 in a
// second and 1 ppm in all, and keeps 64 exchanges of up to two hours.
func Default(servers, faulty int) Config {
	return Config{
		Servers: servers, Faulty: faulty,
		Drift: 100e-6, Wander: 5e-9, WanderCap: 1e-6,
		Samples: 64, MinSamples: 4, MaxAge: 2 * 3600e9,
	}
}

// Validate returns an ErrConfig that names the field.
func (c *Config) Validate() error {
	switch {
	case c.Servers < 1 || c.Servers > MaxServers:
		return fmt.Errorf("%w: %d servers, want 1 to %d", ErrConfig, c.Servers, MaxServers)
	case c.Faulty < 0 || 2*c.Faulty >= c.Servers:
		return fmt.Errorf("%w: %d faulty of %d servers: liars must be fewer than half", ErrConfig, c.Faulty, c.Servers)
	case c.Drift <= 0 || c.Drift > 1e-3:
		return fmt.Errorf("%w: drift %g, want more than 0 and at most 1e-3", ErrConfig, c.Drift)
	case c.Wander <= 0 || c.WanderCap <= 0 || c.WanderCap > 2*c.Drift:
		return fmt.Errorf("%w: wander %g and its cap %g must be above 0, the cap at most twice the drift", ErrConfig, c.Wander, c.WanderCap)
	case c.MinSamples < 1 || c.Samples < c.MinSamples || c.Samples > MaxSamples:
		return fmt.Errorf("%w: %d samples of at least %d, want at most %d", ErrConfig, c.Samples, c.MinSamples, MaxSamples)
	case c.MaxAge <= 0:
		return fmt.Errorf("%w: age limit %d ns", ErrConfig, c.MaxAge)
	}
	return nil
}

// drift is how far theta can leave its tangent in age seconds, ns, while phi changes
// by at most wander a second and cap in all.
func drift(wander, cap, age float64) float64 {
	if bend := cap / wander; age > bend {
		return 1e9 * cap * (age - bend/2)
	}
	return 1e9 * wander * age * age / 2
}

func (c *Config) drift(age float64) float64 { return drift(c.Wander, c.WanderCap, age) }
