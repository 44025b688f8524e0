package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
	"github.com/tapecast/tapecast/feed/text"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// listenStatus is a receiver at one instant.
type listenStatus struct {
	Now       int64            `json:"now"` // ns UTC
	State     string           `json:"state"`
	Last      uint64           `json:"last"`
	Messages  uint64           `json:"messages"`
	PerSecond uint64           `json:"messages_per_second"`
	Repaired  uint64           `json:"repaired"`
	Gaps      uint64           `json:"gaps"`
	Requests  uint64           `json:"requests"`
	Lost      uint64           `json:"lost_messages"`
	Kernel    uint64           `json:"kernel_drops"`
	Clock     *clockSaid       `json:"clock"`
	Running   int              `json:"goroutines"`
	Allocated uint64           `json:"allocated_bytes"` // since the start, in use and garbage
	Latency   *tally.Quantiles `json:"latency_ns"`      // since the start
	Latest    string           `json:"latest"`          // the newest message, as --print shows it
}

// counted is when how many messages had come.
type counted struct {
	at       time.Time
	messages uint64
}

// status writes one line, or one object.
func (l *listener) status(now time.Time) {
	s := l.fetch()
	st := l.sub.Stats()
	s.Now, s.State, s.Last, s.Messages = now.UnixNano(), l.tally.State().String(), l.tally.Last(), l.tally.Messages()
	s.Repaired, s.Gaps, s.Requests, s.Lost, s.Kernel = st.Repaired, st.Gaps, st.Requests, st.Lost, st.KernelDrops
	s.Running, s.Allocated = runtime.NumGoroutine(), daemon.Allocated()
	if d := now.Sub(l.before.at); d > 0 {
		s.PerSecond = uint64(float64(s.Messages-l.before.messages) / d.Seconds())
	}
	l.before = counted{now, s.Messages}
	s.Clock = said(&l.tally.Clocks)
	l.alarm(now, s.Latency)
	if l.cfg.json {
		event(l.app.err, eventStatus, s)
	} else {
		fmt.Fprintln(l.app.err, s.line(now))
	}
}

// fetch takes the report that the receive loop has filled, if it has, and lends
// it out again.
func (l *listener) fetch() (s listenStatus) {
	select {
	case r := <-l.tally.Reports():
		l.latency.Merge(r.Latency)
		if l.cfg.json {
			s.Latest = l.latest.show(r)
		}
		l.tally.Ask(r)
	default: // no packet since
	}
	s.Latency = l.latency.Quantiles()
	return s
}

func (s *listenStatus) line(now time.Time) string {
	line := fmt.Sprintf("%s  %-9s  %s messages  %s/s  %s repaired  %s requests  %s lost",
		clockTime(now), s.State, grouped(s.Messages), grouped(s.PerSecond), grouped(s.Repaired), grouped(s.Requests), grouped(s.Lost))
	line += "  clock " + s.Clock.words()
	if q := s.Latency; q != nil {
		line += fmt.Sprintf("  p50 %s  p99 %s  max %s", latency(q, p50), latency(q, p99), latency(q, most))
	}
	if s.Kernel > 0 {
		line += fmt.Sprintf("  %s dropped by the kernel", grouped(s.Kernel))
	}
	return line
}

// latest shows single messages, with the symbols of definitions that it has seen.
type latest struct {
	mu   sync.Mutex // taken by the receive loop for packets with definitions only
	text *text.Printer
}

func newLatest() *latest { return &latest{text: text.NewPrinter()} }

// learn takes the definitions of d in.
func (l *latest) learn(d recovery.Delivery) {
	if d.Flags()&wire.FlagDefinitions == 0 && d.Type() != wire.TypeSnapshot {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := d.Cursor()
	for c.Next() {
		l.text.Learn(c.Message())
	}
}

func (l *latest) show(r *tally.Report) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.text.AppendText(nil, r.Number, r.Stamp, r.Message)
	return string(line[:len(line)-1])
}

// eventOf is e as an object on stderr.
func eventOf(e recovery.Event) any {
	return struct {
		First uint64 `json:"first,omitempty"`
		Last  uint64 `json:"last,omitempty"`
		Cause string `json:"cause,omitempty"`
		Epoch uint32 `json:"epoch,omitempty"`
		State string `json:"state,omitempty"`
	}{e.First, e.Last, e.Cause.String(), e.Epoch, stateOf(e)}
}

func stateOf(e recovery.Event) string {
	if e.Kind != recovery.EventState {
		return ""
	}
	return e.State.String()
}

// eventLine is e for people; empty for what the status line shows anyway.
func eventLine(e recovery.Event) string {
	messages := plural(e.Last-e.First+1, "message")
	switch e.Kind {
	case recovery.EventLost:
		return fmt.Sprintf("LOST %d to %d (%s): %s", e.First, e.Last, messages, e.Cause)
	case recovery.EventOrphaned:
		return fmt.Sprintf("ORPHANED %d to %d (%s): not in the journal that the session goes on from", e.First, e.Last, messages)
	case recovery.EventEpoch:
		return fmt.Sprintf("epoch %d goes on behind %d", e.Epoch, e.Last)
	case recovery.EventAlert:
		return fmt.Sprintf("warning: %s at %d to %d", e.Cause, e.First, e.Last)
	case recovery.EventEnd:
		return fmt.Sprintf("the session ended at %d", e.Last)
	}
	return ""
}
