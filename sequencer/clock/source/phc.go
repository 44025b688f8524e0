package source

import (
	"errors"
	"fmt"
	"io"
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
	device   io.Closer
	ioctl    Ioctl
	counter  Counter
	error    int64
	tai      int
	utc      bool  // the kernel, before 6.12, compares with the host's UTC only
	zero     cross // the monotonic clock at the counter's zero: constant, ever better known
	zeroRead bool
}

// Samples are comparisons of a hardware clock with one of the kernel's, as the ioctl
// gives them: the kernel's clock, the hardware's, and the kernel's again, ns.
type Samples struct {
	UTC  bool // compared with the host's UTC, not with CLOCK_MONOTONIC
	Each [][3]int64
}

// Ioctl has a device fill in the samples asked for.
type Ioctl func(*unix.PtpSysOffsetExtended) error

// NewPHC reads a device through ioctl. What the clock may be wrong against its own time
// scale, ns, must be declared: the grandmaster's accuracy and the servo's error. tai is
// TAI - UTC in seconds for a clock on TAI, as PTP has it, or 0 for one on UTC. It stays
// what it is over a leap second, so that readings are on the scale without leaps.
func NewPHC(device io.Closer, ioctl Ioctl, c Counter, maxError int64, tai int) *PHC {
	return &PHC{device: device, ioctl: ioctl, counter: c, error: maxError, tai: tai}
}

// OpenPHC opens /dev/ptpN, as NewPHC.
func OpenPHC(path string, c Counter, maxError int64, tai int) (*PHC, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p := NewPHC(f, sysOffset(f), c, maxError, tai)
	if _, err := p.Read(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.Forget() // this reading is told to nobody
	return p, nil
}

// Forget has what was learnt of the counter from earlier readings no longer count.
func (p *PHC) Forget() { p.zeroRead = false }

// Close closes the device.
func (p *PHC) Close() error { return p.device.Close() }

func sysOffset(f *os.File) Ioctl {
	return func(x *unix.PtpSysOffsetExtended) error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.PTP_SYS_OFFSET_EXTENDED2, uintptr(unsafe.Pointer(x)))
		if errno != 0 {
			return errno
		}
		return nil
	}
}

// phcSamples is how often one read compares the clocks; the closest counts.
const phcSamples = 9

// fromPTP names the source.
const fromPTP = "the PTP clock"

// Read compares the hardware clock with the counter.
func (p *PHC) Read() (Reading, error) {
	x := unix.PtpSysOffsetExtended{Samples: phcSamples, Clockid: unix.CLOCK_MONOTONIC}
	if p.utc {
		x.Clockid = unix.CLOCK_REALTIME
	}
	r := Reading{Counter: p.counter.Now(), From: fromPTP}
	before := p.counter.pair()
	err := p.ioctl(&x)
	if errors.Is(err, unix.EINVAL) && !p.utc {
		p.utc = true
		return p.Read()
	}
	if err != nil {
		return r, fmt.Errorf("%w: %w", ErrNoClock, err)
	}
	r.Raw.PTP = samples(x.Ts[:min(x.Samples, phcSamples)], p.utc)
	if p.utc {
		r.Raw.Pairs = []Pair{before, p.counter.pair()}
	} else {
		r.Raw.Pairs = p.monotonic()
	}
	r.Raw.Done = p.counter.Now()
	return p.reading(r)
}

func samples(ts [][3]unix.PtpClockTime, utc bool) *Samples {
	s := &Samples{UTC: utc}
	for _, t := range ts {
		s.Each = append(s.Each, [3]int64{ptpNanos(t[0]), ptpNanos(t[1]), ptpNanos(t[2])})
	}
	return s
}

// monotonic compares the kernel's monotonic clock with the counter.
func (p *PHC) monotonic() (all []Pair) {
	for range tries {
		before := p.counter.Now()
		mono := clockNow(unix.CLOCK_MONOTONIC)
		all = append(all, Pair{before, mono, p.counter.Now()})
	}
	return all
}

// learn takes comparisons of the monotonic clock. The counter counts from some reading of
// it, so all that were ever made are true at once.
func (p *PHC) learn(pairs []Pair) cross {
	for _, pair := range pairs {
		x := pair.cross()
		if p.zeroRead {
			x = cross{max(x.Low, p.zero.Low), min(x.High, p.zero.High)}
		}
		p.zero, p.zeroRead = x, true
	}
	return p.zero
}

// reading completes r by what its samples say of UTC less the counter.
func (p *PHC) reading(r Reading) (Reading, error) {
	var host cross // the clock that the samples compare with, less the counter
	if pairs := r.Raw.Pairs; r.Raw.PTP.UTC {
		var ok bool
		if host, ok = pairs[0].cross().meet(pairs[1].cross()); !ok {
			return r, ErrStepped
		}
	} else {
		host = p.learn(pairs)
	}
	low, high, at, ok := closest(r.Raw.PTP.Each)
	if !ok {
		return r, ErrNoClock
	}
	utc := int64(p.tai) * 1e9
	r.Counter, r.Low, r.High = at-host.High, low+host.Low-utc-p.error, high+host.High-utc+p.error
	return r, nil
}

// closest takes the sample with the shortest window: the hardware's time less the
// clock compared with, and the latter's reading.
func closest(samples [][3]int64) (low, high, at int64, ok bool) {
	window := int64(math.MaxInt64)
	for _, s := range samples {
		if w := s[2] - s[0]; w >= 0 && w < window {
			window, low, high, at, ok = w, s[1]-s[2], s[1]-s[0], s[0], true
		}
	}
	return low, high, at, ok
}

func ptpNanos(t unix.PtpClockTime) int64 { return t.Sec*1e9 + int64(t.Nsec) }
