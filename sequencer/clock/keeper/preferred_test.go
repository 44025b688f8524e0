package keeper

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// TestLeapOfSource: the host's word for a leap second is heeded, and what the sources say
// after it is on the scale without leaps: a hardware clock on TAI all the time.
func TestLeapOfSource(t *testing.T) {
	newYear := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	for _, leap := range []int8{1, -1} {
		c := Default()
		k, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		say := func(counter, utc int64, leap int8) source.Reading {
			return source.Reading{Counter: counter, Low: utc - counter - 100, High: utc - counter + 100, Drift: 50e-6, Leap: leap}
		}
		noon := newYear - 12*int64(time.Hour)
		if i, err := k.hostInterval(say(1e9, noon, 0)); err != nil || i.Low != noon-1e9-100 || k.est.Leaps.Ahead() {
			t.Errorf("before the word: %+v, %v", i, err)
		}
		if i, err := k.hostInterval(say(2e9, noon+1e9, leap)); err != nil || i.Low != noon-1e9-100 || !k.est.Leaps.Ahead() {
			t.Errorf("with it: %+v, %v", i, err)
		}
		if i, err := k.hostInterval(say(3e9, newYear-1e9, leap)); !errors.Is(err, errLeap) {
			t.Errorf("near the leap: %+v, %v", i, err)
		}
		after := newYear + 10e9
		if i, err := k.hostInterval(say(4e9, after, leap)); err != nil || i.Low != after+int64(leap)*1e9-4e9-100 {
			t.Errorf("after it: %+v, %v, want %d", i, err, after+int64(leap)*1e9-4e9-100)
		}
		for _, utc := range []bool{false, true} {
			if k.phcSet, err = estimate.NewServers(estimate.Default(1, 0)); err != nil {
				t.Fatal(err)
			}
			k.cfg.PTP.UTC = utc
			checkPTP(t, k, newYear, leap)
		}
	}
}

// checkPTP reads a hardware clock for a minute over the leap.
func checkPTP(t *testing.T, k *Keeper, newYear int64, leap int8) {
	t.Helper()
	k.est.Leaps = estimate.NewLeaps(37)
	k.est.Leaps.Announce(newYear, leap > 0)
	scale := newYear - 30e9
	for n := range int64(60) {
		counter, told := n*1e9+1, scale+n*1e9
		if k.cfg.PTP.UTC && n > 30 {
			told -= int64(leap) * 1e9
		}
		i, err := k.ptpInterval(counter, source.Reading{Counter: counter, Low: told - counter - 100, High: told - counter + 100}, &audit.Reading{})
		if k.cfg.PTP.UTC && errors.Is(err, errLeap) && n > 25 && n < 35 || errors.Is(err, errFew) && n < 10 {
			continue
		}
		if err != nil {
			t.Errorf("UTC %v, second %d: %v", k.cfg.PTP.UTC, n, err)
			return
		}
		if want := scale + n*1e9 - counter; i.Low > want || i.High < want || i.High-i.Low > 1000 {
			t.Errorf("UTC %v, second %d: %+v, want %d", k.cfg.PTP.UTC, n, i, want)
		}
	}
}

// TestNextSource: when the servers fall silent the clock goes by the next source at once,
// and promises all the time.
func TestNextSource(t *testing.T) {
	t.Parallel()
	all, c := servers(t, 3, 1)
	c.Sources, c.Chronyd = []string{SourceNTP, SourceHost}, newChronyd(t)
	r := run(t, c)
	by := func(source string) {
		t.Helper()
		r.await("by "+source, func(s *Status) bool { return strings.HasPrefix(s.Source, source) && s.Promised() })
	}
	by("chronyd")
	by(SourceNTP)
	for _, s := range all {
		s.silent.Store(true)
	}
	by("chronyd")
	r.await("why", func(s *Status) bool { return s.Missing == "ntp: no fresh quorum of servers" })
}

// crystal is a hardware clock on TAI, right by the host's UTC, whose servo may die: then
// it runs away by 80 ppm.
type crystal struct {
	counter source.Counter
	since   atomic.Int64 // counter when the servo died, 0 when it has not
	old     bool         // the kernel, before 6.12, compares with the host's UTC only
}

func (c *crystal) Close() error { return nil }

