package main

import (
	"bytes"
	"errors"
	"io"
	"slices"

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
	last, chain := n.seq.Last()
	if err := n.writer.End(last+1, chain); !n.ended && !errors.Is(err, journal.ErrChain) {
		w.fail("journal: an end at %d is taken, where %d is the last: %v", last+1, last, err)
	} else if err != nil {
		w.coverError(err)
	}
	err := n.writer.Close()
	n.writer = nil
	if err != nil {
		w.fail("journal: close: %v", err)
		return
	}
	w.checkShut()
	w.compareJournal(w.node.disk, journalDir, n.cut.Epoch)
}

// checkShut looks who may still open the journal: nobody once the session is over, and
// nobody with an epoch that does not rise.
func (w *world) checkShut() {
	n := w.node
	st, err := journal.Recover(n.options())
	if err != nil {
		w.fail("journal: closed without a fault: %v", err)
		return
	}
	if !st.Clean || st.Torn != nil {
		w.fail("journal: closed in good order, and found clean %v, torn %v", st.Clean, st.Torn)
	}
	c := journal.Cut{Epoch: st.Epoch, Previous: st.Epoch, Cut: st.Last, Chain: st.Chain}
	want := journal.ErrEpoch
	if st.Ended {
		c.Epoch, want = st.Epoch+1, journal.ErrEnded
	}
	if _, err = journal.Open(n.options(), st, c); !errors.Is(err, want) {
		w.fail("I8 unique epochs: the journal, ended %v, is opened with epoch %d after %d: %v", st.Ended, c.Epoch, st.Epoch, err)
		return
	}
	w.coverError(err)
}

// compareJournal reads a journal back, and gives it to a Stream as a backtest does:
// what comes is the session as of that epoch, byte for byte, with its chain.
func (w *world) compareJournal(d *disk, dir string, epoch uint32) {
	r, err := journal.NewReader(d, dir, w.session)
	if err != nil {
		w.fail("I6 journal = wire: %v", err)
		return
	}
	defer r.Close()
	t := &tape{w: w}
	w.ledger.known(epoch, func(p wire.Packet) { t.want = append(t.want, p) })
	if st := r.State(); st.First > 1 { // a relay's, which began late
		t.want = slices.DeleteFunc(t.want, func(p wire.Packet) bool { return p.First() < st.First })
	}
	stream, err := recovery.NewStream(recovery.Config{Channel: channel, Session: w.session}, t)
	if err != nil {
		w.fail("I6 replay: %v", err)
		return
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			w.fail("I6 journal = wire: packet %d: %v", t.n, err)
			return
		}
		stream.Put(p, recovery.Replay, 0, wire.Nanos(t.n+1))
	}
	if pos := stream.Position(); t.n != len(t.want) || t.n > 0 && pos.Chain != wire.ChainAfter(t.want[t.n-1]) {
		w.fail("I6 replay = session: %d packets of %d, chain %x", t.n, len(t.want), pos.Chain)
	}
	w.cover("replayed")
}

// tape takes what a replay delivers.
type tape struct {
	w    *world
	want []wire.Packet
	n    int
}

// Packet implements recovery.Handler.
func (t *tape) Packet(d recovery.Delivery) {
	if t.n >= len(t.want) || d.Skip != 0 || !bytes.Equal(d.Packet, t.want[t.n]) {
		t.w.fail("I6 replay = session: packet %d (first %d) is not the session's", t.n, d.First())
	}
	t.n++
}

// Event implements recovery.Handler.
func (t *tape) Event(e recovery.Event) {
	if e.Kind == recovery.EventLost || e.Kind == recovery.EventOrphaned || e.Kind == recovery.EventAlert {
		t.w.fail("I6 replay = session: %v %d..%d %v", e.Kind, e.First, e.Last, e.Cause)
	}
}

// checkCopy compares what a store gives, which is in that epoch, with what was committed.
func (w *world) checkCopy(b []byte, seq uint64, epoch uint32, err error) {
	if err != nil {
		w.coverStore(err)
		return
	}
	for first := true; len(b) > 0; first = false {
		n, err := wire.Peek(b)
		if err != nil || n > len(b) {
			w.fail("I11 equal paths: the store gives %d bytes that are no packet: %v", len(b), err)
			return
		}
		p := wire.Packet(b[:n])
		if own := w.ledger.find(p.Epoch(), p.First()); !bytes.Equal(own, p) {
			w.fail("I11 equal paths: the store gives packet %d of epoch %d with other bytes than were committed", p.First(), p.Epoch())
			return
		}
		if e := w.ledger.owner(epoch, p.Next()-1); e != p.Epoch() {
			w.fail("I10 fence: the store gives packet %d of epoch %d in epoch %d, where it is epoch %d's", p.First(), p.Epoch(), epoch, e)
			return
		}
		if p.Next() <= seq || first && p.First() > seq {
			w.fail("I11 equal paths: the store gives %d..%d for %d", p.First(), p.Next()-1, seq)
			return
		}
		seq, b = p.Next(), b[n:]
	}
}
