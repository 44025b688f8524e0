package recovery

import "github.com/tapecast/tapecast/feed/wire"

// admit decides on a packet of another epoch than ours, which it may enter.
func (s *Stream) admit(d *Delivery) bool {
	if d.Epoch() < s.epoch {
		if s.void(d) {
			s.stats.Fenced++
			return false
		}
		return true
	}
	if s.follows(d) {
		s.fences.add(d.Epoch(), s.next-1)
		s.enter(d.Epoch(), s.next-1, d.Chain(), d.Now)
		return true
	}
	s.stats.Early++
	s.want(d.Epoch(), d.Now)
	if cut := d.First() - 1; s.bound.epoch == 0 || cut < s.bound.cut {
		s.bound = fence{d.Epoch(), cut, d.Chain()}
	}
	return d.First() > s.next
}

// origin is the epoch that the stream begins in. Where those before it ended is
// not known yet.
func (s *Stream) origin(epoch uint32) {
	s.epoch = epoch
	s.fences.skip(1, max(epoch, 1)-1)
}

// void reports whether a packet of a lower epoch is past a cut, or may be.
func (s *Stream) void(d *Delivery) bool {
	_, line := d.From.Line()
	return s.fences.void(d.Epoch(), d.Next()-1) || line && s.fences.dark(d.Epoch())
}

// follows reports whether a packet of a higher epoch proves by its chain that it
// goes on where we are: nothing that we delivered is past a cut.
func (s *Stream) follows(d *Delivery) bool {
	return s.known && d.First() == s.next && d.Chain() == s.chain
}

// want remembers that an epoch exists whose cut must be learnt.
func (s *Stream) want(epoch uint32, now wire.Nanos) {
	if s.wants == 0 {
		s.wanted = now
	}
	if epoch > s.wants {
		s.wants, s.denied = epoch, 0
	}
	if epoch > s.warned {
		s.warned = epoch
		s.emit(Event{Kind: EventAlert, Cause: CauseEpoch, Epoch: epoch, First: s.next, Last: s.next, Now: now})
	}
}

// forget throws away what is held: the stream goes on behind what was delivered.
func (s *Stream) forget(now wire.Nanos) {
	s.win.purge(s.next, s.edge, func(*Delivery) bool { return true })
	s.recount(now)
}

// doubt throws away what claims to be of an epoch that a server denied.
func (s *Stream) doubt(now wire.Nanos) {
	s.win.purge(s.next, s.edge, func(d *Delivery) bool { return d.Epoch() > s.epoch })
	s.recount(now)
	s.drain(now)
}

// enter begins an epoch: what it does not contain of what was delivered is
// orphaned, what is held of it is thrown away, and everything after its cut is
// expected anew. cut is the lowest of all epochs above ours; the caller tells the
// fences about those between.
func (s *Stream) enter(epoch uint32, cut, chain uint64, now wire.Nanos) {
	s.fences.add(s.epoch+1, cut)
	if cut < s.asOf {
		s.undefine(now) // they may be void, and others missing that they replaced
	}
	known := s.epoch
	s.epoch, s.entered = epoch, now
	if s.wants <= epoch {
		s.wants = 0
	}
	for i := range s.lines {
		s.lines[i].rewind(epoch, cut)
	}
	low := s.next
	s.rewind(cut, chain, now)
	s.win.purge(low, s.edge, func(d *Delivery) bool {
		missed := d.Epoch() > known && s.fences.dark(d.Epoch()) // who brought it knew no later cut
		return missed || s.void(d) || d.Next()-s.next > windowSequences
	})
	s.recount(now)
	s.beyond, s.end, s.alerted, s.bound = 0, false, 0, fence{}
	if s.next == cut+1 && !s.fences.dark(epoch-1) {
		s.tell(epoch, chain, now)
	}
	s.drain(now)
}

// tell announces an epoch to the handler where it goes on: after missed epochs, not
// before what they left. What comes before anything was delivered is the first epoch.
func (s *Stream) tell(epoch uint32, chain uint64, now wire.Nanos) {
	if s.told != 0 && s.begun {
		s.emit(Event{Kind: EventEpoch, Epoch: epoch, Last: s.next - 1, Chain: chain, Now: now})
	}
	s.told = epoch
}

// rewind goes back to the cut.
func (s *Stream) rewind(cut, chain uint64, now wire.Nanos) {
	switch {
	case s.next == 0 || s.next <= cut:
		return
	case s.next == cut+1:
		if s.known && s.chain != chain {
			s.oppose(s.next, s.next, now)
			return
		}
	case s.begun:
		s.stats.Orphaned += s.next - 1 - cut
		s.stats.First = min(s.stats.First, cut+1)
		s.emit(Event{Kind: EventOrphaned, First: cut + 1, Last: s.next - 1, Epoch: s.epoch, Now: now})
	case s.cfg.From != FromNow:
		return // nothing was delivered, and what was asked for has not come
	}
	s.next, s.chain, s.known = cut+1, chain, true
	s.edge = max(s.edge, s.next)
}

