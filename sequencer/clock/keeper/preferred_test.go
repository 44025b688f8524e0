package keeper

import (
	"errors"
	"strings"
	"testing"
	"time"

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
		tick, timeout := time.NewTicker(10*time.Millisecond), time.After(limit)
		defer tick.Stop()
		for !strings.HasPrefix(r.Status().Source, source) || !r.Status().Promised() {
			select {
			case <-tick.C:
			case <-timeout:
				t.Fatalf("never by %s: %+v", source, r.Status())
			}
		}
	}
	by("chronyd")
	by(SourceNTP)
	for _, s := range all {
		s.silent.Store(true)
	}
	by("chronyd")
	if s := r.Status(); s.Missing != "ntp: no fresh quorum of servers" {
		t.Errorf("missing: %q", s.Missing)
	}
}
