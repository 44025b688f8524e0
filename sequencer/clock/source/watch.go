package source

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Clocks is one reading of the kernel's clocks together, ns.
type Clocks struct {
	Suspended int64 // CLOCK_BOOTTIME less CLOCK_MONOTONIC: rises while the machine sleeps
	Raw       int64 // CLOCK_MONOTONIC_RAW, which nobody slews
	Counter   int64 // the counter at Raw, which whoever disciplines the host slews
	Window    int64 // how long the reading took: Counter is not known better
}

// A Watch sees what makes the counter's past void. It belongs to one loop.
type Watch struct {
	read       func() Clocks
	marker     func() ([16]byte, bool)
	most       float64 // declared limit of a change of the counter's rate; 0: none
	generation [16]byte
	last       Clocks // of the last look
	begin      Clocks // of the window over which the rate is measured
	rates      span
}

// span is the range of the rates measured, with their uncertainty taken off.
type span struct {
	low, high float64
	some      bool
}

// NewWatch remembers how things are. most is how much the rate of the counter may
// ever change by declaration: a host whose clock is slewed by more breaks what the
// bounds rest on; 0 for bounds that do not rest on it. marker reads the virtual
// machine's generation, if there is one; nil looks for /dev/vmclock0.
func NewWatch(c Counter, most float64, marker func() ([16]byte, bool)) *Watch {
	if marker == nil {
		marker = vmclock
	}
	return newWatch(c.clocks, most, marker)
}

func newWatch(read func() Clocks, most float64, marker func() ([16]byte, bool)) *Watch {
	w := &Watch{read: read, marker: marker, most: most}
	w.restart(read())
	w.generation, _ = marker()
	return w
}

func (w *Watch) restart(now Clocks) { w.last, w.begin, w.rates = now, now, span{} }

// clocks compares the kernel's clocks; the closest of a few tries counts.
func (c Counter) clocks() Clocks {
	best := Clocks{Suspended: math.MaxInt64, Window: math.MaxInt64}
	for range tries {
		mono := clockNow(unix.CLOCK_MONOTONIC)
		best.Suspended = min(best.Suspended, clockNow(unix.CLOCK_BOOTTIME)-mono)
		before := c.Now()
		raw := clockNow(unix.CLOCK_MONOTONIC_RAW)
		if after := c.Now(); after-before < best.Window {
			best.Raw, best.Counter, best.Window = raw, before+(after-before)/2, after-before
		}
	}
	return best
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
	rateWindow      = int64(8 * time.Second)
)

// Look says what has happened since the last look, "" for nothing.
func (w *Watch) Look() string {
	now := w.read()
	what := w.judge(now)
	if what != "" {
		w.restart(now)
	}
	return what
}

func (w *Watch) judge(now Clocks) string {
	if now.Suspended-w.last.Suspended > leastSuspension {
		return "the machine was suspended"
	}
	if g, ok := w.marker(); ok && g != w.generation {
		w.generation = g
		return "the virtual machine was moved or restored"
	}
	if now.Counter-w.last.Counter < rateAfter {
		return ""
	}
	rate, noise := between(w.last, now)
	w.last = now
	if math.Abs(rate) > mostRate+noise {
		return "the counter's rate was changed by the host"
	}
	if w.most > 0 && now.Counter-w.begin.Counter >= rateWindow {
		rate, noise = between(w.begin, now)
		w.begin = now
		if w.rates.add(rate, noise) > w.most {
			return "the host slews its clock by more than is declared of the counter"
		}
	}
	return ""
}

// between is the rate of the counter against the raw clock, less 1, and how far that
// may be off.
func between(a, b Clocks) (rate, noise float64) {
	d := float64(b.Counter - a.Counter)
	return d/float64(b.Raw-a.Raw) - 1, float64(a.Window+b.Window) / 2 / d
}

// add takes a rate, and returns by how much the rates differ at the least.
func (s *span) add(rate, noise float64) float64 {
	if !s.some {
		s.low, s.high, s.some = rate+noise, rate-noise, true
		return 0
	}
	s.low, s.high = min(s.low, rate+noise), max(s.high, rate-noise)
	return s.high - s.low
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
