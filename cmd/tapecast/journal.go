package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// journalSummary is what a journal holds of one session.
type journalSummary struct {
	Command  string       `json:"command"`
	Session  string       `json:"session"`
	Channel  uint16       `json:"channel"`
	Epoch    uint32       `json:"epoch"`
	First    uint64       `json:"first"`
	Last     uint64       `json:"last"`
	Messages uint64       `json:"messages"`
	Chain    string       `json:"chain"` // after Last
	Ended    bool         `json:"ended"`
	Closed   bool         `json:"closed"` // by a writer that had time to; a crash leaves false
	Packets  uint64       `json:"packets"`
	Segments int          `json:"segments"`
	Bytes    int64        `json:"bytes"`
	Stamp    wire.Nanos   `json:"stamp"` // when the last packet was closed, ns UTC
	Epochs   []epochStart `json:"epochs"`
	Torn     *damage      `json:"torn,omitempty"`
	Damage   *damage      `json:"damage,omitempty"`
}

// epochStart is where an epoch begins.
type epochStart struct {
	Epoch    uint32 `json:"epoch"`
	Previous uint32 `json:"previous"`
	Cut      uint64 `json:"cut"`
	Chain    string `json:"chain"`
}

// damage is a place in a journal that cannot be read.
type damage struct {
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Sequence uint64 `json:"sequence"` // the first one affected
	Reason   string `json:"reason"`
}

func (d *damage) String() string {
	return fmt.Sprintf("%s: offset %d, sequence %s: %s", d.File, d.Offset, grouped(d.Sequence), d.Reason)
}

// summarise gives what st says. rot is damage to what was durable, or nil.
func summarise(command string, st *journal.State, rot *journal.RotError) *journalSummary {
	s := &journalSummary{
		Command: command, Session: st.Session.String(), Channel: st.Channel, Epoch: st.Epoch,
		First: st.First, Last: st.Last, Chain: chainText(st.Chain), Ended: st.Ended, Closed: st.Clean,
		Packets: st.Packets, Segments: st.Segments, Bytes: st.Bytes, Stamp: st.Stamp, Epochs: []epochStart{},
	}
	if st.Packets > 0 {
		s.Messages = st.Last - st.First + 1
	}
	for _, c := range st.Cuts {
		s.Epochs = append(s.Epochs, epochStart{c.Epoch, c.Previous, c.Cut, chainText(c.Chain)})
	}
	if t := st.Torn; t != nil {
		s.Torn = &damage{t.File, t.Offset, t.Sequence, fmt.Sprintf("%s; %d bytes follow the last valid record", t.Reason, t.Bytes)}
	}
	if rot != nil {
		s.Damage = &damage{rot.File, rot.Offset, rot.Sequence, rot.Reason}
	}
	return s
}

// err is an error if anything in the journal is damaged.
func (s *journalSummary) err() error {
	switch {
	case s.Damage != nil:
		return fmt.Errorf("session %s is damaged in what was durable (%w): %v; restore it from another copy, such as a relay's journal", s.Session, errData, s.Damage)
	case s.Torn != nil:
		return fmt.Errorf("session %s has a torn tail (%w): %v; a crash leaves one, and serve cuts it off when it goes on", s.Session, errData, s.Torn)
	}
	return nil
}

func (s *journalSummary) rows(t *table) {
	t.row("session", fmt.Sprintf("%s, channel %d%s", s.Session, s.Channel, map[bool]string{true: ", ended"}[s.Ended]))
	t.row("messages", fmt.Sprintf("%s, %s to %s, in %s packets", grouped(s.Messages), grouped(s.First), grouped(s.Last), grouped(s.Packets)))
	t.row("chain", s.Chain)
	if s.Stamp != 0 {
		t.row("last packet", instant(s.Stamp))
	}
	t.row("files", fmt.Sprintf("%s in %s%s", size(s.Bytes), plural(uint64(s.Segments), "segment"), map[bool]string{false: ", not closed"}[s.Closed]))
	for _, e := range s.Epochs {
		t.row(fmt.Sprintf("epoch %d", e.Epoch), fmt.Sprintf("from %s, chain %s", grouped(e.Cut+1), e.Chain))
	}
	if s.Torn != nil {
		t.row("torn tail", s.Torn)
	}
	if s.Damage != nil {
		t.row("DAMAGE", s.Damage)
	}
}

// journalSettings are those of verify and info.
func journalSettings(session *string, asJSON *bool) []settings.Setting {
	return []settings.Setting{
		{Name: "session", Value: settings.Text(session, "NAME"), Usage: "session to read"},
		{Name: "json", Value: settings.Bool(asJSON), Usage: "write one JSON object a line"},
	}
}

func (a *app) verify() command {
	session, asJSON := "", false
	return command{
		use:   "verify JOURNAL",
		short: "check a journal, every checksum and every link of the chain",
		long: "Verify reads a session of a journal, the newest unless --session names one, and\n" +
			"checks every checksum and every link of the chain. It names the first damaged place\n" +
			"and then exits with 3.",
		args:     oneJournal,
		settings: journalSettings(&session, &asJSON),
		run: func(_ context.Context, args []string) error {
			name, err := parseSession(session)
			if err != nil {
				return err
			}
			report, err := journal.Verify(args[0], name)
			if err != nil {
				return noJournal(args[0], err)
			}
			s := summarise("verify", report.State, report.Damage)
			return errors.Join(a.finish(s, asJSON), s.err())
		},
	}
}

func (a *app) info() command {
	session, asJSON := "", false
	return command{
		use:   "info JOURNAL",
		short: "show what a journal holds: sessions, epochs, ranges, chains",
		long: "Info shows every session of a journal, or the one that --session names: its range of\n" +
			"messages, its epochs and where each began, its size and its chain.",
		args:     oneJournal,
		settings: journalSettings(&session, &asJSON),
		run: func(ctx context.Context, args []string) error {
			name, err := parseSession(session)
			if err != nil {
				return err
			}
			return a.runInfo(ctx, args[0], name, asJSON)
		},
	}
}

func (a *app) runInfo(ctx context.Context, dir string, only wire.Session, asJSON bool) error {
	all, err := journal.Sessions(dir)
	if err != nil {
		return noJournal(dir, err)
	}
	shown := 0
	var damaged error
	for _, i := range all {
		if only != 0 && i.Session != only || ctx.Err() != nil {
			continue
		}
		st, err := journal.Recover(journal.Options{Dir: dir, Session: i.Session, Channel: i.Channel})
		var rot *journal.RotError
		if err != nil && !errors.As(err, &rot) {
			return err
		}
		if shown++; shown > 1 && !asJSON {
			fmt.Fprintln(a.out)
		}
		s := summarise("info", st, rot)
		if s.Damage != nil {
			damaged = errors.Join(damaged, s.err())
		}
		if err := a.finish(s, asJSON); err != nil {
			return err
		}
	}
	if shown == 0 {
		return noJournal(dir, journal.ErrNone)
	}
	return damaged
}

// noJournal turns the errors of a directory that holds no journal into words
// about the argument.
func noJournal(dir string, err error) error {
	if errors.Is(err, journal.ErrNone) || errors.Is(err, os.ErrNotExist) {
		return &settings.Error{Place: dir, Problem: fmt.Sprintf("%v; name a directory that serve or listen wrote, and with --session one of its sessions", err)}
	}
	return err
}
