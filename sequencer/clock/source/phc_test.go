package source

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// phc is a hardware clock that is so far ahead of the monotonic clock.
func phc(ahead int64, c Counter, ioctl func(x *unix.PtpSysOffsetExtended) error) *PHC {
	return NewPHC(nil, func(x *unix.PtpSysOffsetExtended) error {
		if err := ioctl(x); err != nil {
			return err
		}
		for i := range x.Samples {
			before := clockNow(x.Clockid)
			hardware := clockNow(unix.CLOCK_MONOTONIC) + ahead
			after := clockNow(x.Clockid)
			for k, v := range []int64{before, hardware, after} {
				x.Ts[i][k] = unix.PtpClockTime{Sec: v / 1e9, Nsec: uint32(v % 1e9)}
			}
		}
		return nil
	}, c, 100, 37)
}

// TestPHCRead: the true offset lies in the interval, whichever clock the kernel
// compares with. No device is needed for that.
func TestPHCRead(t *testing.T) {
	const ahead = 1_000_000_000_123_456_789
	c := NewCounter(time.Now())
	old := func(x *unix.PtpSysOffsetExtended) error { // a kernel before 6.12
		if x.Clockid != unix.CLOCK_REALTIME {
			return unix.EINVAL
		}
		return nil
	}
	for name, ioctl := range map[string]func(x *unix.PtpSysOffsetExtended) error{
		"against the monotonic clock": func(*unix.PtpSysOffsetExtended) error { return nil },
		"against UTC":                 old,
	} {
		p := phc(ahead, c, ioctl)
		for range 100 {
			r, err := p.Read()
			if errors.Is(err, ErrStepped) {
				t.Skip("skipped: the host's clock was stepped meanwhile")
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			zero := p.learn(p.monotonic())
			if low, high := ahead+zero.Low-37e9, ahead+zero.High-37e9; r.Low > high || r.High < low {
				t.Errorf("%s: true offset in [%d, %d], the reading says [%d, %d]", name, low, high, r.Low, r.High)
			}
			if now := c.Now(); r.Counter > now || r.Counter < now-int64(time.Second) {
				t.Errorf("%s: read at counter %d, now it is %d", name, r.Counter, now)
			}
		}
	}
	p := phc(0, c, func(*unix.PtpSysOffsetExtended) error { return unix.EOPNOTSUPP })
	if _, err := p.Read(); !errors.Is(err, ErrNoClock) || !errors.Is(err, unix.EOPNOTSUPP) {
		t.Errorf("without the ioctl: %v", err)
	}
}

// TestPHCClosest: the sample with the shortest window counts, and one that ends
// before it began counts not at all.
func TestPHCClosest(t *testing.T) {
	low, high, from, ok := closest([][3]int64{{10e9, 50e9, 10e9 + 900}, {11e9, 51e9 + 40, 11e9 + 100}, {12e9, 70e9, 12e9 - 1}})
	if !ok || low != 40e9-60 || high != 40e9+40 || from != 11e9 {
		t.Errorf("[%d, %d] at %d, %v", low, high, from, ok)
	}
	if _, _, _, ok := closest([][3]int64{{2, 9, 1}}); ok {
		t.Error("a sample of the past is taken")
	}
}

// TestPHCDevice: what is no PTP clock is refused; a real one is read where there is one.
func TestPHCDevice(t *testing.T) {
	if p, err := OpenPHC("/dev/null", NewCounter(time.Now()), 100, 37); !errors.Is(err, ErrNoClock) {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := os.Stat("/dev/ptp0"); err != nil {
		t.Skipf("skipped: no PTP hardware clock on this machine: %v", err)
	}
	p, err := OpenPHC("/dev/ptp0", NewCounter(time.Now()), 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a, err := p.Read()
	if err != nil || a.Low > a.High {
		t.Errorf("%+v, %v", a, err)
	}
}
