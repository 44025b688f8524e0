package keeper

import (
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// TestSimulatedTrail: the checker derives what the estimator published over hours with
// liars, outages, steps and pauses of the machine, from the records that the keeper
// makes, and what it derives is not far narrower.
func TestSimulatedTrail(t *testing.T) {
	seeds := []uint64{1, 0, 2}
	if testing.Short() {
		seeds = seeds[:1]
	}
	const hours = 4
	for _, seed := range seeds {
		s := clocktest.Campaign(seed)
		for i := range s.Outages { // within the hours
			s.Outages[i] = clocktest.Span{From: s.Outages[i].From % (hours * clocktest.Hour), To: s.Outages[i].From%(hours*clocktest.Hour) + clocktest.Hour/2}
		}
		dir := t.TempDir()
		result, promised := simulate(t, s, dir, hours*clocktest.Hour)
		if result.Violations > 0 {
			t.Errorf("seed %d: %d violations", seed, result.Violations)
		}
		checked, err := audit.Check(dir, "")
		if err != nil || checked.Promised != promised || promised == 0 {
			t.Errorf("seed %d: %d anchors promised, %d derived: %v", seed, promised, checked.Promised, err)
		}
		r, err := audit.NewReport(dir, audit.Terms{Limit: 50 * time.Millisecond, Window: time.Hour, Coverage: 0.1})
		if err != nil || len(r.Windows) < hours-1 || r.Total.Covered <= 0 || r.Total.Covered > 1 {
			t.Errorf("seed %d: %v, %+v", seed, err, r)
		}
		t.Logf("seed %d: %d exchanges, %d promised anchors derived again, %d disruptions", seed, checked.Samples, checked.Promised, disruptions(r))
	}
}

func disruptions(r *audit.Report) (n int) {
	for _, e := range r.Events {
		if e.Kind == audit.KindDisruption {
			n++
		}
	}
	return n
}

// simulate runs a world, and writes of it the trail that a keeper would.
func simulate(t *testing.T, s clocktest.Scenario, dir string, until int64) (*clocktest.Result, uint64) {
	t.Helper()
	w, err := clocktest.New(s)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := audit.Open(dir, audit.Header{Host: "simulated", Assumption: assume(s.Estimate, s.Poll, 0, s.Track.Enter, s.Track.Exit)}, now(w))
	if err != nil {
		t.Fatal(err)
	}
	w.OnAdd = func(x estimate.Exchange, err error, forgotten bool) {
		r := &audit.Sample{Server: x.Server, Sent: x.Sent, Received: x.Received, Error: x.Error}
		held(r, x, err, forgotten)
		trail.Put(audit.Record{Kind: audit.KindSample, UTC: int64(now(w)), Sample: r})
		if forgotten {
			trail.Put(audit.Record{Kind: audit.KindDisruption, UTC: int64(now(w))})
		}
	}
	w.OnMark = func() { trail.Put(audit.Record{Kind: audit.KindDisruption, UTC: int64(now(w))}) }
	var old *clock.Anchor
	promised := uint64(0)
	w.OnTick = func(w *clocktest.World, a *clock.Anchor, counter int64) {
		if old != nil && old.End != 0 && a.Start > old.Start {
			trail.Put(audit.Record{Kind: audit.KindSecond, UTC: old.UTC, Second: rowOf(old, a, a.Start, counter)})
		}
		trail.Put(audit.Record{Kind: audit.KindUpdate, UTC: a.UTC, Update: updateOf(w.Estimator(), a, counter, "")})
		if clock.Promises(a.State) {
			promised++
		}
		old = a
		if err := trail.Step(wire.Nanos(a.UTC)); err != nil {
			t.Fatal(err)
		}
	}
	result := w.Run(until)
	if err := trail.Close(now(w)); err != nil {
		t.Fatal(err)
	}
	return result, promised
}

func now(w *clocktest.World) wire.Nanos {
	l := w.Estimator().Line()
	return wire.Nanos(l.UTC)
}
