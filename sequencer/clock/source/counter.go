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

// A cross says where the host's UTC stood against the counter at one moment: UTC
// less the counter lies between Low and High, ns.
type cross struct{ Low, High int64 }

// tries is how often the clocks are compared; the closest pair counts.
const tries = 4

// cross compares the host's UTC with the counter.
func (c Counter) cross() cross {
	best := cross{Low: 0, High: 1 << 62}
	for range tries {
		before := c.Now()
		t := time.Now() // reads UTC first, then the counter
		after := int64(t.Sub(c.base))
		utc := t.UnixNano()
		if x := (cross{utc - after, utc - before}); x.High-x.Low < best.High-best.Low {
			best = x
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
