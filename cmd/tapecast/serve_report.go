package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// Names of the JSON objects on stderr.
const (
	eventStarted = "started"
	eventStatus  = "status"
	eventWarning = "warning"
	eventClock   = "clock"
)

// serveReporter writes what the daemon reports to stderr, as lines or as objects.
type serveReporter struct {
	out  io.Writer
	json bool
	last daemon.Status
}

// Started says what was chosen.
func (r *serveReporter) Started(i daemon.Info) {
	r.last = daemon.Status{Now: wire.Nanos(time.Now().UnixNano()), Next: i.Cut + 1}
	if r.json {
		event(r.out, eventStarted, i)
		return
	}
	fmt.Fprintf(r.out, "tapecast: session %s, epoch %d, from sequence %d; lines %s, sent by %s (%s); repairs at %s; journal %s (%s); clock %s\n",
		i.Session, i.Epoch, i.Cut+1, strings.Join(i.Lines, " and "), i.Method, i.Reason, i.Retransmit, i.Journal, i.Durability, i.Clock)
	if i.Torn != "" {
		fmt.Fprintf(r.out, "tapecast: the journal had a torn tail: %s\n", i.Torn)
	}
}

// Status writes one line.
func (r *serveReporter) Status(s daemon.Status) {
	if r.json {
		event(r.out, eventStatus, s)
		return
	}
	rate := uint64(0)
	if d := s.Now - r.last.Now; d > 0 {
		rate = (s.Next - r.last.Next) * uint64(time.Second) / uint64(d)
	}
	r.last = s
	fmt.Fprintf(r.out, "%s  %s messages  %s/s  journal %s to %s  %d receivers  %s requests  %s messages repaired  clock %s\n",
		clockTime(s.Now.Time()), grouped(s.Next-1), grouped(rate), s.Journal, grouped(s.Durable), s.Receivers, grouped(s.Requests), grouped(s.Repaired), clockWords(s.Clock))
}

// Clock says what happened to the clock.
func (r *serveReporter) Clock(e keeper.Event) {
	if r.json {
		event(r.out, eventClock, e)
		return
	}
	fmt.Fprintf(r.out, "tapecast: clock: %s: %s\n", e.Kind, e.Text)
}

// clockWords is a clock on a status line.
func clockWords(s *keeper.Status) string {
	if s == nil {
		return "unknown"
	}
	words := s.State
	if s.Promised() {
		words += fmt.Sprintf(" ±%s", micros(s.Bound))
	}
	if s.Alarm != "" || s.Trouble != "" {
		words += " ALARM"
	}
	return words
}

// Warn says at once what an operator should mend.
func (r *serveReporter) Warn(problem string) {
	warn(r.out, r.json, problem)
}

// warn writes a problem that does not end the command.
func warn(w io.Writer, asJSON bool, problem string) {
	if asJSON {
		event(w, eventWarning, map[string]string{"problem": problem})
		return
	}
	fmt.Fprintln(w, "tapecast: warning:", problem)
}

// event writes one object on one line: the fields of v, behind its name. A
// diagnostic that cannot be written is lost.
func event(w io.Writer, name string, v any) {
	fields, err := json.Marshal(v)
	if err != nil || len(fields) < 2 {
		return
	}
	line := fmt.Appendf(nil, `{"event":%q`, name)
	if len(fields) > len("{}") {
		line = append(line, ',')
	}
	line = append(line, fields[1:]...)
	w.Write(append(line, '\n'))
}
