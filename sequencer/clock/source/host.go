package source

import (
	"math"
	"time"

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

// A Watch sees what makes the counter's past void. It belongs to one loop.
type Watch struct {
	counter     Counter
	suspended   int64 // CLOCK_BOOTTIME - CLOCK_MONOTONIC, ns
	raw         int64 // CLOCK_MONOTONIC_RAW
	at          int64 // counter at raw
	generation  [16]byte
	marker      func() ([16]byte, bool)
	RateChanges uint64
}

// NewWatch remembers how things are. marker reads the virtual machine's generation,
// if there is one; nil looks for /dev/vmclock0.
func NewWatch(c Counter, marker func() ([16]byte, bool)) *Watch {
	if marker == nil {
		marker = vmclock
	}
	w := &Watch{counter: c, marker: marker}
	w.suspended, w.raw, w.at = w.read()
	w.generation, _ = marker()
	return w
}

// read compares the kernel's clocks; the closest of a few tries counts.
func (w *Watch) read() (suspended, raw, at int64) {
	window := int64(math.MaxInt64)
	for range tries {
		begin := w.counter.Now()
		boot, mono, r := clockNow(unix.CLOCK_BOOTTIME), clockNow(unix.CLOCK_MONOTONIC), clockNow(unix.CLOCK_MONOTONIC_RAW)
		if end := w.counter.Now(); end-begin < window {
			window, suspended, raw, at = end-begin, mono-boot, r, end
		}
	}
	return suspended, raw, at
}

func clockNow(id int32) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0
	}
	return t.Nano()
}

// Limits of Look: a suspension is told from the time that reading takes, and a rate
// from the noise of reading it.
const (
	leastSuspension = int64(5 * time.Millisecond)
	mostRate        = 1000e-6
	rateAfter       = int64(100 * time.Millisecond)
)

// Look says what has happened since the last look, "" for nothing.
func (w *Watch) Look() string {
	suspended, raw, at := w.read()
	if d := w.suspended - suspended; d > leastSuspension {
		w.suspended, w.raw, w.at = suspended, raw, at
		return "the machine was suspended"
	}
	if g, ok := w.marker(); ok && g != w.generation {
		w.generation = g
		return "the virtual machine was moved or restored"
	}
	if at-w.at < rateAfter {
		return ""
	}
	rate := float64(at-w.at)/float64(raw-w.raw) - 1
	noise := float64(leastSuspension) / 50 / float64(at-w.at)
	w.suspended, w.raw, w.at = suspended, raw, at
	if math.Abs(rate) > mostRate+noise {
		w.RateChanges++
		return "the counter's rate was changed by the host"
	}
	return ""
}

// vmclock reads the disruption marker of the hypervisor (Linux 6.13 and later).
func vmclock() (marker [16]byte, ok bool) {
	fd, err := unix.Open("/dev/vmclock0", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return marker, false
	}
	defer unix.Close(fd)
	var page [64]byte
	n, err := unix.Pread(fd, page[:], 0)
	if err != nil || n < 24 {
		return marker, false
	}
	copy(marker[:], page[16:24]) // disruption_marker
	return marker, true
}
