package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// everyKey is a table [clock] with every key, none of them as by default.
const everyKey = `[clock]
sources = ["ptp", "host", "ntp"]
profile = "rts100"
enter = "51us"
exit = "101us"
on-loss = "stop"
wait = "7s"
holdover = "30m"
forward = true
servers = ["192.0.2.1:123 key 7", "192.0.2.2:123", "[2001:db8::3]:1234"]
faulty = 1
keys = "/etc/ntp.keys"
poll = "32s"
timeout = "2s"
address = "192.0.2.9"
chronyd = "none"
ptp-device = "/dev/ptp0"
ptp-error = "900ns"
ptp-utc = true
tai = 38
audit = "/var/lib/audit"
file = "/run/clock.json"
reference = "17us"
drift = 5e-05
wander = 4e-09
wander-cap = 9e-07
`

// loadClock reads a file, as commands do.
func loadClock(text string) (keeper.Config, error) {
	c := keeper.Default()
	s := clockSection(&c)
	f, err := settings.ParseFile("t.toml", []byte(text), []settings.Section{s})
	if err == nil {
		err = s.Load(pflag.NewFlagSet("t", pflag.ContinueOnError), func(string) (string, bool) { return "", false }, f)
	}
	return c, err
}

// TestClockTable: every key of [clock] is read, and the configuration that a trail
// keeps reads as the same one.
func TestClockTable(t *testing.T) {
	c, err := loadClock(everyKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	again, err := loadClock(c.Text())
	if d := cmp.Diff(c, again); err != nil || d != "" {
		t.Errorf("%v\n%s\n%s", err, d, c.Text())
	}
	defaults := strings.Split(new(keeper.Default()).Text(), "\n")
	for line := range strings.Lines(c.Text()) {
		for _, d := range defaults {
			if d != "[clock]" && strings.TrimSpace(line) == d && d != "" {
				t.Errorf("as by default: %s", d)
			}
		}
	}
	if n, want := strings.Count(c.Text(), " = "), len(clockSection(&c).Settings); n != want {
		t.Errorf("the text has %d keys, the table %d", n, want)
	}
	for text, want := range map[string]string{
		"[clock]\nsource = [\"ntp\"]\n":                  "t.toml:2: unknown key source in [clock]; did you mean sources?",
		"[clock]\nsources = [\"gps\"]\n":                 "t.toml:2: sources = \"gps\": want some of ptp, host, ntp",
		"[clock]\n\nservers = [\"ntp.example.com\"]\n":   "t.toml:3: servers = \"ntp.example.com\": want the literal address",
		"[clock]\nfaulty = 5\n":                          "t.toml:2: faulty = \"5\": want a whole number from 0 to 4",
		"[clock]\nprofile = \"best\"\n":                  "t.toml:2: profile = \"best\": want rts100 or rts1000 or us50ms",
		"[clock]\nservers = [\"192.0.2.1:123 key x\"]\n": "t.toml:2: servers = ",
		"[clock]\nwander = -1\n":                         "t.toml:2: wander = \"-1\": want a number",
		"[clocks]\n":                                     "t.toml:1: unknown table [clocks]; did you mean clock?",
	} {
		if _, err := loadClock(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzClockTable: a table is refused or read; what is read and valid reads the same
// when it is written.
func FuzzClockTable(f *testing.F) {
	f.Add(everyKey)
	f.Add(new(keeper.Default()).Text())
	f.Add("[clock]\nsources = \"ntp\"\nservers = \"192.0.2.1:123 , 192.0.2.2:123 key 9\"\n")
	f.Add("[clock]\nchronyd = \"\"\naudit = 'a\\b\"c\td'\nkeys = \"\\u0007\\u007f é\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // TOML is UTF-8
		}
		c, err := loadClock(text)
		if err != nil || c.Validate() != nil {
			return
		}
		again, err := loadClock(c.Text())
		if d := cmp.Diff(c, again); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	})
}

func TestClockCommands(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		want string // in stdout or stderr
	}{
		{"clock", 0, "audit"},
		{"clock audit", 0, "verify"},
		{"clock stats", 2, "unknown command stats; did you mean status?"},
		{"clock status " + dir, 4, "no clock shows itself there"},
		{"clock watch " + dir, 4, "no clock shows itself there"},
		{"clock status --clock local --within 1ms", 3, "bound none"},
		{"clock status --clock ntp", 2, "--clock=ntp: ntp needs servers"},
		{"clock status --clock ntp --clock-servers 192.0.2.1:123 --clock-faulty 1", 2, "--clock-faulty=1: of 1 servers fewer than half may lie"},
		{"clock watch --every 0", 2, "--every=0s: want at least 10ms"},
		{"clock audit verify", 2, "want the directory of one trail, not 0 arguments"},
		{"clock audit verify " + dir, 2, "no trail in it"},
		{"clock audit verify --head zz " + dir, 2, "--head=zz: want the head that verify printed"},
		{"clock audit verify --head 00 " + dir, 2, "--head=00: want the head that verify printed"},
		{"clock status --clock ptp --clock-ptp-device /dev/ptp0 --clock-ptp-error 1us", 2, "--clock-servers=: ptp needs servers beside it"},
		{"clock status --clock-tai 9", 2, "--clock-tai=9: want TAI - UTC in seconds"},
		{"clock audit report " + dir + "/none", 2, "no such file or directory"},
		{"clock audit report " + dir + " --limit 100", 2, `--limit="100": want a time`},
		{"clock audit report " + dir + " --min-coverage 101%", 2, `--min-coverage="101%": want a share`},
		{"clock audit report " + dir + " --from yesterday", 2, `--from="yesterday": want a day or a moment`},
		{"serve --source synth:1 --interface lo --journal none --retransmit 127.0.0.1:0 --clock host,local", 2, `--clock "host,local": local promises nothing`},
		{"serve --source synth:1 --interface lo --journal none --retransmit 127.0.0.1:0 --clock-exit 1ns", 2, `--clock-exit "1ns": want at least enter`},
		{"listen --retransmit 127.0.0.1:9 --clock " + dir + "/none", 2, "no clock shows itself there"},
	} {
		o := runCmd(t, tapecast(t, strings.Fields(c.args)...))
		if o.code != c.code || !strings.Contains(o.out+o.err, c.want) {
			t.Errorf("tapecast %s: exit code %d, want %d and %q\nstdout: %s\nstderr: %s", c.args, o.code, c.code, c.want, o.out, o.err)
		}
	}
}

// TestStatusLeavesAlone: a clock that is only looked at keeps no trail and no file, for
// those of its settings belong to the daemon that runs with them.
func TestStatusLeavesAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "clock.json")
	if err := os.WriteFile(file, []byte("the daemon's"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := runCmd(t, tapecast(t, "clock", "status", "--clock", "local", "--within", "1ms", "--clock-audit", filepath.Join(dir, "audit"), "--clock-file", file))
	if o.code != exitData {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "the daemon's" {
		t.Errorf("the daemon's file is %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "audit")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a trail was made: %v", err)
	}
}

// TestWatchTellsLoss: with on-loss stop the loss of the promise ends a look at a clock,
// with the reason.
func TestWatchTellsLoss(t *testing.T) {
	c := statusConfig{clock: keeper.Default()}
	c.clock.Sources = []string{keeper.SourceLocal}
	a := &app{out: io.Discard, err: io.Discard}
	for cause, want := range map[error]error{keeper.ErrLost: errPromise, context.Canceled: nil} {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := a.keepClock(ctx, &c, func(ctx context.Context, _ *keeper.Keeper) error {
			cancel(cause)
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, want) {
			t.Errorf("ended by %v: %v", cause, err)
		}
	}
}

// TestAlarm: that a clock lies is said at once, and again while it goes on, at most
// every ten seconds.
func TestAlarm(t *testing.T) {
	var out bytes.Buffer
	l := &listener{app: &app{err: &out}, tally: tally.New(nil)}
	start := time.Unix(1e9, 0)
	for _, s := range []struct {
		at         time.Duration
		impossible int64
		want       int // alarms so far
	}{{0, 0, 0}, {1, 5, 1}, {2, 9, 1}, {12, 9, 2}, {30, 9, 2}, {31, 10, 3}} {
		l.alarm(start.Add(s.at*time.Second), &tally.Quantiles{Impossible: s.impossible, Worst: 1500})
		if got := strings.Count(out.String(), "a clock lies"); got != s.want {
			t.Errorf("after %d s: %d alarms, want %d\n%s", s.at, got, s.want, out.String())
		}
	}
	if !strings.Contains(out.String(), "5 messages arrived before they were sent, by up to 1.5 µs") {
		t.Error(out.String())
	}
}
