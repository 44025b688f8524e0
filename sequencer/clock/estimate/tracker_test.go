package estimate

import (
	"errors"
	"math"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
)

func tracker(t *testing.T, change func(*TrackerConfig)) *Tracker {
	t.Helper()
	cfg := TrackerConfig{
		Enter: 1e6, Exit: 5e6, Slew: 500e-6, Settle: 16e9, Period: 1e9, Lead: 5e7, Holdover: 600e9,
		Wander: 5e-9, WanderCap: 1e-6,
	}
	if change != nil {
		change(&cfg)
	}
	tr, err := NewTracker(cfg, clock.Undisciplined(0), NewLeaps(37))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// at is an interval of 100 us around theta.
func at(counter, theta int64) Interval {
	return Interval{Counter: counter, Low: theta - 50_000, High: theta + 50_000, PhiLow: -1e-8, PhiHigh: 1e-8}
}

// run steps once a second from second from to second to, with theta known or not.
func run(tr *Tracker, from, to int64, in Input, theta int64) (a *clock.Anchor) {
	for s := from; s < to; s++ {
		in.Interval = at(s*1e9, theta)
		a = tr.Step(s*1e9, in)
	}
	return a
}

// TestTrackerStates is the diagram of package clock, walked.
func TestTrackerStates(t *testing.T) {
	tr := tracker(t, nil)
	want := func(a *clock.Anchor, s wire.ClockState, why string) {
		t.Helper()
		if a.State != s {
			t.Fatalf("%s: state %d, want %d (%s)", why, a.State, s, tr.Cause)
		}
	}
	want(run(tr, 0, 2, Input{}, 0), wire.ClockUnsynchronised, "without servers")
	a := run(tr, 2, 3, Input{Known: true, Unread: true}, 7e9)
	want(a, wire.ClockUnsynchronised, "the step itself")
	if a.UTC != a.Start+7e9 {
		t.Errorf("stepped to %d at counter %d", a.UTC, a.Start)
	}
	want(run(tr, 3, 10, Input{Known: true}, 7e9), wire.ClockSynchronised, "a quorum")
	a = run(tr, 10, 100, Input{}, 0)
	want(a, wire.ClockHoldover, "no quorum")
	if a.Bound(a.Start) <= 50_000 {
		t.Errorf("after 90 s of holdover the bound is %d", a.Bound(a.Start))
	}
	want(run(tr, 100, 101, Input{Known: true}, 7e9), wire.ClockSynchronised, "the quorum is back and meets")
	run(tr, 101, 110, Input{}, 0)
	generation := tr.Generation()
	want(run(tr, 110, 111, Input{Known: true}, 7.5e9), wire.ClockDisrupted, "the quorum is back elsewhere")
	if tr.Generation() == generation {
		t.Error("the clock's id stays the same over a disruption")
	}
	want(run(tr, 111, 112, Input{Known: true}, 7.5e9), wire.ClockDisrupted, "half a second away: the bound is over enter")
	want(run(tr, 112, 1200, Input{Known: true}, 7.5e9), wire.ClockSynchronised, "slewed there")
	want(run(tr, 1200, 1201, Input{Disrupted: true, Known: true}, 7.5e9), wire.ClockDisrupted, "the host tells of a pause")
	want(run(tr, 1201, 1202, Input{Known: true}, 7.5e9), wire.ClockSynchronised, "and a quorum is there")
	want(run(tr, 1202, 1900, Input{}, 0), wire.ClockUnsynchronised, "holdover over its limit")
}

// TestTrackerForgets: the counter jumped while nobody promised anything. What was known
// of its rate would make the next promise a lie.
func TestTrackerForgets(t *testing.T) {
	tr := tracker(t, nil)
	run(tr, 0, 7300, Input{Known: true, Unread: true}, 7e9)
	if a := run(tr, 7300, 8300, Input{}, 0); a.State != wire.ClockUnsynchronised {
		t.Fatalf("state %d", a.State)
	}
	if a := run(tr, 8300, 8301, Input{Known: true}, 8e9); a.State != wire.ClockDisrupted {
		t.Errorf("a second was lost meanwhile: state %d", a.State)
	}
	if low, high := tr.mean(); low > 0 || high < 0 {
		t.Errorf("the counter's rate is right, and said to be in [%g, %g]", low, high)
	}
}

// TestTrackerExit: a bound over exit is no promise.
func TestTrackerExit(t *testing.T) {
	tr := tracker(t, func(c *TrackerConfig) { c.Holdover = 1e15 })
	run(tr, 0, 10, Input{Known: true, Unread: true}, 0)
	for s := int64(10); ; s++ {
		a := run(tr, s, s+1, Input{}, 0)
		if over := a.Bound(a.Start) > 5e6; over != (a.State == wire.ClockUnsynchronised) {
			t.Fatalf("second %d: bound %d, state %d", s, a.Bound(a.Start), a.State)
		} else if over {
			return
		}
	}
}

// TestTrackerForward: after a disruption time steps forward only by the operator's
// word, and never back.
func TestTrackerForward(t *testing.T) {
	for _, c := range []struct {
		forward bool
		theta   int64
		steps   bool
	}{{false, 9e9, false}, {true, 9e9, true}, {true, 3e9, false}} {
		tr := tracker(t, func(cfg *TrackerConfig) { cfg.Forward = c.forward })
		run(tr, 0, 1, Input{Known: true, Unread: true}, 7e9)
		old := run(tr, 1, 10, Input{Known: true}, 7e9)
		tr.Step(10e9, Input{Disrupted: true})
		a := tr.Step(11e9, Input{Known: true, Interval: at(11e9, c.theta)})
		b := tr.Step(12e9, Input{Known: true, Interval: at(12e9, c.theta)})
		stepped := a.UTC-a.Before.At(a.Start) > 1e6 || b.UTC-b.Before.At(b.Start) > 1e6
		if stepped != c.steps {
			t.Errorf("forward %v, true time moved to %d: stepped %v", c.forward, c.theta, stepped)
		}
		if a.UTC < old.UTC || b.UTC < a.UTC || math.Abs(b.Rate) > 501e-6 {
			t.Errorf("forward %v: UTC %d, %d, %d, rate %g", c.forward, old.UTC, a.UTC, b.UTC, b.Rate)
		}
	}
}

// TestTrackerLetsSlewEnd: without an interval time runs on at the estimated rate, not
// at the slew of the moment.
func TestTrackerLetsSlewEnd(t *testing.T) {
	tr := tracker(t, nil)
	run(tr, 0, 1, Input{Known: true, Unread: true}, 0)
	if a := run(tr, 1, 3, Input{Known: true}, 1e9); a.Rate < 499e-6 {
		t.Fatalf("a second behind, the rate is %g", a.Rate)
	}
	if a := tr.Step(3e9, Input{Disrupted: true}); math.Abs(a.Rate) > 1e-6 {
		t.Errorf("nothing is known, and the rate is %g", a.Rate)
	}
}

// TestVoid: a question that was under way when the counter jumped is not used.
func TestVoid(t *testing.T) {
	s, err := NewServers(Default(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	x := Exchange{Sent: 5e9, Received: 5e9 + 1e6, T2: 9e9, T3: 9e9, Error: 1e4}
	s.Reset(5e9 + 1)
	if _, err := s.Add(x); !errors.Is(err, ErrVoid) {
		t.Errorf("sent before the disruption: %v", err)
	}
	x.Sent++
	if ok, err := s.Add(x); err != nil || !ok {
		t.Errorf("sent after it: %v, %v", ok, err)
	}
}

// TestOverlap: an answer that overtook another would disorder the envelopes.
func TestOverlap(t *testing.T) {
	s, err := NewServers(Default(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, first := s.Add(Exchange{Sent: 1e9, Received: 3e9, T2: 1e9, T3: 1e9})
	_, second := s.Add(Exchange{Sent: 2e9, Received: 2.5e9, T2: 2e9, T3: 2e9})
	if first != nil || !errors.Is(second, ErrOrder) {
		t.Errorf("%v, %v", first, second)
	}
}

func TestTrackerConfigRefuses(t *testing.T) {
	for i, spoil := range []func(*TrackerConfig){
		func(c *TrackerConfig) { c.Enter = 0 }, func(c *TrackerConfig) { c.Exit = 1 },
		func(c *TrackerConfig) { c.Slew = 501e-6 }, func(c *TrackerConfig) { c.Slew = 0 },
		func(c *TrackerConfig) { c.Settle = 1 }, func(c *TrackerConfig) { c.Period = 0 },
		func(c *TrackerConfig) { c.Lead = c.Period }, func(c *TrackerConfig) { c.Holdover = 0 },
	} {
		cfg := tracker(t, nil).cfg
		spoil(&cfg)
		if _, err := NewTracker(cfg, clock.Undisciplined(0), NewLeaps(37)); !errors.Is(err, ErrConfig) {
			t.Errorf("case %d: %v", i, err)
		}
	}
}
