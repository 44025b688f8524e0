package clocktest

import (
	"math"
	"math/rand/v2"
)

// Oscillator says how the counter's frequency behaves. Fractions: 1e-6 is 1 ppm.
type Oscillator struct {
	Offset   float64 // constant part of phi
	Walk     float64 // random walk, per square root of a second
	Wave     float64 // amplitude over a day
	Hostile  bool    // phi goes up and down as fast and as far as declared
	Wander   float64 // declared limit of phi's change in a second
	WanderBy float64 // declared limit of its change ever
}

// knot is a point of theta: between knots phi is a straight line.
type knot struct {
	counter int64
	theta   float64 // ns, from the world's start
	phi     float64
	slope   float64 // of phi, per second
}

const knotEvery = 8e9 // ns

// counter is an oscillator at work. It keeps the last knots only.
type counter struct {
	o     Oscillator
	rng   *rand.Rand
	knots []knot // at most 64, ever later
	walk  float64
	up    bool
}

func newCounter(o Oscillator, rng *rand.Rand) *counter {
	c := &counter{o: o, rng: rng, up: true}
	c.knots = []knot{{phi: o.Offset, slope: 0}}
	return c
}

// theta is true time less the counter at a counter reading, ns.
func (c *counter) theta(at int64) float64 {
	for c.knots[len(c.knots)-1].counter+knotEvery <= at {
		c.extend()
	}
	k := c.knots[0]
	for i := len(c.knots) - 1; i >= 0; i-- {
		if c.knots[i].counter <= at {
			k = c.knots[i]
			break
		}
	}
	return k.at(at)
}

func (k knot) at(at int64) float64 {
	d := float64(at - k.counter)
	return k.theta + k.phi*d + k.slope*d*d/2e9
}

// when is the counter reading at true time t.
func (c *counter) when(t float64) int64 {
	at := t - c.theta(int64(t-c.knots[len(c.knots)-1].theta))
	for range 3 {
		at = t - c.theta(int64(at))
	}
	return int64(math.Ceil(at))
}

func (c *counter) extend() {
	k := c.knots[len(c.knots)-1]
	next := knot{counter: k.counter + knotEvery, theta: k.at(k.counter + knotEvery)}
	next.phi = k.phi + k.slope*knotEvery/1e9
	aim := c.aim(float64(next.counter) / 1e9)
	limit := c.o.Wander * 0.999
	next.slope = min(max((aim-next.phi)/(knotEvery/1e9), -limit), limit)
	if len(c.knots) == 64 {
		c.knots = append(c.knots[:0], c.knots[32:]...)
	}
	c.knots = append(c.knots, next)
}

// aim is where phi wants to be at the end of the knot.
func (c *counter) aim(seconds float64) float64 {
	reach := c.o.WanderBy / 2 * 0.999
	if c.o.Hostile {
		if phi := c.knots[len(c.knots)-1].phi - c.o.Offset; c.rng.Float64() < 0.01 || math.Abs(phi) > reach*0.99 {
			c.up = phi < 0
		}
		if c.up {
			return c.o.Offset + reach
		}
		return c.o.Offset - reach
	}
	c.walk += c.rng.NormFloat64() * c.o.Walk * math.Sqrt(knotEvery/1e9)
	if math.Abs(c.walk) > reach {
		c.walk = math.Copysign(reach, c.walk)
	}
	wave := c.o.Wave * math.Sin(2*math.Pi*seconds/86400)
	return c.o.Offset + min(max(c.walk+wave, -reach), reach)
}

// phi is the slope of theta at a counter reading not before the last knot but one.
func (c *counter) phi(at int64) float64 {
	c.theta(at)
	k := c.knots[len(c.knots)-1]
	for i := len(c.knots) - 1; i > 0 && c.knots[i].counter > at; i-- {
		k = c.knots[i-1]
	}
	return k.phi + k.slope*float64(at-k.counter)/1e9
}

// jump moves theta by so many ns: the counter stood still meanwhile, or, for a
// negative number, leapt ahead. It returns the counter's reading afterwards.
func (c *counter) jump(at int64, by float64) int64 {
	theta, phi := c.theta(at), c.phi(at)
	at += int64(max(-by, 0))
	c.knots = append(c.knots[:0], knot{counter: at, theta: theta + by, phi: phi})
	return at
}
