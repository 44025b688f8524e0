package source

import (
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PHC is a PTP hardware clock, kept on time by ptp4l or the hypervisor. The ioctl is
// made by hand: x/sys fills in no clock to compare with, and means UTC.
//
// No machine without such a clock can test more than the errors.
type PHC struct {
	file    *os.File
	counter Counter
	error   int64
	tai     int
}

// OpenPHC opens /dev/ptpN. What the clock may be wrong against its own time scale,
// ns, must be declared: the grandmaster's accuracy and the servo's error. tai is
// TAI - UTC in seconds for a clock on TAI, as PTP has it, or 0 for one on UTC.
func OpenPHC(path string, c Counter, maxError int64, tai int) (*PHC, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p := &PHC{file: f, counter: c, error: maxError, tai: tai}
	if _, err := p.Read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Close closes the device.
func (p *PHC) Close() error { return p.file.Close() }

// phcSamples is how often one read compares the clocks; the closest counts.
const phcSamples = 9

// phcDrift is how fast a hardware clock may leave the counter between reads: both
// crystals' declared limits.
const phcDrift = 100e-6

// Read compares the hardware clock with the counter.
func (p *PHC) Read() (Reading, error) {
	x := unix.PtpSysOffsetExtended{Samples: phcSamples, Clockid: unix.CLOCK_MONOTONIC}
	before := p.counter.Now()
	mono := clockNow(unix.CLOCK_MONOTONIC)
	after := p.counter.Now()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, p.file.Fd(), unix.PTP_SYS_OFFSET_EXTENDED2, uintptr(unsafe.Pointer(&x))); errno != 0 {
		return Reading{}, fmt.Errorf("%w: %w", ErrNoClock, errno)
	}
	low, high, at, ok := closest(x.Ts[:min(x.Samples, phcSamples)])
	if !ok {
		return Reading{}, ErrNoClock
	}
	// The counter is the monotonic clock less its reading at the counter's zero.
	zeroLow, zeroHigh := mono-after, mono-before
	utc := int64(p.tai) * 1e9
	return Reading{
		Counter: at - zeroHigh, Low: low + zeroLow - utc - p.error, High: high + zeroHigh - utc + p.error,
		Drift: phcDrift, TAI: p.tai, From: "the PTP clock " + p.file.Name(),
	}, nil
}

// closest takes the sample with the shortest window: the hardware's time less the
// monotonic clock, and the latter's reading.
func closest(samples [][3]unix.PtpClockTime) (low, high, at int64, ok bool) {
	window := int64(math.MaxInt64)
	for _, s := range samples {
		before, phc, after := ptpNanos(s[0]), ptpNanos(s[1]), ptpNanos(s[2])
		if after >= before && after-before < window {
			window, low, high, at, ok = after-before, phc-after, phc-before, before, true
		}
	}
	return low, high, at, ok
}

func ptpNanos(t unix.PtpClockTime) int64 { return t.Sec*1e9 + int64(t.Nsec) }
