package synth

import "math/bits"

// random is SplitMix64 (Steele, Lea and Flood, 2014): one addition and two
// multiplications for 64 bits, the same on every platform.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below maps the low 32 bits of r to 0..n-1.
func below(r uint64, n uint32) uint32 { return uint32(r & 0xffffffff * uint64(n) >> 32) }

// halvings is 0 half of the time, 1 a quarter, 2 an eighth, and at most limit. It
// uses the low limit bits of r.
func halvings(r uint64, limit int) int { return min(bits.TrailingZeros64(r), limit) }

// exponential is a waiting time of the given mean, in whole numbers: the logarithm
// to base 2 of a uniform number, straight between powers of two.
func exponential(r uint64, mean uint64) uint64 {
	whole := uint64(bits.LeadingZeros64(r | 1))
	fraction := r << (whole + 1) >> 48
	return mean * (whole<<16 + 1<<16 - fraction) / (3 << 15)
}
