package main

import (
	"bytes"
	"errors"
	"io"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// durableNow is the highest sequence that is durable at the sequencer, or was
// before it crashed.
func (l *ledger) durableNow() uint64 {
	if n := l.w.node; n.up {
		return max(l.durable, n.history.Durable())
	}
	return l.durable
}

// mostRequests is what a receiver may have asked for: each gap as often as attempts
// allow, in pieces that the server's range allows, once more what a connection left
// open when it broke, and what the window had no room for.
func (w *world) mostRequests(st *recovery.Stats) uint64 {
	const outstanding = 64
	pieces := st.Gaps + (st.Repaired+st.Lost+st.Orphaned)/w.o.Limits.Range + 1
	return 4*uint64(w.o.Attempts)*pieces + outstanding*(st.Logins+1) + st.Overflow
}

// checkEnd looks at everything once more when the world is over.
func (w *world) checkEnd() {
	if w.violation != nil {
		return
	}
	w.coverServer(w.node.server)
	for _, r := range w.receivers {
		if r.view != nil {
			r.view.balance()
			w.k.note(r.view.saw.delivered<<20 ^ r.view.saw.lost)
		}
	}
	w.k.note(w.ledger.chain)
	if w.node.journalled() && !w.node.died && w.node.up && w.node.told != wire.JournalDead {
		w.checkJournal()
	}
}

// checkJournal reads the journal back: it is the session, byte for byte.
func (w *world) checkJournal() {
	n := w.node
	for n.history.Written()+1 < n.history.Next() {
		if _, err := n.writer.Step(n.history, n.now()); err != nil {
			w.fail("journal: without a fault: %v", err)
			return
		}
	}
	err := n.writer.Close()
	n.writer = nil
	if err != nil {
		w.fail("journal: close: %v", err)
		return
	}
	var want []wire.Packet
	w.ledger.walk(func(p wire.Packet) { want = append(want, p) })
	w.compareJournal(want)
}

// compareJournal replays the journal, and compares what comes with the session.
func (w *world) compareJournal(want []wire.Packet) {
	r, err := journal.NewReader(w.node.disk, journalDir, w.session)
	if err != nil {
		w.fail("I6 journal = wire: %v", err)
		return
	}
	defer r.Close()
	for i := 0; ; i++ {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			if i != len(want) {
				w.fail("I6 journal = wire: replay ends after %d packets of %d", i, len(want))
			}
			w.cover("replayed")
			return
		}
		if err != nil {
			w.fail("I6 journal = wire: packet %d: %v", i, err)
			return
		}
		if i >= len(want) || !bytes.Equal(p, want[i]) {
			w.fail("I6 journal = wire: packet %d (first %d) is not the session's", i, p.First())
			return
		}
	}
}
