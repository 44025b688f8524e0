package source

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tracking is chronyd's report of a clock 3 us off, 1 ms from its source, as the
// protocol has it.
func tracking(sequence uint32) []byte {
	b := make([]byte, trackingLen)
	be := binary.BigEndian
	b[0], b[1] = commandVersion, commandReply
	be.PutUint16(b[4:], trackingAsk)
	be.PutUint16(b[6:], trackingTell)
	be.PutUint32(b[16:], sequence)
	d := b[replyHead:]
	be.PutUint32(d, 0xc0000201)
	be.PutUint16(d[24:], 2)
	for at, v := range map[int]float64{40: 3e-6, 56: 0.01, 60: 0.5, 64: 1e-3, 68: 2e-4, 72: 16} {
		be.PutUint32(d[at:], toChronyFloat(v))
	}
	return b
}

// toChronyFloat is the protocol's number for a positive v.
func toChronyFloat(v float64) uint32 {
	fraction, exponent := math.Frexp(v) // 0.5 <= fraction < 1
	coefficient := uint32(fraction * (1 << 24))
	return uint32(exponent+1)<<25 | coefficient
}

func TestTrackingReport(t *testing.T) {
	r, err := parseTracking(tracking(9), 9)
	if err != nil {
		t.Fatal(err)
	}
	near := func(got, want float64, what string) {
		if math.Abs(got-want) > want*1e-6 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	near(r.Correction, 3e-6, "correction")
	near(r.RootDelay, 1e-3, "root delay")
	near(r.RootDispersion, 2e-4, "root dispersion")
	near(r.Skew, 0.5, "skew")
	near(r.Residual, 0.01, "residual")
	near(r.Interval, 16, "interval")
	if r.Stratum != 2 || r.Refid != 0xc0000201 {
		t.Errorf("%+v", r)
	}
	for x, want := range map[uint32]float64{0: 0, 0x02800000: 0.5, 0x03800000: -0.5, 0xfe800000: 0.125} {
		if got := chronyFloat(x); got != want {
			t.Errorf("%#08x is %g, want %g", x, got, want)
		}
	}
	refused := map[string]func(b []byte){
		"another sequence": func(b []byte) { b[19]++ }, "a request": func(b []byte) { b[1] = 1 },
		"another version": func(b []byte) { b[0] = 5 }, "a failure": func(b []byte) { b[9] = 1 }, "another report": func(b []byte) { b[7] = 1 },
	}
	for name, spoil := range refused {
		b := tracking(9)
		spoil(b)
		if _, err := parseTracking(b, 9); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKernelReading: the kernel's word is an interval around the host's clock, or none.
func TestKernelReading(t *testing.T) {
	c := NewCounter(time.Now())
	for _, bad := range []struct {
		state  int
		status int32
	}{{unix.TIME_ERROR, 0}, {unix.TIME_OK, unix.STA_UNSYNC}} {
		if _, err := (KernelWord{State: bad.state, Status: bad.status}).Reading(c, 0); !errors.Is(err, ErrUnsynced) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for status, leap := range map[int32]int8{0: 0, unix.STA_INS: 1, unix.STA_DEL: -1} {
		at := c.Now()
		r, err := KernelWord{State: unix.TIME_OK, Status: status, MaxError: 700, Precision: 1, TAI: 37}.Reading(c, at)
		if err != nil || r.Leap != leap || r.TAI != 37 || r.Drift != HostDrift {
			t.Errorf("%+v, %v", r, err)
		}
		x := c.cross()
		if r.Low > x.Low-700_000 || r.High < x.High+700_000 || r.High-r.Low > 2*701_000+1_000_000 {
			t.Errorf("the host is in %+v, the reading says [%d, %d]", x, r.Low, r.High)
		}
	}
	if r, err := Kernel(c); err != nil && !errors.Is(err, ErrUnsynced) {
		t.Errorf("the real kernel: %+v, %v", r, err)
	}
}

// script gives a watch the clocks that a test says.
type script struct {
	now    Clocks
	marker [16]byte
}

// pass lets time go on, with the counter's rate off by so much.
func (s *script) pass(d time.Duration, rate float64) {
	s.now.Raw += int64(d)
	s.now.Counter += int64(d) + int64(rate*float64(d))
}

func (s *script) watch(most float64) *Watch {
	s.now.Window = 1000
	return newWatch(func() Clocks { return s.now }, most, func() ([16]byte, bool) { return s.marker, true })
}

// TestWatchSees: what makes the past void is seen at the next look, once.
func TestWatchSees(t *testing.T) {
	const most = 1e-6
	for name, c := range map[string]struct {
		happen func(s *script)
		seen   bool
	}{
		"nothing":                {func(*script) {}, false},
		"a suspension":           {func(s *script) { s.now.Suspended += 20e6 }, true},
		"noise of a millisecond": {func(s *script) { s.now.Suspended += 1e6 }, false},
		"a move":                 {func(s *script) { s.marker[3]++ }, true},
		"a fast slew":            {func(s *script) { s.pass(time.Second, 2e-3) }, true},
		"a slow slew":            {func(s *script) { s.pass(10*time.Second, 5e-6) }, true},
		"a permitted change":     {func(s *script) { s.pass(10*time.Second, 0.9e-6) }, false},
	} {
		s := &script{}
		w := s.watch(most)
		for i := range 200 {
			s.pass(200*time.Millisecond, 0)
			if what := w.Look(); what != "" {
				t.Fatalf("%s: look %d sees %q before it", name, i, what)
			}
		}
		c.happen(s)
		seen := w.Look()
		if (seen != "") != c.seen {
			t.Errorf("%s: seen %q", name, seen)
		}
		s.pass(200*time.Millisecond, 0)
		if again := w.Look(); again != "" {
			t.Errorf("%s: seen again: %q", name, again)
		}
	}
	s := &script{}
	w := s.watch(0)
	s.pass(10*time.Second, 0)
	w.Look()
	if s.pass(10*time.Second, 50e-6); w.Look() != "" {
		t.Error("a slewed host disturbs a bound that does not rest on the counter's rate")
	}
}

// TestWatchReal: this machine's clocks stand still together.
func TestWatchReal(t *testing.T) {
	w := NewWatch(NewCounter(time.Now()), 0, nil)
	for range 200 {
		if what := w.Look(); what != "" {
			t.Errorf("a quiet machine: %s", what)
		}
	}
	if c := NewCounter(time.Now()).clocks(); c.Window <= 0 || c.Window > 1e9 || c.Raw == 0 {
		t.Errorf("%+v", c)
	}
}
