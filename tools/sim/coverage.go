package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// cover counts that something happened which a simulator must bring about.
func (w *world) cover(what string) { w.coverage[what]++ }

func (w *world) coverFrom(p recovery.Provenance) { w.cover("delivered by " + p.String()) }

func (w *world) coverEvent(e recovery.Event) {
	switch e.Kind {
	case recovery.EventState:
		w.cover("state " + e.State.String())
		if e.Cause != 0 {
			w.cover("because: " + e.Cause.String())
		}
	case recovery.EventLost, recovery.EventAlert:
		w.cover("event " + e.Kind.String())
		w.cover("because: " + e.Cause.String())
	default:
		w.cover("event " + e.Kind.String())
	}
}

// coverError counts why a session came to its end, or a process did not begin: the
// errors that others are made of.
func (w *world) coverError(err error) {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		w.coverError(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			w.coverError(one)
		}
	default:
		w.cover("error: " + err.Error())
	}
}

// coverStore counts what the store answers when it has no packets to give. One that
// cannot read its disk may lose what it has.
func (w *world) coverStore(err error) {
	var rot *journal.RotError
	if errors.As(err, &rot) {
		w.cover("store: rot")
		w.unreadable = true
		return
	}
	for _, e := range [...]error{feed.ErrGone, feed.ErrAhead, feed.ErrBusy, feed.ErrSmall} {
		if errors.Is(err, e) {
			w.cover("store: " + e.Error())
			return
		}
	}
	w.cover("store: cannot read")
	w.unreadable = true
}

// noteControl checks what a control packet says.
func (w *world) noteControl(p wire.Packet) {
	var st wire.Status
	if err := st.Decode(p); err != nil {
		w.fail("I6 packets are sound: control packet: %v", err)
		return
	}
	w.ledger.advertise(st.Durable, 0)
	switch n := w.node; {
	case n.buried > 0 && st.Journal != wire.JournalDead:
		w.fail("I7 durable: the journal is dead, and a control packet says that it is %d", st.Journal)
	case p.Type() == wire.TypeEnd && (st.Last != w.ledger.next-1 || p.First() != w.ledger.next):
		w.fail("I3 end: the end at %d is announced, the session has %d", st.Last, w.ledger.next-1)
	case st.Previous != n.cut.Previous || st.Cut != n.cut.Cut || st.CutChain != n.cut.Chain:
		w.fail("I9 epochs: a control packet tells of the cut %d, it is %d", st.Cut, n.cut.Cut)
	}
	if p.First() > w.ledger.sent+1 && p.First() > w.node.cut.Cut+1 {
		w.fail("I3 honest heartbeats: one tells of %d, only %d was sent", p.First()-1, w.ledger.sent)
	}
}

// coverServer counts what only a server's counters tell. Its process is over.
func (w *world) coverServer(s *retransmit.Server) {
	if s == nil {
		return
	}
	for code, n := range s.Stats().Refused {
		if n > 0 {
			w.coverage["refused: "+retransmit.Code(code).String()] += n
		}
	}
}

// table is the coverage of many seeds, as lines.
func table(coverage map[string]uint64) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(coverage)) {
		out = append(out, fmt.Sprintf("%12d  %s", coverage[name], name))
	}
	return out
}
