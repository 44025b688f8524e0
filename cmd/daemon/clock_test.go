package daemon

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// heard is a Reporter that keeps the clock's events.
type heard struct{ events []keeper.Event }

func (h *heard) Started(Info)         {}
func (h *heard) Status(Status)        {}
func (h *heard) Warn(string)          {}
func (h *heard) Clock(e keeper.Event) { h.events = append(h.events, e) }

// threeMessages is a daemon by the host's clock that keeps a trail and ends by itself.
func threeMessages(t *testing.T) *Daemon {
	t.Helper()
	c := Config{
		Feed: &few{}, EndAtEOF: true, Journal: NoJournal,
		Interface: "lo", LineA: netip.MustParseAddrPort("239.255.79.6:30506"), Retransmit: "127.0.0.1:0",
	}
	c.Complete()
	c.Clock.Sources, c.Clock.Audit = []string{keeper.SourceLocal}, filepath.Join(t.TempDir(), "audit")
	c.Clock.File = filepath.Join(t.TempDir(), "clock.json")
	d, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// hang makes a name whose opening for a write hangs, as on a disk that does not answer: a
// pipe that nobody reads. In the end it lets go, and waits for the name to be gone.
func hang(t *testing.T, name string) {
	t.Helper()
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		tick, late := time.NewTicker(time.Millisecond), time.After(30*time.Second)
		defer tick.Stop()
		for {
			if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
				return
			}
			select {
			case <-tick.C:
			case <-late:
				t.Errorf("%s is never let go", name)
				return
			}
		}
	})
}

// TestEndOnHungDisk: the end waits for a disk that hangs no longer than it says, and tells
// what is lost with it, beside a summary that is true.
func TestEndOnHungDisk(t *testing.T) {
	d := threeMessages(t)
	hang(t, filepath.Join(d.cfg.Clock.Audit, "clock.trail.new"))
	d.patience = 100 * time.Millisecond
	s, err := d.Run(t.Context(), &heard{})
	const want = "records may be lost, and their time is not covered"
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the disk has not answered") || s == nil || s.Messages != 3 {
		t.Errorf("%+v, %v, want %q", s, err, want)
	}
}

// TestTrailWithoutEnd: what the trail cannot take at the end is told, and is an error,
// beside a summary that is true.
func TestTrailWithoutEnd(t *testing.T) {
	d := threeMessages(t)
	if err := os.RemoveAll(d.cfg.Clock.Audit); err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	s, err := d.Run(t.Context(), h)
	if err == nil || !strings.Contains(err.Error(), "the audit trail has no end") || s == nil || s.Messages != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if n := len(h.events); n == 0 || h.events[n-1].Kind != "alarm" || !strings.Contains(h.events[n-1].Text, "the audit trail cannot be written") {
		t.Errorf("%+v", h.events)
	}
}
