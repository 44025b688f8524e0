package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// clock is the command that has commands of its own.
func (a *app) clock(sections []settings.Section) *cobra.Command {
	cmd := a.group("clock", "show a clock, and check what it promised")
	for _, c := range []command{a.clockStatus(), a.clockWatch()} {
		cmd.AddCommand(a.cobra(c, sections))
	}
	audit := a.group("audit", "check a clock's audit trail, and report on it")
	for _, c := range []command{a.auditVerify(), a.auditReport()} {
		audit.AddCommand(a.cobra(c, sections))
	}
	cmd.AddCommand(audit)
	return cmd
}

// group is a command that only has commands.
func (a *app) group(use, short string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
}

// clockCommands are those of the clock.
func (a *app) clockCommands() []command {
	return []command{a.clockStatus(), a.clockWatch(), a.auditVerify(), a.auditReport()}
}

// statusConfig is what clock status and clock watch can be told.
type statusConfig struct {
	clock keeper.Config
	within,
	every time.Duration
	json bool
}

const statusLong = "With a FILE it shows the clock of a running serve: FILE is what --clock-file names, or\n" +
	"the directory of its audit trail. Without one it asks the sources of [clock] itself."

func (a *app) clockStatus() command {
	c := statusConfig{clock: keeper.Default(), within: 5 * time.Second}
	return command{
		use: "status [FILE]", table: "clock-status", short: "show a clock once",
		long: "Status shows what a clock promises, and what it knows of its sources. " + statusLong + "\n" +
			"The exit code is 0 when the clock promises something, 3 when it does not, 4 when no clock\n" +
			"shows itself there, and 2 when FILE is none of a clock.",
		example: "  tapecast clock status /var/lib/tapecast/audit\n  tapecast clock status --clock ntp --clock-servers 10.0.0.1:123,10.0.0.2:123,10.0.0.3:123 --clock-faulty 1",
		args:    cobra.MaximumNArgs(1),
		settings: []settings.Setting{
			{Name: "within", Value: settings.Duration(&c.within), Usage: "without FILE: how long to wait for the first promise"},
			{Name: "json", Value: settings.Bool(&c.json), Usage: "write one JSON object"},
		},
		shared: []settings.Section{clockSection(&c.clock)},
		run: func(ctx context.Context, args []string) error {
			s, err := a.oneStatus(ctx, &c, args)
			if err != nil {
				return err
			}
			if err := a.writeStatus(s, c.json); err != nil {
				return err
			}
			if !s.Promised() {
				return fmt.Errorf("the clock is %s (%s): %w", s.State, s.Why(), errPromise)
			}
			return nil
		},
	}
}

// oneStatus reads a running clock's file, or asks the sources.
func (a *app) oneStatus(ctx context.Context, c *statusConfig, args []string) (*keeper.Status, error) {
	if len(args) == 1 {
		return freshStatus(args[0])
	}
	var s *keeper.Status
	err := a.keepClock(ctx, c, func(ctx context.Context, k *keeper.Keeper) error {
		limit, cancel := context.WithTimeout(ctx, c.within)
		defer cancel()
		select {
		case <-k.Ready():
		case <-limit.Done():
		}
		s = k.Status()
		return ctx.Err()
	})
	return s, err
}

// stale is how old the file of a running clock may be.
const stale = 5 * time.Second

// freshStatus reads the file of a clock that runs.
func freshStatus(file string) (*keeper.Status, error) {
	s, err := keeper.LoadStatus(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no clock shows itself there (%w): is serve running with --clock-audit or --clock-file?", file, errUnreachable)
	case err != nil:
		return nil, &settings.Error{Place: file, Problem: err.Error()}
	}
	if age := time.Since(s.Written); age > stale {
		return nil, fmt.Errorf("%s: %w: the clock that showed itself there stopped %v ago, without a word", file, errUnreachable, age.Round(time.Second))
	}
	return s, nil
}

