package estimate

// A line is y = at + slope*x. In this package x is phi in ns/s, slope an age in
// seconds and y a theta in ns.
type line struct{ slope, at float64 }

func (l line) y(x float64) float64 { return l.at + l.slope*x }

// cross is the x at which l and m meet; their slopes differ.
func cross(l, m line) float64 { return (m.at - l.at) / (l.slope - m.slope) }

// push adds l, whose slope is at most that of the last, to a lower envelope: the
// lines that are the least somewhere, from left to right.
func push(env []line, l line) []line {
	if n := len(env); n > 0 && env[n-1].slope == l.slope {
		if env[n-1].at <= l.at {
			return env
		}
		env = env[:n-1]
	}
	for n := len(env); n >= 2 && cross(env[n-1], l) <= cross(env[n-2], env[n-1]); n-- {
		env = env[:n-1]
	}
	return append(env, l)
}

// merge adds to dst[:0] the lower envelope of two.
func merge(dst, a, b []line) []line {
	dst = dst[:0]
	for len(a) > 0 || len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && a[0].slope >= b[0].slope {
			dst, a = push(dst, a[0]), a[1:]
			continue
		}
		dst, b = push(dst, b[0]), b[1:]
	}
	return dst
}

// A polygon is the set of (theta, phi) below upper and above lower. The lower
// bounds are kept negated, so that both are lower envelopes.
type polygon struct{ upper, lower []line }

func (p *polygon) intersect(a, b *polygon) {
	p.upper = merge(p.upper, a.upper, b.upper)
	p.lower = merge(p.lower, a.lower, b.lower)
}

// Extent is the box around a polygon: theta in ns against some base, phi in ns/s.
type Extent struct{ Low, High, PhiLow, PhiHigh float64 }

// hull makes e the box around e and o.
func (e *Extent) hull(o Extent) {
	e.Low, e.High = min(e.Low, o.Low), max(e.High, o.High)
	e.PhiLow, e.PhiHigh = min(e.PhiLow, o.PhiLow), max(e.PhiHigh, o.PhiHigh)
}

// slack is how far facts may contradict each other by rounding, ns.
const slack = 1e-3

// extent is the box around p for slopes from -limit to limit; ok is false for an
// empty polygon. The gap between the envelopes is concave in phi, so it is enough
// to walk over their corners once.
func (p *polygon) extent(limit float64) (e Extent, ok bool) {
	if len(p.upper) == 0 || len(p.lower) == 0 {
		return e, false
	}
	i, j := p.begin(-limit)
	for x := -limit; x < limit; {
		u, l := p.upper[i], p.lower[j]
		next, stepU, stepL := limit, false, false
		if i+1 < len(p.upper) {
			if c := cross(u, p.upper[i+1]); c <= next {
				next, stepU = c, true
			}
		}
		if j+1 < len(p.lower) {
			if c := cross(l, p.lower[j+1]); c < next {
				next, stepU, stepL = c, false, true
			}
		}
		if from, to, some := positive(u, l, x, next); some {
			piece := Extent{
				Low:  -max(l.y(from), l.y(to)),
				High: max(u.y(from), u.y(to)), PhiLow: from, PhiHigh: to,
			}
			if !ok {
				e, ok = piece, true
			}
			e.hull(piece)
		}
		if stepU {
			i++
		}
		if stepL {
			j++
		}
		x = next
		if !stepU && !stepL {
			break
		}
	}
	return e, ok
}

// begin finds the lines that hold at x.
func (p *polygon) begin(x float64) (i, j int) {
	for i+1 < len(p.upper) && cross(p.upper[i], p.upper[i+1]) <= x {
		i++
	}
	for j+1 < len(p.lower) && cross(p.lower[j], p.lower[j+1]) <= x {
		j++
	}
	return i, j
}

// positive is the part of [from, to] in which u stands at or above the lower bound
// whose negative is l.
func positive(u, l line, from, to float64) (float64, float64, bool) {
	gap := line{u.slope + l.slope, u.at + l.at + slack}
	a, b := gap.y(from), gap.y(to)
	if a < 0 && b < 0 {
		return 0, 0, false
	}
	zero := -gap.at / gap.slope
	if a < 0 {
		from = max(from, zero)
	}
	if b < 0 {
		to = min(to, zero)
	}
	return from, to, true
}