func (c *crystal) ioctl(x *unix.PtpSysOffsetExtended) error {
	if c.old && x.Clockid != unix.CLOCK_REALTIME {
		return unix.EINVAL
	}
	kernels := func() int64 {
		var t unix.Timespec
		_ = unix.ClockGettime(x.Clockid, &t) // it exists
		return t.Nano()
	}
	for i := range x.Samples {
		before := kernels()
		hardware := time.Now().UnixNano() + PublishedTAI*1e9
		if s := c.since.Load(); s != 0 {
			hardware += (c.counter.Now() - s) * 80 / 1_000_000
		}
		for k, v := range [...]int64{before, hardware, kernels()} {
			x.Ts[i][k] = unix.PtpClockTime{Sec: v / 1e9, Nsec: uint32(v % 1e9)}
		}
	}
	return nil
}

// withCrystal has a keeper read one, which is there when the keeper is made.
func withCrystal(c *crystal) func(o *Options) {
	return func(o *Options) {
		o.kernelTAI = func() int { return 0 }
		o.device = func(counter source.Counter) hardware {
			c.counter = counter
			return source.NewPHC(c, c.ioctl, counter, 2000, PublishedTAI)
		}
	}
}

// ptp is a configuration with a hardware clock, beside servers.
func ptp(t *testing.T) ([]*fakeNTP, Config) {
	t.Helper()
	all, c := servers(t, 3, 1)
	c.Sources, c.PTP, c.Chronyd, c.Audit = []string{SourcePTP}, PTP{Device: "a test's", Error: 2 * time.Microsecond}, NoChronyd, t.TempDir()
	return all, c
}

const byPTP = "the PTP clock"

// TestServoDies: a hardware clock that nothing keeps on time any more is not followed
// from when the servers exclude it, and no promise by it is left; and it is again when
// it is right.
func TestServoDies(t *testing.T) {
	t.Parallel()
	_, c := ptp(t)
	clock := &crystal{}
	r := run(t, c, withCrystal(clock))
	r.await("by the PTP clock", func(s *Status) bool { return s.Source == byPTP && s.Promised() })
	r.await("that all agree", func(s *Status) bool {
		return !slices.ContainsFunc(s.Servers, func(v ServerStatus) bool { return v.Verdict != "agrees" })
	})
	clock.since.Store(clock.counter.Now())
	if e := r.until("the PTP clock contradicts its earlier readings"); e.Kind != "alarm" {
		t.Errorf("%+v", e)
	}
	if e := r.until("the NTP servers exclude the PTP clock"); e.Kind != "alarm" {
		t.Errorf("%+v", e)
	}
	if e := r.until("disrupted: "); e.Bound != -1 {
		t.Errorf("%+v", e)
	}
	r.await("without it", func(s *Status) bool { return !s.Promised() && s.Missing == "ptp: the NTP servers exclude it" })
	clock.since.Store(0)
	r.until("synchronised: ")
	r.end()
	tamperPTP(t, c.Audit, false)
}

// TestPTPAlone: what a hardware clock says is worth nothing that nobody confirms: no
// promise begins by it, and one that was made becomes a holdover when the servers fall
// silent. It needs servers to begin with.
func TestPTPAlone(t *testing.T) {
	t.Parallel()
	all, c := ptp(t)
	for _, s := range all {
		s.silent.Store(true)
	}
	r := run(t, c, withCrystal(&crystal{old: true}))
	r.await("why", func(s *Status) bool { return s.Missing == "ptp: "+errAlone.Error() && !s.Promised() })
	for _, s := range all {
		s.silent.Store(false)
	}
	r.until("synchronised: ")
	for _, s := range all {
		s.silent.Store(true)
	}
	r.until("holdover: ")
	r.await("why", func(s *Status) bool { return s.State == "holdover" && s.Missing == "ptp: "+errAlone.Error() })
	r.end()
	tamperPTP(t, c.Audit, true)
}

// isReading picks readings that are used, and that have what part asks for.
func isReading(part func(r *audit.Reading) bool) func(r *audit.Record) bool {
	return func(r *audit.Record) bool {
		return r.Kind == audit.KindReading && r.Reading.Used && part(r.Reading)
	}
}

