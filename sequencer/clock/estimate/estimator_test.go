package estimate

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
)

func estimator(t *testing.T) (*Estimator, *clock.Anchor) {
	t.Helper()
	first := clock.Undisciplined(1e18)
	cfg := TrackerConfig{Enter: 1e6, Exit: 5e6, Slew: 500e-6, Settle: 16e9, Period: 1e9, Lead: 5e7, Holdover: 600e9}
	e, err := NewEstimator(Default(3, 1), cfg, 1e9, 37, first)
	if err != nil {
		t.Fatal(err)
	}
	return e, first
}

// asked has all servers answer at the counter reading, with theta.
func asked(t *testing.T, e *Estimator, counter, theta int64) {
	t.Helper()
	for i := range 3 {
		sent := counter + int64(i)*1000
		x := Exchange{Server: i, Sent: sent, Received: sent + 20_000, T2: sent + 10_000 + theta, T3: sent + 10_000 + theta, Error: 1000}
		if _, err := e.Add(Sample{Exchange: x}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUndo: an anchor that was refused leaves no trace: the next one follows the one
// in force.
func TestUndo(t *testing.T) {
	e, force := estimator(t)
	for s := int64(1); s < 20; s++ {
		asked(t, e, s*1e9, 1e18)
		a := e.Tick(s*1e9+1e6, s < 8, nil)
		if s == 8 {
			a = e.Again(s*1e9 + 2e6) // somebody has read the time
		}
		if s%3 == 0 {
			e.Undo()
			continue
		}
		if s >= 8 && !a.Follows(force) {
			t.Fatalf("second %d: the anchor does not follow the one in force", s)
		}
		force = a
	}
	if force.State != wire.ClockSynchronised {
		t.Errorf("state %d in the end: %s", force.State, e.Cause)
	}
}

// TestQuorum: as many servers as declared must have a vote, and be fresh.
func TestQuorum(t *testing.T) {
	e, _ := estimator(t)
	for s := int64(1); s < 10; s++ {
		asked(t, e, s*1e9, 1e18)
		a := e.Tick(s*1e9+1e6, true, nil)
		_, known := e.Followed()
		if want := s >= int64(e.cfg.MinSamples); known != want {
			t.Errorf("second %d: a quorum %v, want %v", s, known, want)
		}
		if a.State == wire.ClockSynchronised && s <= int64(e.cfg.MinSamples) {
			t.Errorf("second %d: synchronised after %d samples", s, e.Samples(0))
		}
	}
	for s := int64(10); s < 20; s++ {
		a := e.Tick(s*1e9, true, nil)
		if stale := s > 9+Stale; (a.State == wire.ClockHoldover) != stale {
			t.Errorf("second %d, the last answers came in second 9: state %d", s, a.State)
		}
	}
}

// TestUndoDisruption: the disruption that a refused anchor told of is told by the next.
func TestUndoDisruption(t *testing.T) {
	e, _ := estimator(t)
	for s := int64(1); s < 10; s++ {
		asked(t, e, s*1e9, 1e18)
		e.Tick(s*1e9+1e6, true, nil)
	}
	e.Disrupt(10e9)
	e.Tick(10e9, true, nil)
	e.Undo()
	if !e.Disrupted() {
		t.Error("the disruption is forgotten")
	}
	if a := e.Tick(11e9, true, nil); a.State != wire.ClockDisrupted || e.Disrupted() {
		t.Errorf("state %d, %s", a.State, e.Cause)
	}
	e.Tick(12e9, true, nil)
	if e.Undo(); e.Disrupted() {
		t.Error("a disruption from nowhere")
	}
}

// TestMonth: the word for a leap counts on the last day of a month, and the first one.
func TestMonth(t *testing.T) {
	const day = int64(86400e9)
	newYear := int64(1_798_761_600e9) // 2027-01-01
	for _, c := range []struct {
		at    int64
		ahead bool
	}{{newYear - 2*day, false}, {newYear - day, false}, {newYear - day + 1, true}, {newYear - 1, true}, {newYear, false}, {newYear + 30*day + 1, true}} {
		l := NewLeaps(37)
		if l.Month(c.at, true); l.Ahead() != c.ahead {
			t.Errorf("%d s from the new year: ahead %v", (c.at-newYear)/1e9, l.Ahead())
		}
		if l.Month(c.at, false); c.ahead && l.delta != second {
			t.Errorf("another word changed the leap: %d", l.delta)
		}
	}
}
