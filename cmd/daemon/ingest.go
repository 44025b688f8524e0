package daemon

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/sequencer"
	"github.com/tapecast/tapecast/sequencer/clock"
)

const (
	perTurn  = 2048                  // messages taken in one turn: about one batch of full packets
	perSend  = 64                    // packets handed to the publisher at once
	maxPause = wire.Nanos(1e6)       // ns that the loop sleeps at most: others may have news for it
	strictly = wire.Nanos(50 * 1000) // ns that it sleeps at most while it waits for the disk
)

// waiter is a source that knows when input arrives.
type waiter interface{ Wait(wire.Nanos) }

// ingest is the loop that orders and publishes. Its fields belong to it, but for
// the atomics, by which others talk to it.
type ingest struct {
	daemon *Daemon
	seq    *sequencer.Sequencer
	source feed.Source
	waiter waiter // the source, if it can wait for its input
	pub    *multicast.Publisher
	strict bool

	promised bool // nothing is stamped without a promise on time: intake stops instead

	now     wire.Nanos // of the turn
	eof     bool       // the source has nothing more
	lapsed  bool       // a stamp without a promise was due, and promised is set
	failed  error
	endedAt wire.Nanos // when the end was first seen published, 0 before
	batch   []wire.Packet
	control []byte
	one     [1]wire.Packet

	doze func(time.Duration) // of run

	firstSent, lastSent wire.Nanos // when the first and the last packets went out

	toldNext    uint64 // what tell last told
	toldJournal wire.JournalState

	sent      atomic.Uint64 // packets
	stop      atomic.Bool   // take nothing more and finish
	journal   atomic.Bool   // the disk loop failed: declare the journal dead
	finished  chan struct{} // closed when the loop is over
	sendFails atomic.Uint64
}

// run turns until the session is over or stop is set and all taken is published.
func (in *ingest) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(in.finished)
	if in.daemon.cfg.Wait == Block { // one that never sleeps is not woken up
		defer punctual()()
	}
	in.doze = dozer()
	for {
		now, c := in.daemon.clock.Read()
		busy := in.turn(now, c)
		if in.over(now) {
			return
		}
		if !busy {
			in.wait(now)
		}
	}
}

// turn does one turn and reports whether there was anything to do.
func (in *ingest) turn(now wire.Nanos, c wire.Clock) bool {
	in.now = now
	if in.promised && !in.seq.Ended() && !clock.Promises(c.State) { // after the end nothing is stamped
		in.lapsed = true
		in.stop.Store(true)
	}
	in.seq.Turn(now, c)
	if in.journal.Load() && in.journal.CompareAndSwap(true, false) {
		in.seq.JournalFailed()
	}
	n := in.take(now)
	if n < perTurn {
		in.seq.Flush()
	}
	sent := in.publish()
	if in.strict && !in.allPublished() {
		in.daemon.disk.nudge()
	}
	if p := in.seq.Control(in.control); p != nil {
		in.one[0] = p
		in.send(in.one[:])
	}
	in.tell()
	return n > 0 || sent
}

// take lets the source put what is due.
func (in *ingest) take(now wire.Nanos) int {
	if in.eof || in.stop.Load() || !in.daemon.mayStart() {
		return 0
	}
	n, err := in.source.Poll(now, in.seq, perTurn)
	if err == nil {
		return n
	}
	in.eof = true
	if !errors.Is(err, io.EOF) {
		in.failed = err
		return n
	}
	if in.daemon.cfg.EndAtEOF {
		in.seq.End()
	}
	return n
}

// publish sends what history has that was not sent: all of it in fast mode, what
// is durable in strict mode.
func (in *ingest) publish() bool {
	any := false
	for !in.allPublished() {
		in.batch = in.daemon.history.Unsent(perSend, in.batch[:0])
		if len(in.batch) == 0 {
			return any
		}
		any = true
		in.send(in.batch)
		in.lastSent = in.now
		if in.firstSent == 0 {
			in.firstSent = in.now
		}
		in.sent.Add(uint64(len(in.batch)))
		in.seq.Published(in.batch[len(in.batch)-1])
	}
	return any
}

// send gives a batch to the lines. What a line refuses is counted there and is
// repairable; the other line has it.
func (in *ingest) send(ps []wire.Packet) {
	if err := in.pub.Send(ps); err != nil {
		in.sendFails.Add(1)
	}
}

// tell lets the connections see where the stream is. It writes only what has changed:
// a store that others read costs as much as the rest of an idle turn.
func (in *ingest) tell() {
	l := &in.daemon.live
	if next, chain := in.seq.Visible(); next != in.toldNext {
		l.publish(next, chain)
		in.toldNext = next
	}
	if j := in.seq.Journal(); j != in.toldJournal {
		l.journal.Store(uint32(j))
		in.toldJournal = j
	}
	if in.seq.Ended() && in.allPublished() && !l.ended.Load() {
		l.ended.Store(true)
	}
}

func (in *ingest) allPublished() bool {
	next, _ := in.seq.Visible()
	return next == in.daemon.history.Next()
}

// over reports whether there is nothing more to do. It sends the rest first.
func (in *ingest) over(now wire.Nanos) bool {
	if in.stop.Load() || in.failed != nil {
		return in.allPublished() || in.seq.Journal() == wire.JournalDead
	}
	if !in.seq.Ended() || !in.allPublished() {
		return false
	}
	if in.endedAt == 0 {
		in.endedAt = now
	}
	since := max(in.endedAt, in.daemon.lastRequest())
	return now >= since+wire.Nanos(in.daemon.cfg.Linger)
}

// wait passes the time until something may be due, as configured.
func (in *ingest) wait(now wire.Nanos) {
	switch in.daemon.cfg.Wait {
	case Block:
		until := in.next(now)
		if until <= now {
			return
		}
		if in.waiter != nil && !in.stop.Load() {
			in.waiter.Wait(until - now)
			return
		}
		in.doze(time.Duration(until - now))
	case Yield:
		runtime.Gosched()
	}
}

// next is when there may be something to do again. A source that is due although
// it gave nothing was refused: the disk has to catch up first.
func (in *ingest) next(now wire.Nanos) wire.Nanos {
	until := min(in.seq.Due(), now+maxPause)
	if in.strict && !in.allPublished() {
		until = min(until, now+strictly)
	}
	if in.eof || in.stop.Load() || !in.daemon.mayStart() {
		return until
	}
	if in.waiter != nil {
		return until
	}
	due := in.source.Due(now)
	if due <= now {
		due = now + strictly
	}
	return min(until, due)
}
