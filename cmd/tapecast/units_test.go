package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/journal"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitFine},
		{syscall.EPIPE, exitFine},
		{errors.New("any"), exitFailure},
		{&usageError{errors.New("x"), "tapecast"}, exitUsage},
		{&settings.Error{Place: "--pace"}, exitUsage},
		{&daemon.ConfigError{Key: "source"}, exitUsage},
		{recovery.ErrResume, exitUsage},
		{multicast.ErrInterface, exitUsage},
		{&daemon.ConfigError{Key: "journal", Err: &journal.RotError{}}, exitData},
		{recovery.ErrDiverged, exitData},
		{errors.Join(syscall.EPIPE, lossError(3)), exitData},
		{recovery.ErrRefused, exitUnreachable},
		{fmt.Errorf("x: %w", errUnreachable), exitUnreachable},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
	for ns, want := range map[int64]string{0: "0.0 µs", 1500: "1.5 µs", 99_900: "99.9 µs", 1_234_567: "1235 µs"} {
		if got := micros(ns); got != want {
			t.Errorf("micros(%d) = %s, want %s", ns, got, want)
		}
	}
	for n, want := range map[int64]string{12: "12 B", 2048: "2.0 KiB", 3 << 20: "3.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestPosition(t *testing.T) {
	session, err := wire.ParseSession("20261122")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "position")
	if p, err := loadPosition(file); p != nil || err != nil {
		t.Errorf("no file: %v, %v", p, err)
	}
	for _, want := range []recovery.Position{
		{Session: session, Epoch: 7, Sequence: 1 << 60, Chain: 0xfedcba9876543210, Known: true},
		{Session: session, Epoch: 8, Sequence: 12},
	} {
		if err := savePosition(file, want); err != nil {
			t.Fatal(err)
		}
		got, err := loadPosition(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Error(d)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left beside the position: %v", left)
	}
}

func FuzzDecodePosition(f *testing.F) {
	f.Add(encodePosition(recovery.Position{Session: 0x41, Epoch: 1, Sequence: 2, Chain: 3, Known: true}))
	f.Add([]byte(`{"session":"","chain":"zz"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePosition(data)
		if err != nil {
			return
		}
		again, err := decodePosition(encodePosition(*p))
		if d := cmp.Diff(p, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

// The same seed drops the same datagrams, another seed others, and about the share
// that was asked for.
func TestDropper(t *testing.T) {
	const n = 10_000
	draw := func(seed uint64) (pattern [n]bool, dropped int) {
		d := dropper(0.1, seed)
		for i := range pattern {
			if pattern[i] = d(0, nil); pattern[i] {
				dropped++
			}
		}
		return pattern, dropped
	}
	a, count := draw(1)
	b, _ := draw(1)
	c, _ := draw(2)
	if a != b || a == c || count < 900 || count > 1100 {
		t.Errorf("%d of %d dropped; equal seeds agree: %v, different ones: %v", count, n, a == b, a == c)
	}
	if dropper(0, 1) != nil {
		t.Error("a drill that drops nothing costs a call for each datagram")
	}
}

// What a Reporter and a listener say is one object a line, with its name first.
func TestEvents(t *testing.T) {
	var b bytes.Buffer
	r := serveReporter{out: &b, json: true}
	r.Started(daemon.Info{Session: "s", Retransmit: "127.0.0.1:1"})
	r.Status(daemon.Status{Next: 5})
	r.Warn("the journal is dead")
	event(&b, recovery.EventLost.String(), eventOf(recovery.Event{Kind: recovery.EventLost, First: 3, Last: 4, Cause: recovery.CauseAttempts}))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []string{
		`{"event":"started","session":"s",`, `{"event":"status",`, `{"event":"warning","problem":"the journal is dead"}`,
		`{"event":"lost","first":3,"last":4,"cause":"attempts exhausted"}`,
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d: want %s\n%s", i, want, b.String())
		}
		if e := parseEvent(nil, []byte(lines[i])); e.name == "" {
			t.Errorf("no object: %s", lines[i])
		}
	}
}

// What happens is said in words too, at once.
func TestEventLines(t *testing.T) {
	for want, e := range map[string]recovery.Event{
		"LOST 3 to 4 (2 messages): attempts exhausted":                                  {Kind: recovery.EventLost, First: 3, Last: 4, Cause: recovery.CauseAttempts},
		"ORPHANED 9 to 9 (1 message): not in the journal that the session goes on from": {Kind: recovery.EventOrphaned, First: 9, Last: 9},
		"the session ended at 12":                                                       {Kind: recovery.EventEnd, Last: 12},
		"":                                                                              {Kind: recovery.EventState, State: recovery.StateLive},
	} {
		if got := eventLine(e); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
