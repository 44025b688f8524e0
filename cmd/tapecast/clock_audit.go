package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

// auditSummary is what audit verify ends with.
type auditSummary struct {
	Command string `json:"command"`
	audit.Checked
	Sound  bool          `json:"sound"`
	Damage *audit.Damage `json:"damage,omitempty"`
	Fault  string        `json:"fault,omitempty"`
}

func (a *app) auditVerify() command {
	var head string
	asJSON := false
	return command{
		use: "verify DIR", table: "clock-audit-verify", short: "check every hash, and derive every bound again",
		long: "Verify checks that no bit of the trail in DIR has changed, and derives every bound that\n" +
			"the clock promised again, from the exchanges with servers, the readings of other sources\n" +
			"and the declared assumptions, by other means than the clock's own. What does not hold is placed. The exit code is then 3.\n\n" +
			"That the end of a trail was cut off, a chain of hashes cannot tell by itself: note the\n" +
			"head that verify prints where nobody who can write DIR can write, and give it as --head\n" +
			"the next time.",
		example: "  tapecast clock audit verify /var/lib/tapecast/audit",
		args:    oneDirectory("trail"),
		settings: []settings.Setting{
			{Name: "head", Value: settings.Text(&head, "HASH"), Usage: "head of an earlier time that the trail must go through"},
			{Name: "json", Value: settings.Bool(&asJSON), Usage: "write one JSON object"},
		},
		run: func(_ context.Context, args []string) error {
			if _, no := hex.DecodeString(head); no != nil || len(head)%64 != 0 || len(head) > 64 {
				return &settings.Error{Place: "--head=" + head, Problem: "want the head that verify printed, 64 hexadecimal digits"}
			}
			checked, err := audit.Check(args[0], head)
			if place := trailPlace(args[0], err); place != nil {
				return place
			}
			if err == nil && checked.Unproven > 0 {
				err = fmt.Errorf("%s cannot be derived: records that they rest on were lost", plural(checked.Unproven, "anchor or row"))
			}
			s := &auditSummary{Command: "verify", Checked: checked, Sound: err == nil}
			if err != nil {
				s.Fault = err.Error()
				errors.As(err, &s.Damage)
				err = fmt.Errorf("%w (%w)", err, errData)
			}
			return errors.Join(a.finish(s, asJSON), err)
		},
	}
}

// oneDirectory wants the directory of a trail.
func oneDirectory(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want the directory of one %s, not %d arguments", what, len(args))
		}
		return nil
	}
}

// trailPlace is an error of what the user named, or nil.
func trailPlace(dir string, err error) error {
	var path *os.PathError
	switch {
	case errors.Is(err, audit.ErrNoTrail):
		if _, missing := os.Stat(dir); errors.As(missing, &path) {
			return &settings.Error{Place: dir, Problem: path.Err.Error()}
		}
		return &settings.Error{Place: dir, Problem: "no trail in it: name the directory that serve's --clock-audit names, 10 s after its start or later"}
	case errors.As(err, &path):
		return &settings.Error{Place: path.Path, Problem: path.Err.Error()}
	case errors.Is(err, audit.ErrTerms):
		return &settings.Error{Place: dir, Problem: err.Error()}
	}
	return nil
}

func (s *auditSummary) rows(t *table) {
	t.row("trail", fmt.Sprintf("%s records in %s and %s", grouped(s.Summary.Records), plural(uint64(s.Summary.Files), "file"), plural(uint64(s.Summary.Blocks), "block")))
	t.row("from", instant(wire.Nanos(s.Summary.First)))
	t.row("to", instant(wire.Nanos(s.Summary.Last)))
	end := "closed"
	if !s.Summary.Ended {
		end = "not closed: the clock runs still, or crashed, or the end was cut off"
	}
	t.row("end", end)
	t.row("head", s.Summary.Head)
	t.row("lost", fmt.Sprintf("%s, by the trail's own word", plural(s.Summary.Lost, "record")))
	t.row("derived", fmt.Sprintf("%s promised anchors from %s exchanges with servers", grouped(s.Promised), grouped(s.Samples)))
	if s.Readings > 0 {
		t.row("", fmt.Sprintf("%s of them from %s readings of the host's or a PTP clock", grouped(s.Foreign), grouped(s.Readings)))
	}
	t.row("rows", fmt.Sprintf("%s held against their anchors", grouped(s.Seconds)))
	verdict := "sound: every hash fits, and every bound follows from the trail"
	if !s.Sound {
		verdict = "NOT SOUND: " + s.Fault
	}
	t.row("verdict", verdict)
}

