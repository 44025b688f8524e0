package main

import (
	"errors"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// Tags of a node's events. n is the process that it is meant for, where there may
// have been others since.
const (
	tagIngest = iota
	tagDisk
	tagStart
)

const (
	perTurn = 2048 // as cmd/daemon's
	perSend = 64
)

// node is the sequencer's host, and the process on it: what cmd/daemon composes,
// with its loops as events.
type node struct {
	w       *world
	rand    *random
	clock   clock
	stepped wire.Nanos // what the host's clock was stepped by since the process began
	disk    *disk

	process int        // counts them
	up0     wire.Nanos // when this one was up
	up      bool
	dark    bool // no power
	paused  wire.Nanos
	slow    wire.Nanos // until when the disk loop waits longer
	stop    bool       // SIGTERM came: take no more, finish
	waiting bool       // a start is scheduled

	state   *journal.State
	cut     journal.Cut
	cuts    []retransmit.Cut
	writer  *journal.Writer // nil without a journal
	history *history.History
	seq     *sequencer.Sequencer
	server  *retransmit.Server
	shells  []*shell

	failed  bool       // the disk loop met an error that the ingest loop has not heard of
	buried  int        // 1 and the packets committed since the ingest loop heard of it
	spoke   wire.Nanos // the last control packet
	stamp   wire.Nanos // what is put now is stamped
	died    bool       // the journal is dead
	told    wire.JournalState
	ended   bool
	next    uint64 // as the ingest loop told
	chain   uint64
	due     wire.Nanos // of the ingest turn scheduled
	timer   int
	batch   []wire.Packet
	control []byte
}

func newNode(w *world) *node {
	n := &node{w: w, rand: newRandom(w.seed, 4), disk: newDisk(w, 3)}
	n.clock = clock{base: epochStart, ppm: n.rand.span(-w.o.Faults.Drift, w.o.Faults.Drift)}
	return n
}

func (n *node) name() string { return "sequencer" }

func (n *node) now() wire.Nanos { return n.clock.read(n.w.k.now) }

func (n *node) wake(tag, process int, _ []byte) {
	switch k := &n.w.k; {
	case tag == tagStart:
		n.waiting = false
		if !n.up {
			n.start()
		}
	case !n.up:
	case tag == tagIngest && process != n.timer, tag == tagDisk && process != n.process:
	case n.paused > k.now:
		k.at(n.paused, n, tag, process, nil)
	case tag == tagIngest:
		n.turn()
	case tag == tagDisk:
		n.diskTurn()
	}
}

// turn is one of the ingest loop.
func (n *node) turn() {
	n.due = 0
	now := n.now()
	if n.rand.chance(n.w.o.Faults.Backward) {
		n.w.cover("clock goes back")
		now -= n.rand.times(1, millisecond)
	}
	n.stamp = max(n.stamp, now)
	n.seq.Turn(now, wire.Clock{TAI: wire.TAIUnknown, ID: uint32(n.process), Bound: wire.BoundUnknown})
	if n.failed {
		n.failed, n.buried = false, 1
		n.seq.JournalFailed()
	}
	if n.take(now) < perTurn && n.rand.n(4) > 0 { // else there is more, as far as it knows
		n.seq.Flush()
	}
	n.publish()
	if p := n.seq.Control(n.control); p != nil {
		n.spoke = now
		n.w.noteControl(p)
		n.send([]wire.Packet{append(wire.Packet(nil), p...)})
	} else if now >= n.spoke+n.w.o.Heartbeat {
		n.w.fail("I16 heartbeats: the last control packet was %v ago", (now - n.spoke).Duration())
	}
	n.tell()
	if n.stop {
		n.seq.Flush()
	}
	if n.stop && n.allPublished() && (n.writer == nil || n.died || n.history.Written()+1 >= n.history.Next()) {
		n.finish()
		return
	}
	n.schedule(n.sleep(now))
}

// schedule has the next turn of the ingest loop in d.
func (n *node) schedule(d wire.Nanos) {
	k := &n.w.k
	if n.due != 0 && n.due <= k.now+d {
		return
	}
	n.timer++
	n.due = k.now + d
	k.after(d, n, tagIngest, n.timer, nil)
}

// sleep is how long the ingest loop may.
func (n *node) sleep(now wire.Nanos) wire.Nanos {
	d := min(n.seq.Due()-now, n.w.o.IngestIdle)
	for _, in := range n.w.inputs {
		if !in.finished() && !n.stop {
			d = min(d, in.due-n.w.k.now)
		}
	}
	return max(d, 20*microsecond)
}

// take lets the inputs put what is due, in turns.
func (n *node) take(now wire.Nanos) (taken int) {
	if n.stop || n.seq.Ended() {
		return 0
	}
	for _, in := range n.w.inputs {
		for !in.finished() && in.due <= n.w.k.now && taken < perTurn {
			n.w.text = n.w.makeMessage(n.w.text[:0], in.index, in.next)
			if n.rand.n(64) == 0 {
				n.stammer(in)
			}
			err := n.seq.Put(feed.Input{ID: feed.InputID(in.id), Seq: in.next}, n.w.text)
			if errors.Is(err, feed.ErrFull) {
				n.w.cover("input refused: full")
				return taken
			}
			if err != nil {
				n.w.fail("inputs: message %d of input %d is refused: %v", in.next, in.index, err)
				return taken
			}
			taken++
			n.w.ledger.put = append(n.w.ledger.put, n.stamp)
			in.pace(n.w.k.now, &n.w.o)
		}
	}
	if n.w.closing && n.w.inputsFinished() && !n.seq.Ended() {
		n.seq.End()
	}
	return taken
}

// stammer is an input that says something again, or leaves something out.
func (n *node) stammer(in *input) {
	seq, want := in.next+1, feed.ErrInputGap
	if n.rand.n(2) == 0 {
		seq, want = in.next-1-uint64(n.rand.n(3)), feed.ErrDuplicate
	}
	if seq == 0 || seq > in.next+1 {
		return
	}
	n.w.cover("input told: " + want.Error())
	if err := n.seq.Put(feed.Input{ID: feed.InputID(in.id), Seq: seq}, n.w.text); !errors.Is(err, want) {
		n.w.fail("inputs: message %d of input %d after %d is answered %v, not %v", seq, in.index, in.next-1, err, want)
	}
}

// publish sends what history has that was not sent.
func (n *node) publish() {
	for {
		n.batch = n.history.Unsent(perSend, n.batch[:0])
		if len(n.batch) == 0 {
			return
		}
		last := n.batch[len(n.batch)-1]
		n.send(n.batch)
		n.seq.Published(last)
	}
}

// send is the publisher: every packet of a run padded to one size, on every line.
func (n *node) send(ps []wire.Packet) {
	if n.w.violation != nil {
		return
	}
	if ps[0].Type() == wire.TypeSequenced {
		for i, p := range ps {
			ps[i] = n.w.ledger.sending(p)
		}
	}
	for len(ps) > 0 {
		k, size := nextRun(ps)
		for i, p := range ps[:k] {
			b := []byte(p)
			if i < k-1 && len(b) < size {
				n.w.cover("datagram padded")
				b = append(append(make([]byte, 0, size), b...), make([]byte, size-len(b))...)
			}
			for line := range n.w.net.lines {
				n.w.net.multicast(line, b)
			}
		}
		ps = ps[k:]
	}
}

// nextRun is the publisher's rule: as many packets as 64 KB and 64 segments take,
// all but the last padded to the longest while that costs less than a twentieth.
func nextRun(ps []wire.Packet) (packets, padded int) {
	const maxSegments, maxRun, padShare = 64, 65507, 20
	packets, padded = 1, len(ps[0])
	size, sum := len(ps[0]), len(ps[0])
	for n := 2; n <= min(len(ps), maxSegments); n++ {
		last := len(ps[n-1])
		size, sum = max(size, last), sum+last
		bytes := size*(n-1) + last
		if bytes > maxRun {
			break
		}
		if (bytes-sum)*padShare < bytes {
			packets, padded = n, size
		}
	}
	return packets, padded
}

// tell lets the connections see where the stream is.
func (n *node) tell() {
	n.next, n.chain = n.seq.Visible()
	n.told = n.seq.Journal()
	if n.ended = n.seq.Ended() && n.allPublished(); n.ended {
		n.w.ledger.end()
	}
}

func (n *node) allPublished() bool {
	next, _ := n.seq.Visible()
	return next == n.history.Next()
}

// diskTurn is one of the disk loop.
func (n *node) diskTurn() {
	taken, err := n.writer.Step(n.history, n.now())
	if n.disk.off {
		n.crash(true)
		return
	}
	if n.w.o.Durability == wire.JournalStrict { // it can be seen, so it must survive
		n.w.ledger.advertise(n.history.Durable(), 0)
	}
	if err != nil {
		n.w.tell("sequencer", "journal: %v", err)
		n.w.cover("journal dead")
		n.w.coverError(err)
		if !n.disk.failed && n.seq.Journal() != wire.JournalDead {
			n.w.fail("journal: dies without a fault: %v", err)
		}
		n.failed, n.died = true, true
		n.writer.Close()
		n.journalDied()
		return
	}
	if n.w.closing && n.seq.Ended() && n.history.Written()+1 >= n.history.Next() && !n.died {
		n.endJournal()
		return
	}
	n.acknowledge()
	idle := n.w.o.DiskIdle
	if n.slow > n.w.k.now {
		n.w.cover("disk slow")
		idle = n.slow - n.w.k.now
	}
	if taken > 0 {
		idle = min(idle, 50*microsecond)
	}
	n.w.k.after(idle, n, tagDisk, n.process, nil)
}

// seen is what the other loops may see at any moment of a disk turn.
func (n *node) seen() {
	if !n.up || n.history == nil || n.writer == nil {
		return
	}
	if n.w.o.Durability == wire.JournalStrict {
		n.w.ledger.advertise(n.history.Durable(), 0)
	}
	n.acknowledge()
}

// acknowledge tells the inputs what is journalled.
func (n *node) acknowledge() {
	for _, in := range n.w.inputs {
		in.acked = max(in.acked, n.writer.Acknowledged(feed.InputID(in.id)))
		if in.acked >= in.next {
			n.w.fail("inputs: %d of input %d is acknowledged, but only %d were sent", in.acked, in.index, in.next-1)
		}
	}
}

// endJournal writes the end of the session, as the disk loop does when it drains.
func (n *node) endJournal() {
	last, chain := n.seq.Last()
	if err := n.writer.End(last, chain); err != nil {
		n.w.fail("journal: the end at %d is refused: %v", last, err)
		return
	}
	n.w.cover("journal ended")
}

// State implements retransmit.Live.
func (n *node) State() retransmit.State {
	oldest, _ := n.history.Bounds()
	s := retransmit.State{
		Epoch: n.cut.Epoch, Cuts: n.cuts, Oldest: oldest, Next: n.next, Chain: n.chain,
		Durable: n.history.Durable(), Journal: n.told,
		Clock: wire.Clock{TAI: wire.TAIUnknown, Bound: wire.BoundUnknown}, Ended: n.ended,
	}
	if s.Journal == wire.JournalNone {
		s.Durable = 0
	}
	if s.Ended {
		s.Last = n.next - 1
	}
	n.w.ledger.advertise(s.Durable, oldest)
	return s
}

// Bounds, Copy and Definitions implement retransmit.Store.

// Bounds implements retransmit.Store.
func (n *node) Bounds() (oldest, next uint64) { return n.history.Bounds() }

// Copy implements retransmit.Store.
func (n *node) Copy(dst []byte, seq uint64) (int, error) {
	k, err := n.history.Copy(dst, seq)
	n.w.checkCopy(dst[:k], seq, n.cut.Epoch, err)
	return k, err
}

// Definitions implements retransmit.Store.
func (n *node) Definitions() ([]byte, uint64) { return n.history.Definitions() }
