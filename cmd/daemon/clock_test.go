package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// heard is a Reporter that keeps the clock's events.
type heard struct{ events []keeper.Event }

func (h *heard) Started(Info)         {}
func (h *heard) Status(Status)        {}
func (h *heard) Warn(string)          {}
func (h *heard) Clock(e keeper.Event) { h.events = append(h.events, e) }

// TestTrailWithoutEnd: what the trail cannot take at the end is told, and is an error,
// beside a summary that is true.
func TestTrailWithoutEnd(t *testing.T) {
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
	if err := os.RemoveAll(c.Clock.Audit); err != nil {
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
