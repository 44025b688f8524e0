// Package tally counts what a receiver is given: messages, losses, latency. It is
// what `tapecast listen` knows of its session beside the counters of the receiver
// itself.
//
// The receive loop owns a Tally and never waits for anybody. Another goroutine
// reads the running counters at any time, and gets the rest by lending a Report,
// which the loop fills between two packets and gives back.
package tally

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Tally is a recovery.Handler. The receive loop owns it, but for Messages, Last,
// State, Ask and Reports.
type Tally struct {
	// Lost and Orphaned are ranges that were declared, in order.
	Lost     Ranges
	Orphaned Ranges

	Session wire.Session
	Epoch   uint32
	First   uint64     // sequence of the first message; 0 before
	Begun   wire.Nanos // the loop's time at the first delivery
	Latest  wire.Nanos // and at the latest

	Clocks Clocks // of the sequencer

	stamps   Stamps
	orphans  uint64 // messages that were delivered and then orphaned
	latency  *Latency
	messages atomic.Uint64 // delivered, orphaned ones included
	last     atomic.Uint64 // sequence of the latest message
	state    atomic.Uint32
	lent     atomic.Pointer[Report]
	filled   chan *Report // one at most: only one report is ever lent
}

// New returns a Tally of nothing yet. stamps says what receive stamps are worth.
func New(stamps Stamps) *Tally {
	return &Tally{stamps: stamps, latency: NewLatency(), filled: make(chan *Report, 1)}
}

// Messages is how many messages were delivered. Any goroutine may ask.
func (t *Tally) Messages() uint64 { return t.messages.Load() }

// Last is the sequence of the latest message, 0 before the first. Any goroutine
// may ask.
func (t *Tally) Last() uint64 { return t.last.Load() }

// State is what the receiver is doing. Any goroutine may ask.
func (t *Tally) State() recovery.State { return recovery.State(t.state.Load()) }

// Kept is how many of the delivered messages still are part of the session.
func (t *Tally) Kept() uint64 { return t.messages.Load() - t.orphans }

// Packet counts d, which is lent until Packet returns.
func (t *Tally) Packet(d recovery.Delivery) {
	if d.Type() != wire.TypeSequenced {
		return
	}
	if t.First == 0 {
		t.First, t.Begun = d.First()+uint64(d.Skip), d.Now
	}
	t.Session, t.Epoch, t.Latest = d.Session(), d.Epoch(), d.Now
	t.messages.Add(uint64(d.Messages()))
	t.last.Store(d.Next() - 1)
	t.Clocks.add(d)
	if _, ok := d.From.Line(); ok && d.Received != 0 {
		t.latency.add(d, t.stamps)
	}
	if t.lent.Load() != nil {
		t.fill(t.lent.Swap(nil), d)
	}
}

// Event counts e.
func (t *Tally) Event(e recovery.Event) {
	switch e.Kind {
	case recovery.EventLost:
		t.Lost.Add(e.First, e.Last, e.Cause.String())
		t.last.Store(e.Last)
	case recovery.EventOrphaned:
		t.orphans += e.Last - e.First + 1 - t.Lost.overlap(e.First, e.Last)
		t.Orphaned.Add(e.First, e.Last, "not in the journal of the next epoch")
		t.last.Store(e.First - 1)
	case recovery.EventEpoch:
		t.Epoch = e.Epoch
	case recovery.EventState:
		t.state.Store(uint32(e.State))
	}
}