// keepClock runs a clock of c while do does something with it. Trail and file are those
// of the daemon that has the same settings, so this clock leaves them alone.
func (a *app) keepClock(ctx context.Context, c *statusConfig, do func(ctx context.Context, k *keeper.Keeper) error) error {
	own := c.clock
	own.Audit, own.File = "", ""
	k, err := keeper.New(own, keeper.Options{
		Program: "tapecast clock", StampPoint: "nowhere: it only shows its time", Seed: uint64(time.Now().UnixNano()),
	})
	if err != nil {
		return clockSetting(err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { cancel(k.Run(ctx, loops.Go)) })
	defer loops.Wait()
	defer cancel(nil)
	<-k.Begun()
	err = do(ctx, k)
	if lost := context.Cause(ctx); errors.Is(lost, keeper.ErrLost) {
		return fmt.Errorf("%w: %w", errPromise, lost)
	}
	return err
}

// clockSetting names the flag that a clock's configuration does not work for.
func clockSetting(err error) error {
	var c *keeper.ConfigError
	if !errors.As(err, &c) {
		return err
	}
	return &settings.Error{Place: fmt.Sprintf("--%s=%s", clockFlag(c.Key), c.Value), Problem: c.Problem + cause(c.Err)}
}

func cause(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func (a *app) writeStatus(s *keeper.Status, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.out).Encode(s)
	}
	return s.Text(a.out)
}

func (a *app) clockWatch() command {
	c := statusConfig{clock: keeper.Default(), every: time.Second}
	return command{
		use: "watch [FILE]", table: "clock-watch", short: "show a clock again and again",
		long:    "Watch writes a line for each look at a clock, until it is interrupted. " + statusLong,
		example: "  tapecast clock watch /var/lib/tapecast/audit\n  tapecast clock watch --json | jq .bound",
		args:    cobra.MaximumNArgs(1),
		settings: []settings.Setting{
			{Name: "every", Value: settings.Duration(&c.every), Usage: "time between looks"},
			{Name: "json", Value: settings.Bool(&c.json), Usage: "write JSON objects, one a line"},
		},
		shared: []settings.Section{clockSection(&c.clock)},
		run: func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return a.watch(ctx, &c, func() (*keeper.Status, error) { return freshStatus(args[0]) })
			}
			return a.keepClock(ctx, &c, func(ctx context.Context, k *keeper.Keeper) error {
				return a.watch(ctx, &c, func() (*keeper.Status, error) { return k.Status(), nil })
			})
		},
	}
}

// watch shows what look sees, until ctx is done.
func (a *app) watch(ctx context.Context, c *statusConfig, look func() (*keeper.Status, error)) error {
	if c.every < 10*time.Millisecond {
		return &settings.Error{Place: fmt.Sprintf("--every=%v", c.every), Problem: "want at least 10ms"}
	}
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		s, err := look()
		if err != nil {
			return err
		}
		if c.json {
			err = json.NewEncoder(a.out).Encode(s)
		} else {
			_, err = fmt.Fprintln(a.out, watchLine(s))
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watchLine is a clock on one line.
func watchLine(s *keeper.Status) string {
	line := fmt.Sprintf("%s  %-14s  bound %s  offset %s  host %s", instant(s.Told()), s.State, boundText(s), micros(s.Offset), micros(s.Host))
	if s.Source != "" {
		line += "  by " + s.Source
	}
	if n := len(s.Servers); n > 0 {
		agree := 0
		for _, v := range s.Servers {
			if v.Verdict == "agrees" {
				agree++
			}
		}
		line += fmt.Sprintf("  %d of %d servers agree", agree, n)
	}
	for _, problem := range [...]string{s.Alarm, s.Trouble} {
		if problem != "" {
			line += "  ALARM: " + problem
		}
	}
	return line
}

func boundText(s *keeper.Status) string {
	if !s.Promised() {
		return "none"
	}
	return micros(s.Bound)
}