// recount finds the gaps anew from what the window holds.
func (s *Stream) recount(now wire.Nanos) {
	high := s.next
	if !s.win.empty() {
		high = min(s.edge, s.next+windowSequences)
	}
	s.gaps.list = s.gaps.list[:0]
	s.edge = s.next
	for seq := s.next; seq < high; seq++ {
		if !s.win.has(seq) {
			continue
		}
		if seq > s.edge && !s.expose(seq, now) {
			s.win.purge(seq, high, func(*Delivery) bool { return true })
			return
		}
		s.edge = seq + 1
	}
}

// control takes a heartbeat, an epoch announcement or an end of session.
func (s *Stream) control(p wire.Packet, from Provenance, now wire.Nanos) {
	var st wire.Status
	if st.Decode(p) != nil || p.First() == 0 {
		s.stats.Bad++
		return
	}
	s.stats.Control++
	if i, ok := from.Line(); ok {
		s.lines[i].control(p, now)
	}
	s.heard = now
	if s.next == 0 && len(s.cfg.Servers) == 0 {
		s.origin(p.Epoch())
		s.next, s.edge, s.chain, s.known = p.First(), p.First(), p.Chain(), true
	}
	if s.next == 0 || s.ended || !s.current(p, &st, from, now) {
		return
	}
	s.durability(&st, from, now)
	s.exists(p.First(), from, now)
	s.compare(p, from, now)
	if p.Type() == wire.TypeEnd {
		s.close(st.Last, p.Chain(), now)
	}
}

// durability notes what the sequencer says of its journal, and alerts once an epoch
// when it is dead. What a server says of its own journal is not the sequencer's.
func (s *Stream) durability(st *wire.Status, from Provenance, now wire.Nanos) {
	if _, line := from.Line(); !line {
		return
	}
	s.stats.Journal, s.stats.Durable = st.Journal, max(s.stats.Durable, st.Durable)
	if st.Journal == wire.JournalDead && s.mourned != s.epoch {
		s.mourned = s.epoch
		s.emit(Event{Kind: EventAlert, Cause: CauseJournal, First: st.Durable + 1, Last: max(st.Durable+1, s.edge-1), Epoch: s.epoch, Now: now})
	}
}

// current reports whether a control packet is of our epoch, which it may raise.
func (s *Stream) current(p wire.Packet, st *wire.Status, from Provenance, now wire.Nanos) bool {
	_, line := from.Line()
	switch e := p.Epoch(); {
	case e == s.epoch:
		if line && st.Previous != 0 {
			s.fences.add(e, st.Cut)
			s.fences.light(st.Previous)
		}
	case e < s.epoch:
		s.stats.Fenced++
		return false
	case line && st.Previous == s.epoch:
		s.enter(e, st.Cut, st.CutChain, now)
	case st.Previous == s.epoch, st.Previous < s.epoch && st.Cut+1 >= s.next && (line || st.Previous != 0 || st.Cut == 0):
		s.fences.skip(s.epoch+1, e-1)
		s.enter(e, st.Cut, st.CutChain, now)
	case len(s.cfg.Servers) == 0:
		s.guess(fence{e, st.Cut, st.CutChain}, now)
	default:
		s.want(e, now)
		return false
	}
	return true
}

// guess enters an epoch where epochs were missed and there is no server that knows
// their cuts: as low as any packet of them proves, and no higher than announced.
func (s *Stream) guess(x fence, now wire.Nanos) {
	s.fences.add(x.epoch, x.cut)
	if s.bound.epoch != 0 && s.bound.cut < x.cut {
		x.cut, x.chain = s.bound.cut, s.bound.chain
	}
	s.fences.skip(s.epoch+1, x.epoch-1)
	s.enter(x.epoch, x.cut, x.chain, now)
}

// compare checks our chain against that of a control packet at the same place.
func (s *Stream) compare(p wire.Packet, from Provenance, now wire.Nanos) {
	switch {
	case p.First() != s.next:
		return
	case !s.known:
		s.chain, s.known = p.Chain(), true
	case p.Chain() != s.chain:
		s.stats.Mismatch++
		s.contradict(from, s.next, s.next, now)
		return
	}
	if s.begun && s.epoch > s.told {
		s.tell(s.epoch, s.chain, now)
	}
}

// close hears that the session ends at last.
func (s *Stream) close(last, chain uint64, now wire.Nanos) {
	if last+1 < s.next {
		s.stats.Mismatch++
		return
	}
	s.end, s.last, s.tail = true, last, chain
	s.drain(now)
}

// finish is the end: all was delivered or declared. An end whose chain is not ours
// is not the end of our session.
func (s *Stream) finish(now wire.Nanos) {
	if s.ended {
		return
	}
	if s.known && s.chain != s.tail {
		s.end = false
		return
	}
	s.ended = true
	s.emit(Event{Kind: EventEnd, Last: s.last, Chain: s.tail, Epoch: s.epoch, Now: now})
	s.turn(StateEnded, 0, now)
}
