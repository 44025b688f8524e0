package main

import (
	"bytes"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// view is what a receiver's program was told, checked call by call. It is a
// recovery.Handler. Its value is what the program saves together with its position.
type view struct {
	w     *world
	who   string
	epoch func() uint32 // that the receiver is in
	from  uint64        // where it was asked to begin
	alone bool          // it knows no server
	tries *tries        // of its process
	saw   seen
	heard uint32 // the highest epoch that this process was told to exist

	defined map[uint64]bool // definitions that came as a snapshot, and hold
	asOf    uint64          // of the newest of these: the last sequence before them
	checked bool            // that they were all there, or need not be
}

// seen is the part of a view that survives a restart of the receiver.
type seen struct {
	epoch     uint32 // that the receiver was in at the last call
	told      uint32 // that it told of last
	next      uint64
	first     uint64
	stamp     wire.Nanos
	delivered uint64
	lost      uint64
	orphaned  uint64
	state     recovery.State
	ended     bool
}

// Packet implements recovery.Handler.
func (v *view) Packet(d recovery.Delivery) {
	if v.w.violation != nil {
		return
	}
	if d.From == recovery.Snapshot {
		v.snapshot(d.Packet)
		return
	}
	v.w.k.note(d.First()<<8 ^ uint64(d.From))
	v.w.coverFrom(d.From)
	s := &v.saw
	first := d.First() + uint64(d.Skip)
	switch {
	case s.ended:
		v.fail("I3 no silent gap: %d is delivered after the end", first)
	case d.Skip < 0 || d.Skip >= d.Count():
		v.fail("I2 no duplicate: packet %d of %d messages is delivered with %d skipped", d.First(), d.Count(), d.Skip)
	case s.next != 0 && first < s.next:
		v.fail("I2 no duplicate: %d is delivered, %d is next", first, s.next)
	case s.next != 0 && first > s.next:
		v.fail("I3 no silent gap: %d is delivered, %d is next", first, s.next)
	}
	v.follow(0)
	v.compare(d, first)
	if s.next == 0 {
		v.begin(first)
	}
	if !v.checked && !v.alone {
		v.checkDefined(first)
	}
	s.delivered += uint64(d.Messages())
	s.next = d.Next()
	if v.w.onDeliver != nil {
		v.w.onDeliver(v, d.CloseStamp())
	}
}

// begin is the first thing told of: it must be where the receiver was asked to begin.
func (v *view) begin(first uint64) {
	v.saw.first = first
	if v.from != recovery.FromNow && first != v.from {
		v.fail("I3 start: begins at %d, was asked to begin at %d", first, v.from)
	}
}

// compare holds what is delivered against the ledger.
func (v *view) compare(d recovery.Delivery, first uint64) {
	s, l := &v.saw, &v.w.ledger
	for _, seq := range [...]uint64{first, d.Next() - 1} {
		if e := l.owner(s.epoch, seq); e != d.Epoch() {
			v.fail("I10 fence: %d of epoch %d is delivered in epoch %d, where it is epoch %d's", seq, d.Epoch(), s.epoch, e)
			return
		}
	}
	own := l.find(d.Epoch(), d.First())
	if own == nil {
		v.fail("I4 nothing invented: packet %d of epoch %d was never committed", d.First(), d.Epoch())
		return
	}
	if !bytes.Equal(own, d.Packet) {
		v.fail("I11 equal paths: packet %d of epoch %d from %v is not as it was committed", d.First(), d.Epoch(), d.From)
		return
	}
	if v.w.o.Durability == wire.JournalStrict && d.Next()-1 > l.durableNow() {
		v.fail("I7 strict: %d is delivered before it is durable", d.Next()-1)
	}
	c := d.Cursor()
	for c.Next() {
		if c.Stamp() < s.stamp {
			v.fail("I5 stamps: that of message %d goes back", c.Sequence())
			return
		}
		s.stamp = c.Stamp()
	}
}

// Event implements recovery.Handler.
func (v *view) Event(e recovery.Event) {
	if v.w.violation != nil {
		return
	}
	v.w.k.note(uint64(e.Kind)<<56 ^ e.First<<24 ^ e.Last)
	v.w.coverEvent(e)
	s := &v.saw
	switch e.Kind {
	case recovery.EventLost:
		v.lost(e)
	case recovery.EventOrphaned:
		v.orphaned(e)
	case recovery.EventEpoch:
		v.enter(e)
	case recovery.EventState:
		s.state = e.State
	case recovery.EventEnd:
		v.end(e)
	case recovery.EventAlert:
		v.checked = v.checked || e.Cause == recovery.CauseUnavailable // no server gives definitions
		if e.Cause == recovery.CauseEpoch {
			v.heard = max(v.heard, e.Epoch)
		}
	}
	if e.Kind != recovery.EventState && v.w.log != nil {
		v.w.tell(v.who, "%v %d..%d epoch %d %v", e.Kind, e.First, e.Last, e.Epoch, e.Cause)
	}
}

// follow looks at which epoch the receiver is in now. What it delivered past the cut
// must be declared orphaned, from the sequence given on, before anything else.
func (v *view) follow(orphans uint64) {
	s := &v.saw
	now := v.epoch()
	if now == s.epoch {
		if orphans != 0 {
			v.fail("I3 orphans: from %d on, but the epoch is %d as before", orphans, now)
		}
		return
	}
	cut := v.w.ledger.cut(s.epoch, now)
	switch {
	case now < s.epoch:
		v.fail("I9 epochs: goes back from epoch %d to %d", s.epoch, now)
	case v.w.ledger.term(now) == nil:
		v.fail("I9 epochs: enters epoch %d, which nobody took", now)
	case s.epoch == 0:
	case s.next > cut+1 && orphans != cut+1:
		v.fail("I3 orphans: epoch %d ends epoch %d at %d, %d is next, and orphans are told from %d on (0: not at all)", now, s.epoch, cut, s.next, orphans)
	case orphans != 0 && s.next <= cut+1:
		v.fail("I3 orphans: told from %d on, but epoch %d goes on after %d", orphans, now, cut)
	}
	if s.epoch = now; cut < v.asOf {
		v.defined, v.asOf, v.checked = nil, 0, false // they are void, or replaced what is not
	}
}

func (v *view) lost(e recovery.Event) {
	s := &v.saw
	v.follow(0)
	if s.next != 0 && e.First != s.next || e.Last < e.First || e.Cause == 0 {
		v.fail("I3 honest loss: %d..%d lost because of %q, %d is next", e.First, e.Last, e.Cause, s.next)
		return
	}
	if e.Last >= v.w.ledger.next && s.epoch == v.w.ledger.terms[len(v.w.ledger.terms)-1].epoch {
		v.fail("I3 honest loss: %d..%d lost, but only %d exist", e.First, e.Last, v.w.ledger.next-1)
		return
	}
	oldest := v.w.ledger.oldest
	if !v.w.bothAnswer() { // only the relay may have answered
		oldest = max(oldest, v.w.ledger.relayed)
	}
	if e.Cause == recovery.CauseUnavailable && e.Last >= oldest && !v.w.o.Stranger && !v.w.unreadable {
		v.fail("I3 honest loss: %d..%d unavailable, but no server ever had less than from %d on", e.First, e.Last, v.w.ledger.oldest)
		return
	}
	if n, _ := depth(v.tries.asked, span{e.First, e.Last}); e.Cause == recovery.CauseAttempts && n < v.tries.attempts {
		v.fail("I13 as often as promised: %d..%d lost because of %q, and asked for %d times of %d", e.First, e.Last, e.Cause, n, v.tries.attempts)
		return
	}
	if v.w.calm && !v.alone && e.Cause != recovery.CauseUnavailable && !v.w.settling() {
		v.fail("I16 liveness: %d..%d lost because of %q without a fault", e.First, e.Last, e.Cause)
		return
	}
	if s.next != 0 || e.Cause != recovery.CauseUnavailable {
		v.checked = true // what was lost may have defined instruments
	}
	if s.next == 0 {
		v.begin(e.First)
	}
	s.lost += e.Last - e.First + 1
	s.next = e.Last + 1
}

func (v *view) orphaned(e recovery.Event) {
	s := &v.saw
	v.follow(e.First)
	if s.next == 0 || e.Last != s.next-1 || e.First > e.Last {
		v.fail("I3 orphans: %d..%d declared, %d is next", e.First, e.Last, s.next)
		return
	}
	if v.w.o.Durability == wire.JournalStrict {
		v.fail("I7 strict has no orphans: %d..%d", e.First, e.Last)
		return
	}
	s.orphaned += e.Last + 1 - max(e.First, s.first) // what came before its start was never here
	s.next, s.stamp = e.First, 0
	s.first = min(s.first, e.First)
}

func (v *view) enter(e recovery.Event) {
	s, l := &v.saw, &v.w.ledger
	v.follow(0)
	switch {
	case l.term(e.Epoch) == nil:
		v.fail("I9 epochs: tells of epoch %d, which nobody took", e.Epoch)
	case e.Epoch <= s.told || e.Epoch > s.epoch:
		v.fail("I9 epochs: tells of epoch %d after %d, in epoch %d", e.Epoch, s.told, s.epoch)
	case s.next != 0 && e.Last != s.next-1:
		v.fail("I9 epochs: epoch %d is said to go on after %d, %d is next", e.Epoch, e.Last, s.next)
	}
	s.told = e.Epoch
}

// end must be where the receiver is, and where the session ended in its epoch, or in a
// later one that went on there. That an epoch came after that end cannot be known by
// who did not hear of one.
func (v *view) end(e recovery.Event) {
	l := &v.w.ledger
	switch t := l.endAt(e.Epoch, e.Last, e.Chain); {
	case t == nil || v.saw.next != 0 && v.saw.next != e.Last+1:
		v.fail("I3 end: the end at %d of epoch %d is told, %d is next; the session has %d", e.Last, e.Epoch, v.saw.next, l.next-1)
	case t.epoch < v.heard && l.term(v.heard) != nil:
		v.fail("I3 later epoch: the end of epoch %d is told, after epoch %d was heard of", t.epoch, v.heard)
	case t != l.terms[len(l.terms)-1]:
		v.w.cover("end of an epoch that was cut")
	}
	v.saw.ended = true
}

// balance checks the books: what exists is delivered, declared lost or orphaned.
func (v *view) balance() {
	s := &v.saw
	if s.next != 0 && s.delivered+s.lost != s.next-s.first+s.orphaned {
		v.fail("I3 balance: from %d to %d there are %d, but %d delivered, %d lost, %d orphaned",
			s.first, s.next-1, s.next-s.first, s.delivered, s.lost, s.orphaned)
	}
}

func (v *view) fail(format string, args ...any) {
	v.w.fail(v.who+": "+format, args...)
}
