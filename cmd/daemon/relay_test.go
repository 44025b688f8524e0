package daemon

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

var relayed, _ = wire.ParseSession("20261126")

// packetAt is a packet of one message.
func packetAt(t *testing.T, epoch uint32, seq, chain uint64) wire.Packet {
	t.Helper()
	var b wire.Builder
	b.Open(make([]byte, 200))
	m := wire.Opaque{Head: wire.Head{Instrument: 1}, Format: 1, Data: []byte("x")}
	if !b.Add(m.AppendTo(nil), 1) {
		t.Fatal("no room")
	}
	p, _ := b.Close(wire.Header{Type: wire.TypeSequenced, Channel: 1, Session: relayed, Epoch: epoch, Sequence: seq, Chain: chain}, 1)
	return p
}

// TestRelayContinuesItsJournal: a relay that resumes goes on only where its journal
// ends, or where an epoch told of since cuts it. What was lost in between ends it: its
// journal would call packets valid that are void.
func TestRelayContinuesItsJournal(t *testing.T) {
	resumed := func() *Relay {
		return &Relay{next: deaf{}, state: &journal.State{Cuts: []journal.Cut{{Epoch: 1}}, Last: 10, Chain: 7, Epoch: 1}}
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
	fresh.Event(recovery.Event{Kind: recovery.EventLost, First: 1, Last: 9, Cause: recovery.CauseAttempts})
	if !fresh.broken {
		t.Error("it begins without the definitions that were lost")
	}
	fresh = &Relay{next: deaf{}}
	fresh.Event(recovery.Event{Kind: recovery.EventLost, First: 1, Last: 9, Cause: recovery.CauseUnavailable})
	if fresh.state = (&journal.State{}); fresh.broken || !fresh.continues(packetAt(t, 1, 10, 3)) {
		t.Error("one that begins does not begin anywhere")
	}
}

// deaf is a handler that does nothing.
type deaf struct{}

func (deaf) Packet(recovery.Delivery) {}
func (deaf) Event(recovery.Event)     {}

// reopening returns what opens one relay again and again, and what closes it.
func reopening(t *testing.T) (open func() *Relay, shut func(*Relay)) {
	c := RelayConfig{Journal: t.TempDir(), Serve: "127.0.0.1:0", Channel: func() retransmit.Channel {
		return retransmit.Channel{Channel: 1, Session: relayed, PacketSize: wire.DefaultPacket, Heartbeat: 1e8}
	}}
	open = func() *Relay {
		t.Helper()
		r, err := OpenRelay(c, deaf{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	shut = func(r *Relay) {
		t.Helper()
		if err := r.Close(t.Context()); err != nil || r.broken {
			t.Fatal(err, r.broken)
		}
	}
	return open, shut
}

// journalled is a relay that resumes with 1 to 3 in its journal.
func journalled(t *testing.T, open func() *Relay, shut func(*Relay)) *Relay {
	t.Helper()
	r := open()
	for seq := uint64(1); seq <= 3; seq++ {
		r.Packet(recovery.Delivery{Packet: packetAt(t, 1, seq, r.chain)})
	}
	shut(r)
	return open()
}

// TestRelayResumesAtTheEnd: a relay whose journal holds all of a session that has ended
// serves it again, and ends its journal, though no packet comes any more.
func TestRelayResumesAtTheEnd(t *testing.T) {
	open, shut := reopening(t)
	r := journalled(t, open, shut)
	at := r.Resume()
	if at == nil {
		t.Fatal("nothing is journalled")
	}
	end := recovery.Event{Kind: recovery.EventEnd, Epoch: 1, Last: 3, Chain: at.Chain + 1}
	if r.Event(end); r.history != nil {
		t.Error("it takes another chain's end for its own")
	}
	end.Chain--
	r.Event(end)
	newAsker(t, r.ln.Addr().String(), 1).receive()
	shut(r)
	if r = open(); r.state != nil {
		t.Error("the journal is not ended")
	}
	shut(r)
}

// TestRelayResumesIdle: a relay that resumes serves what its journal holds once the receiver
// has logged in and goes on there, though no packet comes; and it goes on with one that does.
func TestRelayResumesIdle(t *testing.T) {
	open, shut := reopening(t)
	r := journalled(t, open, shut)
	live := recovery.Event{Kind: recovery.EventState, State: recovery.StateLive, Epoch: 1, First: 4, Last: 4}
	for _, e := range []recovery.Event{
		{Kind: recovery.EventState, State: recovery.StateJoining, Epoch: 1, First: 4},
		{Kind: recovery.EventState, State: recovery.StateLive, Epoch: 2, First: 4},
		{Kind: recovery.EventState, State: recovery.StateLive, Epoch: 1, First: 5},
	} {
		if r.Event(e); r.history != nil {
			t.Errorf("it begins at %v", e)
		}
	}
	logged := r.cfg.Channel
	r.cfg.Channel = func() retransmit.Channel { return retransmit.Channel{} }
	if r.Event(live); r.history != nil {
		t.Error("it begins before the login")
	}
	r.cfg.Channel = logged
	r.Event(live)
	newAsker(t, r.ln.Addr().String(), 1).receive()
	r.Packet(recovery.Delivery{Packet: packetAt(t, 1, 4, r.chain)})
	shut(r)

	r = open()
	if at := r.Resume(); at == nil || at.Sequence != 4 {
		t.Errorf("it resumes at %+v", at)
	}
	r.Event(recovery.Event{Kind: recovery.EventEpoch, Epoch: 2, Last: 2, Chain: chainAt(t, 2)})
	live.Epoch, live.First = 2, 3
	r.Event(live)
	r.Packet(recovery.Delivery{Packet: packetAt(t, 2, 3, r.chain)})
	newAsker(t, r.ln.Addr().String(), 1).receive()
	shut(r)
}

// chainAt is the chain after the packets of epoch 1 up to last.
func chainAt(t *testing.T, last uint64) (chain uint64) {
	for seq := uint64(1); seq <= last; seq++ {
		chain = wire.ChainAfter(packetAt(t, 1, seq, chain))
	}
	return chain
}

// TestRelayOfAnEndedSession: a relay that begins again on a session which its journal holds
// to the end says so.
func TestRelayOfAnEndedSession(t *testing.T) {
	open, shut := reopening(t)
	r := open()
	var said string
	r.cfg.Warn = func(problem string) { said = problem }
	first := packetAt(t, 1, 1, 0)
	r.Packet(recovery.Delivery{Packet: first})
	r.Event(recovery.Event{Kind: recovery.EventEnd, Epoch: 1, Last: 1, Chain: r.chain})
	shut(r)

	r = open()
	r.cfg.Warn = func(problem string) { said = problem }
	r.Packet(recovery.Delivery{Packet: first})
	if !r.broken || !strings.Contains(said, "to its end, message 1") {
		t.Errorf("it is broken: %v, and said %q", r.broken, said)
	}
}

// definedAt is a snapshot packet that defines an instrument, as of a sequence.
func definedAt(t *testing.T, epoch, instrument uint32, asOf uint64) recovery.Delivery {
	t.Helper()
	var b wire.Builder
	b.Open(make([]byte, 200))
	m := wire.InstrumentDefinition{Head: wire.Head{Instrument: instrument}, Symbol: []byte("TAPE")}
	if !b.Add(m.AppendTo(nil), 1) {
		t.Fatal("no room")
	}
	p, _ := b.Close(wire.Header{Type: wire.TypeSnapshot, Channel: 1, Session: relayed, Epoch: epoch, Sequence: asOf + 1}, 1)
	return recovery.Delivery{Packet: p, From: recovery.Snapshot}
}

// TestRelayDefinitionsOfACutEpoch: a relay does not serve definitions as of what an epoch
// cut. Before the first packet it gets others; behind it, it ends.
func TestRelayDefinitionsOfACutEpoch(t *testing.T) {
	open, shut := reopening(t)
	r := open()
	for _, d := range []recovery.Delivery{definedAt(t, 1, 1, 9), definedAt(t, 1, 2, 9), definedAt(t, 2, 3, 5), definedAt(t, 2, 4, 5)} {
		r.Packet(d)
	}
	want := history.AppendDefinitions(history.AppendDefinitions(nil, definedAt(t, 2, 3, 5).Packet), definedAt(t, 2, 4, 5).Packet)
	p := packetAt(t, 2, 4, 7)
	r.Packet(recovery.Delivery{Packet: p})
	if got, _ := r.live.Definitions(); !bytes.Equal(got, want) {
		t.Errorf("it serves %d bytes of definitions, %d are valid", len(got), len(want))
	}
	chain := wire.ChainAfter(p)
	q := packetAt(t, 2, 5, chain)
	r.Packet(recovery.Delivery{Packet: q})
	r.Packet(recovery.Delivery{Packet: packetAt(t, 2, 6, wire.ChainAfter(q))})
	r.Event(recovery.Event{Kind: recovery.EventEpoch, Epoch: 3, Last: 5, Chain: wire.ChainAfter(q)})
	if r.broken {
		t.Fatal("it ends at a cut of what is behind its definitions")
	}
	var said string
	r.cfg.Warn = func(problem string) { said = problem }
	r.Event(recovery.Event{Kind: recovery.EventEpoch, Epoch: 4, Last: 4, Chain: chain})
	if !r.broken || !strings.Contains(said, "epoch 4 cuts at message 4, before 5") {
		t.Errorf("it is broken: %v, and said %q", r.broken, said)
	}
	r.broken = false
	shut(r)
}
