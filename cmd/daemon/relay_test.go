package daemon

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// packetAt is a packet of one message.
func packetAt(t *testing.T, epoch uint32, seq, chain uint64) wire.Packet {
	t.Helper()
	var b wire.Builder
	b.Open(make([]byte, 200))
	m := wire.Opaque{Head: wire.Head{Instrument: 1}, Format: 1, Data: []byte("x")}
	if !b.Add(m.AppendTo(nil), 1) {
		t.Fatal("no room")
	}
	p, _ := b.Close(wire.Header{Type: wire.TypeSequenced, Channel: 1, Session: 1, Epoch: epoch, Sequence: seq, Chain: chain}, 1)
	return p
}

// TestRelayContinuesItsJournal: a relay that resumes goes on only where its journal
// ends, or where an epoch told of since cuts it. What was lost in between ends it: its
// journal would call packets valid that are void.
func TestRelayContinuesItsJournal(t *testing.T) {
	resumed := func() *Relay {
		return &Relay{next: deaf{}, state: &journal.State{Packets: 3, Last: 10, Chain: 7, Epoch: 1}}
	}
	r := resumed()
	if !r.continues(packetAt(t, 1, 11, 7)) || r.continues(packetAt(t, 1, 12, 7)) || r.continues(packetAt(t, 1, 11, 8)) {
		t.Error("it goes on elsewhere than where the journal ends")
	}
	r.Event(recovery.Event{Kind: recovery.EventEpoch, Epoch: 2, Last: 4, Chain: 9})
	if !r.continues(packetAt(t, 2, 5, 9)) || r.continues(packetAt(t, 2, 11, 7)) {
		t.Error("it goes on elsewhere than at the cut")
	}
	r = resumed()
	r.Event(recovery.Event{Kind: recovery.EventLost, First: 11, Last: 12})
	if !r.broken {
		t.Error("it goes on behind a loss")
	}
	fresh := &Relay{next: deaf{}}
	fresh.Event(recovery.Event{Kind: recovery.EventLost, First: 1, Last: 9})
	if fresh.state = (&journal.State{}); fresh.broken || !fresh.continues(packetAt(t, 1, 10, 3)) {
		t.Error("one that begins does not begin anywhere")
	}
}

// deaf is a handler that does nothing.
type deaf struct{}

func (deaf) Packet(recovery.Delivery) {}
func (deaf) Event(recovery.Event)     {}
