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
	Raw       Raw
}

// Raw is what a Reading was made of, as far as it came: whoever checks a bound derives
// the reading again. One part is set beside the pairs.
type Raw struct {
	Done    int64  // counter, after all was read
	Pairs   []Pair // the host's UTC, or the clock that the hardware was compared with, against the counter
	Kernel  *KernelWord
	Chronyd *Tracking
	PTP     *Samples
}

// KernelWord is what the kernel says of the host's clock, as adjtimex has it.
type KernelWord struct {
	State     int
	Status    int32
	MaxError  int64 // us
	EstError  int64 // us
	Precision int64 // us
	TAI       int32 // TAI - UTC, s, 0 unknown
}

// HostDrift is how fast a disciplined host's clock may be corrected between two
// readings: 50 ppm, as ClockBound declares for chronyd.
const HostDrift = 50e-6

// Kernel reads the host's clock and the kernel's own estimate of its error. The
// estimate grows by 500 us a second between the updates of whatever disciplines the
// clock. ErrUnsynced is returned when nothing does. chronyd needs `rtcsync` for it.
func Kernel(c Counter) (Reading, error) {
	at := c.Now()
	w, err := kernelWord()
	if err != nil {
		return Reading{Counter: at, From: fromKernel}, err
	}
	return w.Reading(c, at)
}

const fromKernel = "the kernel's estimate"

func kernelWord() (w KernelWord, err error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return KernelWord{
		State: state, Status: t.Status, MaxError: t.Maxerror, EstError: t.Esterror, Precision: t.Precision, TAI: t.Tai,
	}, err
}

// KernelTAI is TAI - UTC in seconds by the kernel's word, 0 when nobody told it.
func KernelTAI() int {
	w, err := kernelWord()
	if err != nil {
		return 0
	}
	return int(w.TAI)
}

// Reading is what the word amounts to that was asked for at the counter reading.
func (w KernelWord) Reading(c Counter, at int64) (Reading, error) {
	if w.State == unix.TIME_ERROR || w.Status&unix.STA_UNSYNC != 0 {
		return Reading{Counter: at, From: fromKernel, Raw: Raw{Done: c.Now(), Kernel: &w}}, ErrUnsynced
	}
	r := host(c, at, float64(w.MaxError)*1e3+float64(w.Precision)*1e3)
	r.TAI, r.From, r.Raw.Kernel = int(w.TAI), fromKernel, &w
	switch {
	case w.Status&unix.STA_INS != 0:
		r.Leap = 1
	case w.Status&unix.STA_DEL != 0:
		r.Leap = -1
	}
	return r, nil
}

// host is the host's UTC with a bound that held at the counter reading: the reading
// was taken before the bound was asked for, so that time between widens it.
func host(c Counter, at int64, bound float64) Reading {
	p := c.pair()
	x, done := p.cross(), c.Now()
	e := int64(math.Ceil(bound + HostDrift*float64(done-at)))
	return Reading{
		Counter: at, Low: x.Low - e, High: x.High + e, Drift: HostDrift, Raw: Raw{Done: done, Pairs: []Pair{p}},
	}
}
