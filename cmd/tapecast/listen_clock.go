package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// clockSaid is what packets say of the clock that stamped them.
type clockSaid struct {
	State string `json:"state"`
	Bound int64  `json:"bound"` // ns, -1: none is promised
	TAI   *int8  `json:"tai"`   // TAI - UTC in s; null: unknown
	ID    string `json:"id"`
}

// said is what the newest packet said, nil before the first.
func said(c *tally.Clocks) *clockSaid {
	v, ok := c.Latest()
	if !ok {
		return nil
	}
	s := &clockSaid{State: keeper.StateName(v.State), Bound: -1, ID: fmt.Sprintf("%08x", v.ID)}
	if clock.Promises(v.State) && v.Bound != wire.BoundUnknown {
		s.Bound = int64(v.Bound)
	}
	if v.TAI != wire.TAIUnknown {
		s.TAI = &v.TAI
	}
	return s
}

func (s *clockSaid) words() string {
	switch {
	case s == nil:
		return "unknown"
	case s.Bound < 0:
		return s.State
	}
	return s.State + " ±" + micros(s.Bound)
}

// clockSummary is what all packets said.
type clockSummary struct {
	Last     *clockSaid        `json:"last"`         // packet
	Widest   uint32            `json:"widest_bound"` // that was promised, ns
	Messages map[string]uint64 `json:"messages"`     // by state
}

func summed(c *tally.Clocks) clockSummary {
	s := clockSummary{Last: said(c), Widest: c.Widest, Messages: map[string]uint64{}}
	for state, n := range c.Messages {
		if n > 0 {
			s.Messages[keeper.StateName(wire.ClockState(state))] = n
		}
	}
	return s
}

func (s *clockSummary) rows(t *table) {
	if len(s.Messages) == 0 {
		return
	}
	var parts []string
	for state := range wire.ClockState(4) {
		if n := s.Messages[keeper.StateName(state)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", grouped(n), keeper.StateName(state)))
		}
	}
	line := strings.Join(parts, ", ")
	if s.Widest > 0 {
		line += ", widest bound " + micros(int64(s.Widest))
	}
	t.row("clock", line)
}

// Quantiles that are shown.
func p50(q *tally.Quantiles) int64  { return q.P50 }
func p99(q *tally.Quantiles) int64  { return q.P99 }
func most(q *tally.Quantiles) int64 { return q.Max }

// latency is a quantile with the interval that holds it.
func latency(q *tally.Quantiles, of func(*tally.Quantiles) int64) string {
	if q.Low == nil {
		return micros(of(q))
	}
	return fmt.Sprintf("%s [%s, %s]", micros(of(q)), bare(of(q.Low)), bare(of(q.High)))
}

// bare is micros without the unit.
func bare(ns int64) string { return strings.TrimSuffix(micros(ns), " µs") }

// intervalWords says where the true latencies lie.
func intervalWords(q *tally.Quantiles) string {
	if q.Low == nil {
		return "unknown: a clock promises nothing, so these are differences of stamps"
	}
	s := fmt.Sprintf("p50 %s to %s, p99 %s to %s", micros(q.Low.P50), micros(q.High.P50), micros(q.Low.P99), micros(q.High.P99))
	if q.Unknown > 0 {
		s += fmt.Sprintf("; unknown for %s", plural(uint64(q.Unknown), "message"))
	}
	if q.Impossible > 0 {
		s += fmt.Sprintf("; IMPOSSIBLE for %s, by up to %s: a clock lies", plural(uint64(q.Impossible), "message"), micros(q.Worst))
	}
	return s
}

// alarmEvery is how often an alarm is repeated at the most.
const alarmEvery = 10 * time.Second

// alarmed is the last alarm about a clock.
type alarmed struct {
	at         time.Time
	impossible int64
}

// alarm says that a clock lies, when more messages arrived before they were sent than
// at the last alarm.
func (l *listener) alarm(now time.Time, q *tally.Quantiles) {
	if q == nil || q.Impossible <= l.alarmed.impossible || now.Sub(l.alarmed.at) < alarmEvery {
		return
	}
	l.alarmed = alarmed{now, q.Impossible}
	warn(l.app.err, l.cfg.json, fmt.Sprintf("a clock lies: %s arrived before they were sent, by up to %s, with the errors of both clocks added; the sequencer's is %08x",
		plural(uint64(q.Impossible), "message"), micros(q.Worst), l.tally.Clocks.ID()))
}
