package recovery

import "github.com/tapecast/tapecast/feed/wire"

func (s *Stream) emit(e Event) { s.h.Event(e) }

// turn changes the state, and says so.
func (s *Stream) turn(to State, cause Cause, now wire.Nanos) {
	if s.state == to && s.cause == cause {
		return
	}
	s.state, s.cause = to, cause
	s.emit(Event{Kind: EventState, State: to, Cause: cause, First: s.next, Last: s.next, Epoch: s.epoch, Now: now})
}

// mismatch refuses a packet at next whose chain is not ours, and has the place
// repaired.
func (s *Stream) mismatch(d *Delivery) {
	s.stats.Mismatch++
	s.contradict(d.From, s.next, d.Next()-1, d.Now)
	if s.edge <= s.next {
		s.expose(d.Next(), d.Now)
	}
}

// contradict tells apart who contradicts us: a line may carry anything, so the
// handler is only told; a retransmit service is to be trusted more than we are.
func (s *Stream) contradict(from Provenance, first, last uint64, now wire.Nanos) {
	if from == Repair || from == Follow {
		s.oppose(first, last, now)
		return
	}
	if s.alerted != first {
		s.alerted = first
		s.emit(Event{Kind: EventAlert, Cause: CauseMismatch, First: first, Last: last, Epoch: s.epoch, Now: now})
	}
}

func (s *Stream) oppose(first, last uint64, now wire.Nanos) {
	s.opposed = true
	s.emit(Event{Kind: EventAlert, Cause: CauseMismatch, First: first, Last: last, Epoch: s.epoch, Now: now})
}

// lose gives up what is missing of first..last. It is declared when its turn comes.
func (s *Stream) lose(first, last uint64, cause Cause, now wire.Nanos) {
	s.gaps.each(first, last, func(x *gap) {
		x.lost = cause
		if !x.counted {
			x.counted = true
			s.stats.Gaps++
		}
	})
	s.drain(now)
}

// declare tells the handler of the loss at next, if there is one, as one event
// with those of the same cause behind it.
func (s *Stream) declare(now wire.Nanos) bool {
	if len(s.gaps.list) == 0 || s.gaps.list[0].first != s.next || s.gaps.list[0].lost == 0 {
		return false
	}
	first, cause := s.next, s.gaps.list[0].lost
	n := 0
	for _, x := range s.gaps.list {
		if x.first != s.next || x.lost != cause {
			break
		}
		s.next = x.last + 1
		n++
	}
	s.gaps.list = s.gaps.list[:copy(s.gaps.list, s.gaps.list[n:])]
	s.known, s.lossy = false, true
	s.stats.Lost += s.next - first
	if !s.begun {
		s.begun, s.stats.First = true, first
	}
	s.emit(Event{Kind: EventLost, First: first, Last: s.next - 1, Cause: cause, Epoch: s.epoch, Now: now})
	s.turn(StateStale, CauseLoss, now)
	return true
}

// begins is the first sequence that may be delivered: behind what is lost at next.
func (s *Stream) begins() uint64 {
	if len(s.gaps.list) > 0 && s.gaps.list[0].first == s.next && s.gaps.list[0].lost != 0 {
		return s.gaps.list[0].last + 1
	}
	return s.next
}

// over reports whether the session ended before anything that may be delivered.
func (s *Stream) over() bool { return s.end && s.begins() > s.last }

// retract forgets gaps at the tail from first on: a server says that there is
// nothing yet. They will be noticed again when there is.
func (s *Stream) retract(first uint64) {
	for n := len(s.gaps.list); n > 0; n-- {
		t := s.gaps.list[n-1]
		if t.first < first || t.last+1 != s.edge {
			return
		}
		s.edge = t.first
		s.gaps.list = s.gaps.list[:n-1]
	}
}

// schedule decides when gaps are to be asked for: when all lines that live have
// passed them and reordering had its grace, or when the laggard's time is over. It
// returns when to look again.
func (s *Stream) schedule(now wire.Nanos, jitter func() wire.Nanos) wire.Nanos {
	again := never
	for i := range s.gaps.list {
		x := &s.gaps.list[i]
		if x.due == never {
			limit := x.since + s.cfg.LineSkew
			if s.passed(x.last) || now >= limit {
				x.due = min(now+s.cfg.Grace, max(limit, now)) + jitter()
			} else {
				again = min(again, limit)
			}
		}
		if x.due > now {
			again = min(again, x.due)
		}
	}
	return again
}

// passed reports whether every line that lives has gone past seq.
func (s *Stream) passed(seq uint64) bool {
	for i := range s.lines {
		if l := &s.lines[i]; l.alive && l.edge <= seq {
			return false
		}
	}
	return true
}

// silence buries the lines not heard for long, and returns when to look again.
func (s *Stream) silence(now, long wire.Nanos) wire.Nanos {
	again := never
	for i := range s.lines {
		l := &s.lines[i]
		if !l.alive {
			continue
		}
		if l.alive = now < l.heard+long; l.alive {
			again = min(again, l.heard+long)
		}
	}
	return again
}
