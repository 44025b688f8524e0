package source

import (
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PHC is a PTP hardware clock, kept on time by ptp4l or the hypervisor, which the clock
// itself cannot tell. The ioctl is made by hand: x/sys fills in no clock to compare with,
// and means UTC.
//
// A machine without such a clock tests all but the ioctl itself.
type PHC struct {
	file     *os.File
	ioctl    func(*unix.PtpSysOffsetExtended) error
	counter  Counter
	error    int64
	tai      int
	utc      bool  // the kernel, before 6.12, compares with the host's UTC only
	zero     cross // the monotonic clock at the counter's zero: constant, ever better known
	zeroRead bool
}

// OpenPHC opens /dev/ptpN. What the clock may be wrong against its own time scale,
// ns, must be declared: the grandmaster's accuracy and the servo's error. tai is
// TAI - UTC in seconds for a clock on TAI, as PTP has it, or 0 for one on UTC. It stays
// what it is over a leap second, so that readings are on the scale without leaps.
func OpenPHC(path string, c Counter, maxError int64, tai int) (*PHC, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p := &PHC{file: f, counter: c, error: maxError, tai: tai}
	p.ioctl = p.sysOffset
	if _, err := p.Read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Close closes the device.
func (p *PHC) Close() error { return p.file.Close() }

func (p *PHC) sysOffset(x *unix.PtpSysOffsetExtended) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, p.file.Fd(), unix.PTP_SYS_OFFSET_EXTENDED2, uintptr(unsafe.Pointer(x)))
	if errno != 0 {
		return errno
	}
	return nil
}

// phcSamples is how often one read compares the clocks; the closest counts.
const phcSamples = 9

// phcDrift is how fast a hardware clock may leave the counter between reads: both
// crystals' declared limits.
const phcDrift = 100e-6

// Read compares the hardware clock with the counter.
func (p *PHC) Read() (Reading, error) {
	x := unix.PtpSysOffsetExtended{Samples: phcSamples, Clockid: unix.CLOCK_MONOTONIC}
	if p.utc {
		x.Clockid = unix.CLOCK_REALTIME
	}
	before := p.counter.cross()
	err := p.ioctl(&x)
	if errors.Is(err, unix.EINVAL) && !p.utc {
		p.utc = true
		return p.Read()
	}
	if err != nil {
		return Reading{}, fmt.Errorf("%w: %w", ErrNoClock, err)
	}
	host, ok := before.meet(p.counter.cross())
	if !p.utc {
		host, ok = p.monotonic(), true
	}
	if !ok {
		return Reading{}, ErrStepped
	}
	return p.reading(x.Ts[:min(x.Samples, phcSamples)], host)
}

// monotonic is the kernel's monotonic clock less the counter, which counts from some
// reading of it. That does not change, so all comparisons are true at once.
func (p *PHC) monotonic() cross {
	for range tries {
		before := p.counter.Now()
		mono := clockNow(unix.CLOCK_MONOTONIC)
		after := p.counter.Now()
		x := cross{mono - after, mono - before}
		if p.zeroRead {
			x = cross{max(x.Low, p.zero.Low), min(x.High, p.zero.High)}
		}
		p.zero, p.zeroRead = x, true
	}
	return p.zero
}

// reading is what the samples say of UTC less the counter; host is the clock that
// the samples compare with, less the counter.
func (p *PHC) reading(samples [][3]unix.PtpClockTime, host cross) (Reading, error) {
	low, high, at, ok := closest(samples)
	if !ok {
		return Reading{}, ErrNoClock
	}
	utc := int64(p.tai) * 1e9
	return Reading{
		Counter: at - host.High, Low: low + host.Low - utc - p.error, High: high + host.High - utc + p.error,
		Drift: phcDrift, TAI: p.tai, From: "the PTP clock",
	}, nil
}

// closest takes the sample with the shortest window: the hardware's time less the
// clock compared with, and the latter's reading.
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
