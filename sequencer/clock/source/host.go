package source

import (
	"math"

	"golang.org/x/sys/unix"
)

// A Reading is what a source says of true time: UTC less the counter lies between
// Low and High at the counter reading, ns, and runs away from it by at most Drift.
type Reading struct {
	Counter   int64
	Low, High int64
	Drift     float64 // of UTC against the counter
	TAI       int     // TAI - UTC, seconds, 0 unknown
	Leap      int8
	From      string // for people: who said so
}

// hostDrift is how fast a disciplined host's clock may be corrected between two
// readings: 50 ppm, as ClockBound declares for chronyd.
const hostDrift = 50e-6

// Kernel reads the host's clock and the kernel's own estimate of its error. The
// estimate grows by 500 us a second between the updates of whatever disciplines the
// clock. ErrUnsynced is returned when nothing does. chronyd needs `rtcsync` for it.
func Kernel(c Counter) (Reading, error) {
	var t unix.Timex
	at := c.Now()
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return Reading{}, err
	}
	return c.kernel(at, state, &t)
}

// kernel is the reading that the kernel's answer amounts to.
func (c Counter) kernel(at int64, state int, t *unix.Timex) (Reading, error) {
	if state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		return Reading{}, ErrUnsynced
	}
	r := host(c, at, float64(t.Maxerror)*1e3+float64(t.Precision)*1e3)
	r.TAI, r.From = int(t.Tai), "the kernel's estimate"
	switch {
	case t.Status&unix.STA_INS != 0:
		r.Leap = 1
	case t.Status&unix.STA_DEL != 0:
		r.Leap = -1
	}
	return r, nil
}

// host is the host's UTC with a bound that held at the counter reading: the reading
// was taken before the bound was asked for, so that time between widens it.
func host(c Counter, at int64, bound float64) Reading {
	x := c.cross()
	bound += hostDrift * float64(c.Now()-at)
	e := int64(math.Ceil(bound))
	return Reading{Counter: at, Low: x.Low - e, High: x.High + e, Drift: hostDrift}
}
