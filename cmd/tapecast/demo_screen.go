package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/cmd/daemon"
)

// screen shows a demo, line after line: no terminal is needed.
type screen struct {
	out    io.Writer
	colour bool
	shown  time.Time // when the receivers' lines were shown last
}

// newScreen shows on stdout, or aside on stderr.
func newScreen(a *app, aside bool) *screen {
	if aside {
		return &screen{out: a.err}
	}
	return &screen{out: a.out, colour: a.colours()}
}

// colours reports whether stdout is a terminal whose user has nothing against
// colours.
func (a *app) colours() bool {
	if v, ok := a.env("NO_COLOR"); ok && v != "" {
		return false
	}
	f, ok := a.out.(*os.File)
	return ok && isTerminal(f)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Colours of a terminal.
const (
	green  = "32"
	red    = "31"
	yellow = "33"
)

func (s *screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// status shows what receiver i repaired since before, of the first receiver the
// newest message, and once a second how both are doing.
func (s *screen) status(i int, all *[2]listenStatus, before listenStatus) {
	if n := all[i].Repaired - before.Repaired; n > 0 && before.Now != 0 {
		s.say("%s", s.paint(yellow, fmt.Sprintf("    receiver %d missed %s on both lines: repaired", i+1, plural(n, "message"))))
	}
	if i != 0 {
		return
	}
	if latest := all[0].Latest; latest != "" {
		s.say("  %s", latest)
	}
	now := time.Unix(0, all[0].Now)
	if before.Now == 0 {
		s.shown = now
	}
	if now.Sub(s.shown) < time.Second {
		return
	}
	s.shown = now
	for i := range all {
		s.say("%s", receiverLine(i, &all[i]))
	}
}

func receiverLine(i int, r *listenStatus) string {
	line := fmt.Sprintf("receiver %d  %-9s  %s messages  %s gaps, %s messages repaired", i+1, r.State, grouped(r.Messages), grouped(r.Gaps), grouped(r.Repaired))
	if q := r.Latency; q != nil {
		line += fmt.Sprintf("  latency p50 %s  p99 %s  max %s", latency(q, p50), latency(q, p99), latency(q, most))
	}
	return line
}

// demoSummary is what serve sent and what the receivers delivered of it.
type demoSummary struct {
	Command   string          `json:"command"`
	Session   string          `json:"session"`
	Epoch     uint32          `json:"epoch"`
	First     uint64          `json:"first"`
	Last      uint64          `json:"last"`
	Messages  uint64          `json:"messages"`
	Chain     string          `json:"chain"`
	Equal     bool            `json:"equal"` // every receiver's chain is serve's
	Receivers []listenSummary `json:"receivers"`
}

// gather reads the summaries that the processes ended with.
func (d *demo) gather() (*demoSummary, error) {
	var sent daemon.Summary
	if err := json.Unmarshal(d.server.summary, &sent); err != nil {
		return nil, fmt.Errorf("serve ended without a summary: %w", err)
	}
	s := &demoSummary{
		Command: "demo", Session: sent.Session, Epoch: sent.Epoch, First: sent.First, Last: sent.Last,
		Messages: sent.Messages, Chain: sent.Chain, Equal: true,
	}
	for _, r := range d.receivers {
		var got listenSummary
		if err := json.Unmarshal(r.summary, &got); err != nil {
			return nil, fmt.Errorf("%s ended without a summary: %w", r.name, err)
		}
		s.Equal = s.Equal && got.Chain == sent.Chain && got.Last == sent.Last && got.LostCount == 0
		s.Receivers = append(s.Receivers, got)
	}
	return s, nil
}

func (s *demoSummary) rows(t *table) {
	t.row("", "messages", "repaired", "requests", "lost", "p50", "p99", "max", "chain")
	t.row("serve", grouped(s.Messages), "", "", "", "", "", "", s.Chain)
	for i := range s.Receivers {
		s.Receivers[i].row(t, fmt.Sprintf("receiver %d", i+1))
	}
}

// compare shows what each process delivered, and is an error unless it was the
// same.
func (d *demo) compare() error {
	s, err := d.gather()
	if err != nil {
		return err
	}
	var t table
	s.rows(&t)
	d.screen.say("")
	if err := t.writeTo(d.screen.out); err != nil {
		return err
	}
	verdict := d.screen.paint(green, "All three chains are equal: both receivers delivered exactly what was sent, in order.")
	if !s.Equal {
		verdict = d.screen.paint(red, "The chains differ: a receiver did not deliver what was sent.")
		err = errors.Join(fmt.Errorf("the chains differ"), errData)
	}
	d.screen.say("%s", verdict)
	if d.cfg.json {
		err = errors.Join(d.app.finish(s, true), err)
	}
	return err
}

// row is one receiver in the table of the demo.
func (s *listenSummary) row(t *table, name string) {
	p50, p99, most := "", "", ""
	if q := s.Latency; q != nil {
		p50, p99, most = micros(q.P50), micros(q.P99), micros(q.Max)
	}
	t.row(name, grouped(s.Messages), grouped(s.Repaired), grouped(s.Requests), grouped(s.LostCount), p50, p99, most, s.Chain)
}
