package sequencer

import (
	"errors"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// TestClockBehindTheJournal starts an epoch on a host whose clock was stepped back
// an hour: stamps stand still, and the channel is no more silent than another.
func TestClockBehindTheJournal(t *testing.T) {
	const hour = wire.Nanos(3600e9)
	session, _ := wire.ParseSession("TEST")
	began := wire.Nanos(1e18)
	s, err := New(Config{Session: session, Epoch: 2, PacketSize: wire.DefaultPacket, Journal: wire.JournalAlive, Stamp: began + hour}, &fakeHistory{next: 1})
	if err != nil {
		t.Fatal(err)
	}
	heard, silence := began, wire.Nanos(0)
	var epochs int
	for now := began; now < began+2e9; now += 1e6 {
		s.Turn(now, wire.Clock{})
		if p := s.Control(nil); p != nil {
			silence, heard = max(silence, now-heard), now
			if p.Type() == wire.TypeEpoch {
				epochs++
			}
			if p.Stamp() != began+hour {
				t.Fatalf("stamped %v, before the epoch it was %v", p.Stamp(), began+hour)
			}
		}
		if due := s.Due(); due > now+DefaultHeartbeat {
			t.Fatalf("the next control packet is due in %v", (due - now).Duration())
		}
	}
	if silence > DefaultHeartbeat || epochs != len(announceAt) {
		t.Errorf("silent for %v, announced %d times", silence.Duration(), epochs)
	}
}

// TestEndIsSaidAtOnce: whoever does not linger has said it too.
func TestEndIsSaidAtOnce(t *testing.T) {
	s, h := newTest(t, wire.JournalAlive)
	s.Register("in")
	controls(s, 1e18, 2) // so that none is due
	put(t, s, 1)
	s.End()
	if p := s.Control(nil); p != nil {
		t.Fatalf("a control packet of type %d before the last packet was sent", p.Type())
	}
	s.Published(h.packets[0])
	if p := s.Control(nil); p == nil || p.Type() != wire.TypeEnd {
		t.Fatalf("the end is not said: %v", p)
	}
	if p := s.Control(nil); p != nil {
		t.Error("the end is said twice in a turn")
	}
}

// TestUnsentIsNotUnwritten: a history that is full of packets to be sent says
// nothing about the journal.
func TestUnsentIsNotUnwritten(t *testing.T) {
	s, h := newTest(t, wire.JournalAlive)
	s.Register("in")
	h.refusal = feed.ErrFull
	if err := s.Put(feed.Input{Seq: 1}, message(1)); !errors.Is(err, feed.ErrFull) {
		t.Errorf("put into a full history: %v", err)
	}
	if s.Journal() != wire.JournalAlive || h.abandons != 0 {
		t.Errorf("the journal is %d, abandoned %d times", s.Journal(), h.abandons)
	}
	h.refusal = nil
	put(t, s, 1)
}
