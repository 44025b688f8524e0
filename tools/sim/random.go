package main

import (
	"math/bits"

	"github.com/tapecast/tapecast/feed/wire"
)

// random is a PCG generator (XSL RR 128/64). Every part of a world has a stream of
// its own, so that what one draws does not move what another does.
type random struct{ hi, lo, inc uint64 }

// newRandom returns stream number stream of seed.
func newRandom(seed, stream uint64) *random {
	r := &random{hi: mix(seed), lo: mix(seed ^ 0x9e3779b97f4a7c15), inc: mix(stream)<<1 | 1}
	r.next()
	return r
}

// mix spreads the bits of x over all of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (r *random) next() uint64 {
	const mulHi, mulLo = 2549297995355413924, 4865540595714422341
	hi, lo := bits.Mul64(r.lo, mulLo)
	hi += r.hi*mulLo + r.lo*mulHi
	var c uint64
	r.lo, c = bits.Add64(lo, r.inc, 0)
	r.hi, _ = bits.Add64(hi, 0, c)
	return bits.RotateLeft64(r.hi^r.lo, -int(r.hi>>58))
}

// n is uniform in 0..n-1; 0 when n is not above 0.
func (r *random) n(n int) int {
	if n <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between is uniform in low..high.
func (r *random) between(low, high int) int { return low + r.n(high-low+1) }

// span is uniform in low..high, ns.
func (r *random) span(low, high wire.Nanos) wire.Nanos {
	return low + wire.Nanos(r.n(int(high-low+1)))
}

// log is between low and high, small values as likely as large ones.
func (r *random) log(low, high int) int {
	a, b := bits.Len(uint(low)), bits.Len(uint(high))
	k := r.between(a, b)
	lo, hi := 0, 1
	if k > 0 {
		lo, hi = 1<<(k-1), 1<<k-1
	}
	return min(max(r.between(lo, hi), low), high)
}

// times is log for times, ns.
func (r *random) times(low, high wire.Nanos) wire.Nanos {
	return wire.Nanos(r.log(int(low), int(high)))
}

// chance is true in ppm of a million cases.
func (r *random) chance(ppm int) bool { return ppm > 0 && r.n(1e6) < ppm }

// fill fills b.
func (r *random) fill(b []byte) {
	for i := 0; i < len(b); i += 8 {
		v := r.next()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v)
			v >>= 8
		}
	}
}
