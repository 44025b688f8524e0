package keeper

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		i, err := k.ptpInterval(counter, source.Reading{Counter: counter, Low: told - counter - 100, High: told - counter + 100})
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

// crystal is a hardware clock on UTC, within 2 us of the host's, whose servo may die: then
// it runs away by 80 ppm.
type crystal struct {
	counter source.Counter
	since   atomic.Int64 // counter when the servo died, 0 when it has not
}

func (c *crystal) Close() error { return nil }

func (c *crystal) Read() (source.Reading, error) {
	at := c.counter.Now()
	utc := time.Now().UnixNano()
	after := c.counter.Now()
	off := int64(0)
	if s := c.since.Load(); s != 0 {
		off = (at - s) * 80 / 1_000_000
	}
	return source.Reading{Counter: at, Low: utc - after + off - 2000, High: utc - at + off + 2000, From: "the PTP clock"}, nil
}

// TestServoDies: a hardware clock that nothing keeps on time any more is not followed
// from when the servers exclude it, and no promise by it is left; and it is again when
// it is right.
func TestServoDies(t *testing.T) {
	t.Parallel()
	_, c := servers(t, 3, 1)
	c.Chronyd, c.Audit = NoChronyd, t.TempDir()
	r := run(t, c, func(k *Keeper) (err error) {
		k.cfg.Sources, k.cfg.PTP.UTC, k.phc = []string{SourcePTP}, true, &crystal{counter: k.counter}
		k.phcSet, err = estimate.NewServers(estimate.Default(1, 0))
		return err
	})
	clock := r.phc.(*crystal)
	r.await("by the PTP clock", func(s *Status) bool { return s.Source == "the PTP clock" && s.Promised() })
	r.await("that all agree", func(s *Status) bool {
		return !slices.ContainsFunc(s.Servers, func(v ServerStatus) bool { return v.Verdict != "agrees" })
	})
	clock.since.Store(clock.counter.Now())
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
	if _, err := audit.Check(c.Audit, ""); err != nil {
		t.Error(err)
	}
}