// reportConfig is what audit report can be told.
type reportConfig struct {
	audit.Terms
	page string
	json bool
}

func (a *app) auditReport() command {
	c := reportConfig{Terms: audit.Terms{Limit: 100 * time.Microsecond, Window: time.Hour, Coverage: 0.99}}
	return command{
		use: "report DIR", table: "clock-audit-report", short: "hold a trail against a limit, window by window",
		long: "Report verifies the trail in DIR, and says for each window which share of its time had a\n" +
			"promise within the limit. Time without a record is not covered. The exit code is 3 when\n" +
			"a window has less than the wanted coverage, and when the trail is damaged.",
		example: "  tapecast clock audit report /var/lib/tapecast/audit --limit 100us --window 1h --min-coverage 99%\n" +
			"  tapecast clock audit report /var/lib/tapecast/audit --from 2026-11-26 --to 2026-11-27 --page 20261126.html",
		args: oneDirectory("trail"),
		settings: []settings.Setting{
			{Name: "limit", Value: settings.Duration(&c.Limit), Usage: "largest error that a stamp may have"},
			{Name: "window", Value: settings.Duration(&c.Window), Usage: "what is judged at a time"},
			{Name: "min-coverage", Value: settings.Share(&c.Coverage), Usage: "share of each window that must be within the limit"},
			{Name: "from", Value: settings.Parsed(&c.From, "TIME", parseInstant, showInstant), Usage: "UTC, such as 2026-11-26 or 2026-11-26T08:00:00Z; the trail's first record"},
			{Name: "to", Value: settings.Parsed(&c.To, "TIME", parseInstant, showInstant), Usage: "likewise, not included; the trail's last record"},
			{Name: "page", Value: settings.Text(&c.page, "FILE"), Usage: "write one HTML page as well, with plots of bound and offset, to file or to print; - is stdout instead"},
			{Name: "json", Value: settings.Bool(&c.json), Usage: "write one JSON object"},
		},
		run: func(_ context.Context, args []string) error { return a.report(args[0], &c) },
	}
}

func (a *app) report(dir string, c *reportConfig) error {
	c.Made = wire.Nanos(time.Now().UnixNano())
	r, err := audit.NewReport(dir, c.Terms)
	if err != nil {
		if place := trailPlace(dir, err); place != nil {
			return place
		}
		return fmt.Errorf("%w (%w)", err, errData)
	}
	write := r.Text
	switch {
	case c.page == "-":
		write = r.Page
	case c.json:
		write = func(w io.Writer) error { return json.NewEncoder(w).Encode(r) }
	}
	if err := write(a.out); err != nil {
		return err
	}
	if err := writePage(c.page, r); err != nil {
		return err
	}
	if !r.Compliant {
		return fmt.Errorf("%d of %d windows have less than %.4g %% within %v (%w)", r.Below(), len(r.Windows), 100*c.Coverage, c.Limit, errData)
	}
	return nil
}

// writePage writes the page to a file, if one is named.
func writePage(name string, r *audit.Report) error {
	if name == "" || name == "-" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return &settings.Error{Place: "--page=" + name, Problem: err.Error()}
	}
	return errors.Join(r.Page(f), f.Close())
}

// parseInstant reads a day or a moment, UTC.
func parseInstant(s string) (wire.Nanos, error) {
	if s == "" {
		return 0, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1970 && t.Year() < 2200 {
			return wire.Nanos(t.UnixNano()), nil
		}
	}
	return 0, errors.New("want a day or a moment, such as 2026-11-26 or 2026-11-26T08:00:00Z")
}

func showInstant(n wire.Nanos) string {
	if n == 0 {
		return ""
	}
	return instant(n)
}
