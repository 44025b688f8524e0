package source

import (
	"time"
)

// Counter reads the counter of package clock, ns since base.
type Counter struct{ base time.Time }

// NewCounter counts from base, which must have a monotonic reading.
func NewCounter(base time.Time) Counter { return Counter{base} }

// Now reads the counter, ns.
func (c Counter) Now() int64 { return int64(time.Since(c.base)) }

// A Pair is a comparison of another clock with the counter: the counter, the other clock,
// and the counter again, ns.
type Pair [3]int64

// A cross says where another clock stood against the counter at one moment: that clock
// less the counter lies between Low and High, ns.
type cross struct{ Low, High int64 }

func (p Pair) cross() cross { return cross{p[1] - p[2], p[1] - p[0]} }

// tries is how often the clocks are compared; the closest pair counts.
const tries = 4

// cross compares the host's UTC with the counter.
func (c Counter) cross() cross { return c.pair().cross() }

// pair is the closest of a few comparisons of the host's UTC with the counter.
func (c Counter) pair() Pair {
	best := Pair{0, 0, 1 << 62}
	for range tries {
		before := c.Now()
		t := time.Now() // reads UTC first, then the counter
		if p := (Pair{before, t.UnixNano(), int64(t.Sub(c.base))}); p[2]-p[0] < best[2]-best[0] {
			best = p
		}
	}
	return best
}

// sameClock is how far the host's UTC may move against the counter during an
// exchange, ns. Both are slewed alike, so only a step moves it.
const sameClock = 1000

// meet is what both readings allow; ok is false when UTC was stepped between them.
func (a cross) meet(b cross) (cross, bool) {
	if a.Low > b.High+sameClock || b.Low > a.High+sameClock {
		return cross{}, false
	}
	return cross{min(a.Low, b.Low), max(a.High, b.High)}, true
}
