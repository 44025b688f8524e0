package keeper

import (
	"errors"

	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// record writes the row of the anchor that ends, and the one that begins.
func (k *Keeper) record(old, a *clock.Anchor, counter int64, from string) {
	_, known := k.est.Followed()
	switch {
	case known && from != "":
		k.from = from
	case known:
		k.from = SourceNTP
	}
	if old.Segment != a.Segment {
		k.row(old, a, a.Start, counter)
	}
	k.put(audit.Record{Kind: audit.KindUpdate, Update: updateOf(k.est, a, counter, from)})
}

// updateOf is an anchor with the interval that it rests on.
func updateOf(est *estimate.Estimator, a *clock.Anchor, counter int64, from string) *audit.Update {
	i, known := est.Followed()
	region, _ := est.Last()
	line := est.Line()
	u := &audit.Update{
		Counter: i.Counter, Known: known, From: from, Low: i.Low, High: i.High, PhiLow: i.PhiLow, PhiHigh: i.PhiHigh, Fixed: i.Fixed,
		Agree: region.Agree, Start: line.Start, End: line.End, Time: line.UTC, Shift: line.UTC - a.UTC, Rate: line.Rate,
		Ahead: finite(a.Ahead), Behind: finite(a.Behind), AheadGrowth: a.AheadGrowth, BehindGrowth: a.BehindGrowth,
		Wander: a.Wander, WanderCap: a.WanderCap, State: uint8(a.State), TAI: a.TAI, ID: a.ID,
	}
	if !known {
		u.Counter, u.Low, u.High, u.PhiLow, u.PhiHigh, u.From = counter, 0, 0, 0, 0, ""
	}
	return u
}

// finite keeps what JSON can say.
func finite(v float64) float64 { return min(v, 1e18) }

// row writes what the clock said from the start of an anchor until a counter reading.
// next, if there is one, was read from the counter reading published on.
func (k *Keeper) row(old, next *clock.Anchor, until, published int64) {
	if old.End == 0 || until <= old.Start {
		return
	}
	s := rowOf(old, next, until, published)
	if k.opt.Stamps != nil {
		n := k.opt.Stamps()
		s.Stamps, k.stamps = n-k.stamps, n
	}
	k.put(audit.Record{Kind: audit.KindSecond, UTC: old.UTC, Second: s})
}

// mostBound is the widest bound that a row states, ns.
const mostBound = 1 << 60

func rowOf(old, next *clock.Anchor, until, published int64) *audit.Second {
	_, c := old.Read(until)
	s := &audit.Second{
		Bound: max(old.Bound(old.Start), old.Bound(until)), State: uint8(c.State), From: old.Start, To: until,
		Offset: int64((old.Behind - old.Ahead) / 2),
	}
	switch {
	case next == nil || !clock.Promises(c.State):
	case !clock.Promises(next.State):
		s.State = uint8(next.State) // its last stamps said so
	default:
		s.Bound = max(s.Bound, next.Bound(published))
	}
	if s.Bound > mostBound {
		s.Bound = -1
	}
	return s
}

// held says in a record what became of an exchange that was given to the estimator as
// x; forgotten is that it showed a disruption, with which all before it is void.
func held(s *audit.Sample, x estimate.Exchange, err error, forgotten bool) {
	s.T2, s.T3 = x.T2, x.T3
	s.Restart = errors.Is(err, estimate.ErrIncoherent) && !forgotten
	s.Used = (err == nil || s.Restart) && !forgotten
}

func assume(c estimate.Config, poll, reference, enter, exit int64) audit.Assume {
	return audit.Assume{
		Servers: c.Servers, Faulty: c.Faulty, Drift: c.Drift, Wander: c.Wander, WanderCap: c.WanderCap,
		Samples: c.Samples, MinSamples: c.MinSamples, MaxAge: c.MaxAge,
		Poll: poll, Stale: estimate.Stale, Reference: reference, Enter: enter, Exit: exit,
	}
}

// readingOf is what a source said, as the trail has it.
func readingOf(r source.Reading) *audit.Reading {
	out := &audit.Reading{
		From: r.From, Counter: r.Counter, Done: r.Raw.Done,
		Kernel: (*audit.Kernel)(r.Raw.Kernel), Chronyd: (*audit.Chronyd)(r.Raw.Chronyd), PTP: (*audit.PTP)(r.Raw.PTP),
	}
	for _, p := range r.Raw.Pairs {
		out.Pairs = append(out.Pairs, p)
	}
	return out
}

// putReading records a reading, and why it is not used.
func (k *Keeper) putReading(r *audit.Reading, err error) {
	if err != nil && !r.Used {
		r.Reason = reason(err)
	}
	k.put(audit.Record{Kind: audit.KindReading, Reading: r})
}
