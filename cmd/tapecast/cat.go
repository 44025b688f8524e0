package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// catSettings is what cat can be told.
type catSettings struct {
	session         string
	from, to, count uint64
	json            bool
}

func (a *app) cat() command {
	var s catSettings
	return command{
		use:   "cat JOURNAL",
		short: "print the messages of a journal, one a line",
		long: "Cat prints the messages of a session, in order. JOURNAL is the directory that\nserve or listen was given. It ends with a summary of what it printed: on stderr, or\n" +
			"with --json as the last line of stdout, which has a command and no seq.",
		example: "  tapecast cat /var/lib/tapecast --from 1000 --count 10\n  tapecast cat /var/lib/tapecast --json | jq 'select(.kind == \"trade\")'",
		args:    oneJournal,
		settings: []settings.Setting{
			{Name: "session", Value: settings.Text(&s.session, "NAME"), Usage: "session to print; the newest one"},
			{Name: "from", Value: settings.Count(&s.from, "SEQ"), Usage: "first sequence to print"},
			{Name: "to", Value: settings.Count(&s.to, "SEQ"), Usage: "last sequence to print; 0 is no limit"},
			{Name: "count", Value: settings.Count(&s.count, "N"), Usage: "how many messages to print at most; 0 is no limit"},
			{Name: "json", Value: settings.Bool(&s.json), Usage: "print one JSON object a line"},
		},
		run: func(ctx context.Context, args []string) error { return a.runCat(ctx, args[0], s) },
	}
}

// oneJournal takes one argument, a directory.
func oneJournal(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one journal directory, not %d arguments", len(args))
	}
	return nil
}

// parseSession reads the name of a session; none is 0.
func parseSession(name string) (wire.Session, error) {
	if name == "" {
		return 0, nil
	}
	s, err := wire.ParseSession(name)
	if err != nil {
		return 0, &settings.Error{Place: fmt.Sprintf("--session=%q", name), Problem: "want 1 to 8 of A-Z a-z 0-9 - _ ."}
	}
	return s, nil
}

func (a *app) runCat(ctx context.Context, dir string, s catSettings) error {
	session, err := parseSession(s.session)
	if err != nil {
		return err
	}
	r, err := journal.OpenReader(dir, session)
	if err != nil {
		return noJournal(dir, err)
	}
	defer r.Close()
	t := newTape(a.out, s.json)
	sum := catSummary{Command: "cat"}
	err = printPackets(ctx, r, t, s.from, s.end(), &sum)
	if err = errors.Join(err, t.flush()); err != nil {
		return err
	}
	return a.finishCat(&sum, s.json)
}

// catSummary is what cat printed. Without a message its numbers are 0.
type catSummary struct {
	Command  string `json:"command"`
	Session  string `json:"session"`
	Epoch    uint32 `json:"epoch"` // of the last message
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Messages uint64 `json:"messages"`
	Chain    string `json:"chain"` // after Last; empty where more of its packet follows
}

// add takes the messages first to before next, which p holds the last of.
func (s *catSummary) add(p wire.Packet, first, next uint64) {
	if first >= next {
		return
	}
	if s.Messages == 0 {
		s.First = first
	}
	s.Session, s.Epoch, s.Last, s.Chain = p.Session().String(), p.Epoch(), next-1, ""
	s.Messages += next - first
	if next == p.Next() {
		s.Chain = chainText(wire.ChainAfter(p))
	}
}

func (s *catSummary) rows(t *table) {
	t.row("messages", fmt.Sprintf("%s, %s to %s of session %s", grouped(s.Messages), grouped(s.First), grouped(s.Last), s.Session))
	t.row("chain", s.Chain)
}

// finishCat writes the summary where it does not stand among the messages.
func (a *app) finishCat(s *catSummary, asJSON bool) error {
	if asJSON {
		return a.finish(s, true)
	}
	var t table
	s.rows(&t)
	return t.writeTo(a.err)
}

// end is the sequence behind the last one to print.
func (s catSettings) end() uint64 {
	end := uint64(math.MaxUint64)
	if s.to != 0 {
		end = s.to + 1
	}
	if n := max(s.from, 1) + s.count; s.count != 0 && n < end {
		end = n
	}
	return end
}

// packets is a journal being read.
type packets interface{ Next() (wire.Packet, error) }

// printPackets prints the messages from first to before end. It reads all before
// them, for their instrument definitions. What it printed is added to sum.
func printPackets(ctx context.Context, r packets, t *tape, first, end uint64, sum *catSummary) error {
	for t.err == nil && ctx.Err() == nil {
		p, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if p.First() >= end {
			return nil
		}
		printPacket(p, t, first, end)
		sum.add(p, max(first, p.First()), min(end, p.Next()))
	}
	return nil
}

func printPacket(p wire.Packet, t *tape, first, end uint64) {
	c := p.Cursor()
	for c.Next() {
		switch seq := c.Sequence(); {
		case seq < first:
			t.text.Learn(c.Message())
		case seq < end:
			t.message(seq, c.Stamp(), c.Message())
		}
	}
}
