package main

import (
	"fmt"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

const (
	epochStart  = wire.Nanos(1_700_000_000) * second // what clocks say when a world begins
	channel     = 7
	journalDir  = "/journal"
	sessionName = "SIM"
)

// start is what cmd/daemon's Open does: recover, take the next epoch, open.
func (n *node) start() {
	n.process++
	n.clock.step(n.w.k.now, n.stepped) // a process reads the host's clock once, and counts on by itself
	n.stepped = 0
	n.dark, n.stop, n.failed, n.died, n.ended, n.slow, n.buried, n.disk.failed = false, false, false, false, false, 0, 0, false
	n.spoke = n.now()
	err := n.open()
	if n.disk.off {
		n.w.cover("power cut while starting")
		n.crash(true)
		return
	}
	if err != nil {
		n.w.tell("sequencer", "does not start: %v", err)
		n.w.cover("start refused")
		n.w.coverError(err)
		n.close(false)
		n.restart(n.w.o.Faults.Downtime)
		return
	}
	n.up = true
	n.w.tell("sequencer", "process %d, epoch %d after %d", n.process, n.cut.Epoch, n.cut.Cut)
	n.schedule(0)
	if n.writer != nil {
		n.w.k.after(n.w.o.DiskIdle, n, tagDisk, n.process, nil)
	}
}

func (n *node) open() error {
	if err := n.recover(); err != nil {
		return err
	}
	epoch := max(n.state.Epoch+1, uint32(n.now()/second))
	n.cut = journal.Cut{Epoch: epoch, Previous: n.state.Epoch, Cut: n.state.Last, Chain: n.state.Chain}
	if n.journalled() {
		w, err := journal.Open(n.options(), n.state, n.cut)
		if err != nil {
			return err
		}
		n.writer = w
	}
	if n.disk.off {
		return errPower
	}
	n.disk.during = n.seen
	n.w.ledger.begin(n.cut.Epoch, n.cut.Previous, n.cut.Cut, n.cut.Chain)
	return n.compose()
}

func (n *node) journalled() bool { return n.w.o.Durability != wire.JournalNone }

func (n *node) options() journal.Options {
	return journal.Options{
		Dir: journalDir, Session: n.w.session, Channel: channel, SegmentBytes: n.w.o.Segment,
		Strict: n.w.o.Durability == wire.JournalStrict, SyncEvery: n.w.o.SyncEvery, Prewrite: n.w.o.Prewrite, FS: n.disk,
	}
}

// recover reads the journal.
func (n *node) recover() (err error) {
	n.state = &journal.State{Session: n.w.session, Channel: channel}
	if n.journalled() {
		n.state, err = n.disk.recover(n.options())
	}
	return err
}

// compose makes history, sequencer, server and inputs ready.
func (n *node) compose() error {
	o := &n.w.o
	c := history.Config{Bytes: o.History, Slab: o.Slab, PacketSize: o.Packet, Durable: o.Durability == wire.JournalStrict}
	if n.writer != nil {
		c.Older = n.writer
	}
	h, err := history.New(c, n.cut.Cut+1)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	h.SeedDefinitions(n.state.Definitions)
	if n.writer == nil {
		h.Abandon()
	}
	n.history = h
	n.seq, err = sequencer.New(sequencer.Config{
		Channel: channel, Session: n.w.session, Epoch: n.cut.Epoch, Previous: n.cut.Previous,
		Cut: n.cut.Cut, CutChain: n.cut.Chain, Stamp: n.state.Stamp, PacketSize: o.Packet,
		Heartbeat: o.Heartbeat, Journal: o.Durability, Inputs: n.state.Inputs,
	}, recorder{h, n.w})
	if err != nil {
		return err
	}
	n.cuts = nil
	for _, cut := range append(n.state.Cuts[:len(n.state.Cuts):len(n.state.Cuts)], n.cut) {
		n.cuts = append(n.cuts, retransmit.Cut(cut))
	}
	n.stamp, n.up0 = n.state.Stamp, n.w.k.now
	n.w.ledger.put = n.w.ledger.put[:0]
	n.tell()
	if err := n.serve(); err != nil {
		return err
	}
	return n.register()
}

// serve opens the retransmit service at the host's addresses.
func (n *node) serve() (err error) {
	n.server, err = retransmit.NewServer(n.w.serverConfig(), n)
	n.shells = nil
	for host := hostServer; host <= hostAlias; host++ {
		n.shells = append(n.shells, &shell{w: n.w, host: host, clock: n.now, server: n.server,
			paused: func() wire.Nanos { return n.paused }})
	}
	return err
}

// register lets every input say where it goes on.
func (n *node) register() error {
	for _, in := range n.w.inputs {
		id, last, err := n.seq.Register(in.label)
		if err != nil {
			return err
		}
		if want := n.w.ledger.inputs[in.index]; last != want {
			n.w.fail("inputs: input %d is to go on after %d, the session has it up to %d", in.index, last, want)
		}
		if n.promised() && last < in.acked {
			n.w.fail("inputs: %d of input %d was acknowledged, and is gone: it goes on after %d", in.acked, in.index, last)
		}
		if last+1 < in.next {
			n.w.cover("input resubmits")
		}
		in.id, in.next, in.acked = uint16(id), last+1, min(in.acked, last)
		in.due = max(in.due, n.w.k.now)
	}
	return nil
}

// promised reports whether what was acknowledged must have survived: in strict mode
// always, in fast mode unless the power went.
func (n *node) promised() bool {
	return n.w.o.Durability == wire.JournalStrict || n.w.o.Durability == wire.JournalAlive && !n.w.powerLost
}

// crash ends the process at once.
func (n *node) crash(power bool) {
	n.w.cover("sequencer crash")
	n.w.tell("sequencer", "crashes, power cut %v, at %d", power, n.w.ledger.next-1)
	n.dark = power
	n.w.powerLost = n.w.powerLost || power
	n.close(power)
	if power {
		n.disk.power()
	} else {
		n.disk.kill()
	}
	if !n.w.calm && n.rand.chance(n.w.o.Disk.Rot) {
		n.disk.rot(false)
	}
	n.restart(n.w.o.Faults.Downtime)
}

// finish is the end of a process that was told to stop.
func (n *node) finish() {
	n.w.cover("sequencer stopped")
	if n.writer != nil && !n.died {
		if err := n.writer.Close(); err != nil && !n.disk.off {
			n.w.tell("sequencer", "close: %v", err)
		}
	}
	if n.disk.off {
		n.crash(true)
		return
	}
	n.close(false)
	n.disk.kill()
	n.restart(n.w.o.Faults.Downtime)
}

// close drops everything that the process had.
func (n *node) close(power bool) {
	n.up, n.due = false, 0
	n.timer++
	for _, s := range n.shells {
		s.drop(power)
	}
	n.shells, n.disk.during = nil, nil
	n.w.coverServer(n.server)
	if n.history != nil {
		n.history.Close()
		n.history = nil
	}
	n.writer, n.seq, n.server = nil, nil, nil
	n.disk.kill()
}

// restart starts a process in d. Without a journal only the clock tells epochs
// apart, to the second.
func (n *node) restart(d wire.Nanos) {
	if !n.journalled() {
		d = max(d, 1100*millisecond)
	}
	if n.waiting {
		return
	}
	n.waiting = true
	n.w.k.after(d, n, tagStart, 0, nil)
}

// journalDied is the operator who sees that the journal is dead. In strict mode
// nothing goes on without a restart; in fast mode it may.
func (n *node) journalDied() {
	if n.w.o.Durability == wire.JournalStrict || n.rand.n(2) == 0 {
		n.w.k.after(n.w.o.Faults.Downtime, n.w, tagOperator, n.process, nil)
	}
}

// recorder is history as the sequencer sees it; it shows every packet to the ledger.
type recorder struct {
	*history.History
	w *world
}

// Commit implements sequencer.History.
func (r recorder) Commit(p wire.Packet, progress []feed.Progress) {
	if n := r.w.node; n.buried > 0 && r.w.o.Durability == wire.JournalStrict {
		if n.buried++; n.buried > 2 { // the open packet is closed
			r.w.fail("I7 strict: packet %d is taken after the journal died", p.First())
		}
	}
	r.w.ledger.commit(p)
	r.History.Commit(p, progress)
}