// tamperPTP changes a trail by a hardware clock: it claims no more than the samples allow.
func tamperPTP(t *testing.T, dir string, old bool) {
	t.Helper()
	checked, err := audit.Check(dir, "")
	if err != nil || checked.Foreign == 0 || checked.Readings == 0 {
		t.Errorf("%+v, %v", checked, err)
	}
	all := isReading(func(r *audit.Reading) bool { return r.PTP != nil && r.PTP.UTC == old })
	each := func(do func(triple *[3]int64)) func(r *audit.Record) {
		return func(r *audit.Record) {
			for i := range r.Reading.PTP.Each {
				do(&r.Reading.PTP.Each[i])
			}
		}
	}
	tamper(t, dir, []change{
		{"a slower clock", all, each(func(s *[3]int64) { s[1] -= 50_000 })},
		{"a longer comparison", all, each(func(s *[3]int64) { s[0], s[2] = s[0]-20_000, s[2]+20_000 })},
		{"no samples", all, func(r *audit.Record) { r.Reading.PTP.Each = nil }},
		{"another counter", all, func(r *audit.Record) {
			for i := range r.Reading.Pairs {
				r.Reading.Pairs[i][1] += 50_000
			}
		}},
		{"no comparisons with the counter", all, func(r *audit.Record) { r.Reading.Pairs = nil }},
		{"no word of the device", all, func(r *audit.Record) { r.Reading.PTP = nil }},
		{"no readings", all, gone},
		{"too few of them", all, func(r *audit.Record) { r.Reading.Restart = true }},
		{"a second more", all, func(r *audit.Record) { r.Reading.Shift += 1e9 }},
	})
}

// TestHostTampered: a trail by the host's clock claims no more than chronyd or the kernel
// vouched for, and what they said is derived again.
func TestHostTampered(t *testing.T) {
	t.Parallel()
	var counter source.Counter
	for name, o := range map[string]func(*Options){
		"chronyd": func(*Options) {},
		"the kernel": func(o *Options) {
			o.host = func() (source.Reading, error) {
				return source.KernelWord{MaxError: 700, Precision: 1}.Reading(counter, counter.Now())
			}
		},
	} {
		c := Default()
		c.Chronyd, c.Audit = newChronyd(t), t.TempDir()
		k, err := New(c, optionsOf(o))
		if err != nil {
			t.Fatal(err)
		}
		counter = k.counter
		for range 3 {
			k.tick()
		}
		k.Close()
		checked, err := audit.Check(c.Audit, "")
		if err != nil || checked.Promised == 0 || checked.Foreign != checked.Promised || !strings.HasPrefix(k.from, name) {
			t.Errorf("%s: %+v, %v", name, checked, err)
		}
		any := isReading(func(*audit.Reading) bool { return true })
		tamper(t, c.Audit, []change{
			{name + " is less sure", any, func(r *audit.Record) {
				if w := r.Reading.Kernel; w != nil {
					w.MaxError += 2
				} else {
					r.Reading.Chronyd.RootDispersion += 2e-6
				}
			}},
			{name + " vouches for nothing", any, func(r *audit.Record) {
				if w := r.Reading.Kernel; w != nil {
					w.Status = unix.STA_UNSYNC
				} else {
					r.Reading.Chronyd.Leap = 3
				}
			}},
			{name + " was asked for long", any, func(r *audit.Record) { r.Reading.Done += 1e9 }},
			{name + " speaks of another time", any, func(r *audit.Record) { r.Reading.Pairs[0][1] += 1000 }},
			{name + " says nothing", any, func(r *audit.Record) { r.Reading.Kernel, r.Reading.Chronyd = nil, nil }},
			{name + " was read at another time", any, func(r *audit.Record) { r.Reading.Counter++ }},
			{"the word of somebody else", any, func(r *audit.Record) { r.Reading.From = "x" }},
			{"no readings of " + name, any, gone},
			{"a second more", any, func(r *audit.Record) { r.Reading.Shift -= 1e9 }},
		})
	}
}

// TestSlowSource: a reading that took longer than an anchor is published ahead still gives
// one that promises what follows from it.
func TestSlowSource(t *testing.T) {
	c := Default()
	c.Audit = t.TempDir()
	var counter source.Counter
	var at int64
	k, err := New(c, optionsOf(func(o *Options) {
		o.host = func() (source.Reading, error) {
			<-time.After(2 * Lead)
			at = counter.Now()
			return source.KernelWord{MaxError: 700, Precision: 1}.Reading(counter, at)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	counter = k.counter
	for n := range 3 {
		k.tick()
		if a := k.force; a.Start < at || a.Bound(a.Start) < 700_000 || n > 0 && !clock.Promises(a.State) { // the first one steps
			t.Errorf("read at %d, the anchor starts at %d, %s within %d", at, a.Start, StateName(a.State), a.Bound(a.Start))
		}
	}
	k.Close()
	if _, err := audit.Check(c.Audit, ""); err != nil {
		t.Error(err)
	}
}
