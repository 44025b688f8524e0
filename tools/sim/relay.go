package main

import (
	"errors"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// relay is what cmd/daemon's Relay does, with its loops as events: a receiver that
// journals what it delivers and serves repairs of it. It stands between a receiver
// and its view.
type relay struct {
	w    *world
	r    *receiver
	view *view
	disk *disk

	state   *journal.State
	cut     journal.Cut // of an epoch told of before the first packet
	writer  *journal.Writer
	history *history.History // nil until the first packet
	cuts    []retransmit.Cut
	server  *retransmit.Server
	shell   *shell
	defined []byte
	asOf    uint64 // of the last of them
	asIn    uint32 // their epoch
	next    uint64 // visible
	chain   uint64
	journal wire.JournalState
	died    bool
	broken  bool
	stale   bool // the journal is not what was recovered
	ended   bool
	life    int
}

const relayDir = "/relay"

func newRelay(w *world, r *receiver) *relay {
	return &relay{w: w, r: r, disk: newDisk(w, 7)}
}

func (y *relay) name() string    { return "relay" }
func (y *relay) now() wire.Nanos { return epochStart + y.w.k.now }

func (y *relay) options() journal.Options {
	return journal.Options{
		Dir: relayDir, Session: y.w.session, Channel: channel, SegmentBytes: y.w.o.Segment, SyncEvery: y.w.o.SyncEvery,
		Relay: true, FS: y.disk,
	}
}

// recover is the start: where the receiver goes on, and what it had seen there. It
// reports false when the journal cannot be read.
func (y *relay) recover(v *view) (resume *recovery.Position, ok bool) {
	y.life++
	*y = relay{w: y.w, r: y.r, view: v, disk: y.disk, life: y.life}
	y.disk.failed = false
	st, err := y.disk.recover(y.options())
	if err != nil {
		y.w.cover("relay does not start")
		if y.disk.off {
			y.disk.power()
		}
		return nil, false
	}
	y.state = st
	if y.empty() {
		return nil, true
	}
	y.w.cover("relay resumes")
	v.saw = seen{epoch: st.Epoch, told: st.Epoch, next: st.Last + 1, first: st.Last + 1}
	return &recovery.Position{Session: st.Session, Epoch: st.Epoch, Sequence: st.Last, Chain: st.Chain, Known: true}, true
}

// empty reports whether the journal may begin anywhere.
func (y *relay) empty() bool { return len(y.state.Cuts) == 0 }

// Packet implements recovery.Handler.
func (y *relay) Packet(d recovery.Delivery) {
	y.view.Packet(d)
	if d.Type() == wire.TypeSnapshot && y.history == nil {
		y.define(d.Packet)
	}
	if y.broken || d.Type() != wire.TypeSequenced || y.w.violation != nil {
		return
	}
	if y.history == nil && !y.opened(y.begin(d.Packet)) {
		return
	}
	y.keep(d.Packet)
}

// define keeps definitions of before the first packet.
func (y *relay) define(p wire.Packet) {
	if p.Epoch() != y.asIn && p.First()-1 != y.asOf {
		y.defined = nil
	}
	y.asOf, y.asIn = p.First()-1, p.Epoch()
	y.defined = history.AppendDefinitions(y.defined, p)
}

func (y *relay) keep(p wire.Packet) {
	err := y.history.Append(p, nil)
	if errors.Is(err, history.ErrUnwritten) {
		y.w.cover("relay's journal cannot keep up")
		y.journal = wire.JournalDead
		y.history.Abandon()
		err = y.history.Append(p, nil)
	}
	if err != nil {
		y.w.fail("relay: its history refuses packet %d of epoch %d: %v", p.First(), p.Epoch(), err)
		return
	}
	y.w.cover("relay keeps")
	y.next, y.chain = p.Next(), wire.ChainAfter(p)
}

// Event implements recovery.Handler.
func (y *relay) Event(e recovery.Event) {
	y.view.Event(e)
	switch {
	case y.broken || y.w.violation != nil:
		return
	case y.history == nil:
		if y.before(e); y.history == nil || y.broken {
			return
		}
	}
	switch e.Kind {
	case recovery.EventLost:
		y.w.cover("relay stops at a loss")
		y.fail("lost")
	case recovery.EventEpoch:
		y.epoch(journal.Cut{Epoch: e.Epoch, Cut: e.Last, Chain: e.Chain})
	case recovery.EventEnd:
		y.ended = true
	}
}

// before takes what happens between the journal's end and the first packet behind it.
func (y *relay) before(e recovery.Event) {
	switch {
	case e.Kind == recovery.EventLost && e.Cause == recovery.CauseUnavailable && y.empty():
	case e.Kind == recovery.EventLost:
		y.w.cover("relay stops at a loss before it began")
		y.fail("lost")
	case e.Kind == recovery.EventEpoch && !y.empty():
		y.cut = journal.Cut{Epoch: e.Epoch, Cut: e.Last, Chain: e.Chain}
	case !y.empty() && y.standsAt(e):
		y.w.cover("relay serves before a packet comes")
		y.opened(y.open(y.end()))
	}
}

// end is where the journal must go on.
func (y *relay) end() journal.Cut {
	c := y.cut
	if c.Epoch == 0 {
		c = journal.Cut{Epoch: y.state.Epoch, Cut: y.state.Last, Chain: y.state.Chain}
	}
	c.Previous = y.state.Epoch
	return c
}

// standsAt reports whether e says that the receiver has logged in and is, or ends, where
// the journal does.
func (y *relay) standsAt(e recovery.Event) bool {
	at := y.end()
	switch {
	case e.Epoch != at.Epoch:
		return false
	case e.Kind == recovery.EventEnd:
		return e.Last == at.Cut && e.Chain == at.Chain
	}
	live := e.Kind == recovery.EventState && (e.State == recovery.StateLive || e.State == recovery.StateRepairing)
	return live && e.First == at.Cut+1 && y.r.sub.Welcome().Channel.Session == y.state.Session
}

func (y *relay) continues(p wire.Packet) bool {
	at := y.end()
	return y.empty() || p.First() == at.Cut+1 && p.Chain() == at.Chain
}

// opened ends the relay where it could not be opened.
func (y *relay) opened(err error) bool {
	if y.stale = errors.Is(err, journal.ErrStale); y.stale {
		y.disk.changed(err)
	}
	if err != nil {
		y.fail("open: " + err.Error())
		y.w.k.after(0, y, tagDisk, y.life, nil) // where the power went, or it is to start again, it ends
	}
	return err == nil
}

func (y *relay) epoch(c journal.Cut) {
	c.Previous = y.newest().Epoch
	if c.Epoch <= c.Previous {
		return
	}
	if c.Cut < y.asOf {
		y.w.cover("relay stops at a cut below its definitions")
		y.fail("cut")
		return
	}
	y.w.cover("relay turns to an epoch")
	y.writer.Cut(c)
	y.history.Truncate(c.Cut, c.Chain)
	y.cuts = append(slices.Clone(y.cuts), retransmit.Cut(c))
	y.next, y.chain = c.Cut+1, c.Chain
}

func (y *relay) begin(p wire.Packet) error {
	if !y.continues(p) {
		y.w.fail("relay: %d does not continue its journal, and nothing said so", p.First())
		return errors.New("the first packet does not continue the journal")
	}
	return y.open(journal.Cut{Epoch: p.Epoch(), Previous: y.state.Epoch, Cut: p.First() - 1, Chain: p.Chain()})
}

// open opens journal, history and service.
func (y *relay) open(cut journal.Cut) (err error) {
	if y.writer, err = journal.Open(y.options(), y.state, cut); err != nil {
		return err
	}
	o := &y.w.o
	y.history, err = history.New(history.Config{Bytes: o.History, Slab: o.Slab, PacketSize: o.Packet, Older: y.writer}, cut.Cut+1)
	if err != nil {
		return err
	}
	y.history.SeedDefinitions(append(y.state.Definitions, y.defined...))
	for _, c := range y.state.Cuts {
		y.cuts = append(y.cuts, retransmit.Cut(c))
	}
	if cut.Epoch > y.state.Epoch {
		y.cuts = append(y.cuts, retransmit.Cut(cut))
	}
	y.journal, y.next, y.chain = wire.JournalAlive, cut.Cut+1, cut.Chain
	if y.server, err = retransmit.NewServer(y.w.serverConfig(), y); err != nil {
		return err
	}
	y.shell = &shell{w: y.w, host: hostRelay, server: y.server, clock: y.now,
		paused: func() wire.Nanos { return y.r.paused }}
	y.w.k.after(o.DiskIdle, y, tagDisk, y.life, nil)
	return nil
}

// wake is a turn of the disk loop.
func (y *relay) wake(_, life int, _ []byte) {
	switch {
	case life != y.life:
		return
	case y.disk.off || y.stale:
		y.restart(y.disk.off)
		return
	case y.writer == nil || y.died:
		return
	case y.r.paused > y.w.k.now:
		y.w.k.at(y.r.paused, y, tagDisk, life, nil)
		return
	}
	if _, err := y.writer.Step(y.history, y.now()); err != nil {
		if y.disk.off {
			y.restart(true)
			return
		}
		y.w.cover("relay's journal dead")
		if !y.disk.failed && y.journal != wire.JournalDead {
			y.w.fail("relay: the journal dies without a fault: %v", err)
		}
		y.died, y.journal = true, wire.JournalDead
		y.writer.Close()
		return
	}
	y.w.k.after(y.w.o.DiskIdle, y, tagDisk, life, nil)
}

// restart ends the process, inside a call of the disk where the power goes, and begins
// another.
func (y *relay) restart(power bool) {
	y.r.crash(power)
	y.w.k.after(y.w.o.Faults.Downtime, y.r, tagBegin, 0, nil)
}

// fail ends the service.
func (y *relay) fail(why string) {
	y.w.tell("relay", "stops: %s", why)
	y.broken = true
	if y.shell != nil {
		y.shell.drop(false)
		y.shell = nil
	}
}

// crash ends the process.
func (y *relay) crash(power bool) {
	y.life++
	if y.shell != nil {
		y.shell.drop(power)
		y.shell = nil
	}
	y.w.coverServer(y.server)
	if y.history != nil {
		y.history.Close()
	}
	y.history, y.writer, y.server = nil, nil, nil
	if power {
		y.disk.power()
	} else {
		y.disk.kill()
	}
	if !y.w.calm && y.r.rand.chance(y.w.o.Disk.Rot) {
		y.disk.rot(false)
	}
}

// finish is Close after the end of the session: the journal is whole.
func (y *relay) finish() {
	y.life++ // the disk loop drains, and ends
	if y.history == nil || y.broken || y.died || y.journal == wire.JournalDead {
		return
	}
	for y.history.Written()+1 < y.history.Next() {
		before := y.history.Written()
		n, err := y.writer.Step(y.history, y.now())
		if err != nil {
			y.w.cover("relay's journal dead")
			return
		}
		if n == 0 && y.history.Written() == before {
			y.w.fail("relay: its journal has written up to %d of %d, and finds nothing to write", before, y.history.Next()-1)
			return
		}
	}
	if err := y.writer.End(y.next-1, y.chain); err != nil || y.writer.Close() != nil {
		if !y.disk.failed {
			y.w.fail("relay: the journal cannot be ended at %d: %v", y.next-1, err)
		}
		return
	}
	y.w.cover("relay's journal ended")
	y.w.compareJournal(y.disk, relayDir, y.newest().Epoch)
}

// State implements retransmit.Live.
func (y *relay) State() retransmit.State {
	oldest, _ := y.history.Bounds()
	s := retransmit.State{
		Epoch: y.newest().Epoch, Cuts: y.cuts, Oldest: oldest, Next: y.next, Chain: y.chain,
		Durable: y.history.Durable(), Journal: y.journal, Ended: y.ended,
		Clock: wire.Clock{TAI: wire.TAIUnknown, Bound: wire.BoundUnknown},
	}
	y.w.ledger.relayed = max(y.w.ledger.relayed, oldest)
	if s.Ended {
		s.Last = s.Next - 1
	}
	return s
}

// newest is the cut of the epoch that the relay is in.
func (y *relay) newest() retransmit.Cut { return y.cuts[len(y.cuts)-1] }

// Bounds implements retransmit.Store.
func (y *relay) Bounds() (oldest, next uint64) { return y.history.Bounds() }

// Copy implements retransmit.Store.
func (y *relay) Copy(dst []byte, seq uint64) (int, error) {
	k, err := y.history.Copy(dst, seq)
	y.w.checkCopy(dst[:k], seq, y.newest().Epoch, err)
	return k, err
}

// Definitions implements retransmit.Store.
func (y *relay) Definitions() ([]byte, uint64) { return y.history.Definitions() }
