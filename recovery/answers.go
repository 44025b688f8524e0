package recovery

import (
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// answers is the Subscriber as its client's handler, apart from its public methods.
type answers Subscriber

// Welcome is the first call of a connection.
func (a *answers) Welcome(w retransmit.Welcome) { (*Subscriber)(a).welcomed(&w) }

// Packets puts what was asked for into the stream, by the same door as live packets.
func (a *answers) Packets(id uint32, b []byte) {
	from := Repair
	switch id {
	case a.follow:
		from = Follow
	case a.definitions.id:
		from = Snapshot
	}
	a.conn.useful, a.asks.progress = true, a.now
	before := a.stats.Packets + a.stats.Held
	for len(b) > 0 {
		p, err := wire.Parse(b)
		if err != nil {
			a.stats.Bad++
			a.definitions.torn = a.definitions.torn || from == Snapshot
			a.torn = a.torn || from == Follow
			n, err := wire.Peek(b)
			if err != nil || n > len(b) {
				return
			}
			b = b[n:]
			continue
		}
		b = b[len(p):]
		if from == Follow {
			(*Subscriber)(a).leap(p)
		}
		if (p.Type() == wire.TypeSnapshot) == (from == Snapshot) {
			a.stream.Put(p, from, 0, a.now)
		}
	}
	if x := a.asks.find(id); x != nil && a.stats.Packets+a.stats.Held != before {
		x.filled = true
	}
}

// Unavailable marks what this server does not have, and loses what no server has.
func (a *answers) Unavailable(id uint32, first, last uint64, _ retransmit.Cause) {
	s := (*Subscriber)(a)
	if id == s.follow {
		s.stream.expose(last+1, s.now)
	}
	s.gone(first, last)
}

// gone marks first..last as gone at this server. What is gone where the stream is to
// begin may have defined instruments: they are asked for, as at a later start.
func (s *Subscriber) gone(first, last uint64) {
	t := s.stream
	fresh := !t.begun || t.stats.Delivered == 0 && s.cfg.Resume == nil // whatever was lost before
	if fresh && first <= t.next && t.next <= last && last > t.asOf {
		t.undefine(s.now)
	}
	s.stream.gaps.each(first, last, func(x *gap) {
		x.gone |= 1 << s.conn.server
		if x.lost == 0 && s.nowhere(x.gone) {
			s.count(x)
			x.lost = CauseUnavailable
		}
	})
	s.stream.drain(s.now)
}

// nowhere reports whether no server but those marked may still have something.
func (s *Subscriber) nowhere(gone uint64) bool {
	for i := range s.cfg.Servers {
		if gone>>i&1 == 0 && s.conn.no[i] == 0 {
			return false
		}
	}
	return true
}

// Done closes a request.
func (a *answers) Done(id uint32, next uint64) {
	s := (*Subscriber)(a)
	switch x := s.asks.find(id); {
	case id == s.follow:
		s.follow = 0
	case id == s.definitions.id:
		s.defined(next)
	case x != nil:
		s.done(x, s.now)
	}
}

// Refused closes a request with a no.
func (a *answers) Refused(id uint32, r retransmit.Refusal) {
	s := (*Subscriber)(a)
	r.RetryAfter = min(r.RetryAfter, s.cfg.Patience) // nobody may silence us for longer
	if r.Code == retransmit.CodeInternal && id != s.definitions.id {
		s.unreadable(&r)
	}
	switch x := s.asks.find(id); {
	case id == 0:
	case id == s.follow:
		s.follow, s.followAt = 0, s.now+max(r.RetryAfter, s.cfg.RetryMin)
	case id == s.definitions.id:
		s.undefined(r)
	case x != nil:
		s.refused(x, r)
	}
}

// Control takes a server's heartbeat, epoch announcement or end of session.
func (a *answers) Control(p wire.Packet) {
	a.conn.useful = true
	from := Repair
	if a.tcp {
		from = Follow
	}
	a.conn.epoch = max(a.conn.epoch, p.Epoch())
	a.stream.Put(p, from, 0, a.now)
}

// unreadable makes the best of a server that cannot read what it has: it may later,
// and another one may now.
func (s *Subscriber) unreadable(r *retransmit.Refusal) {
	r.Retryable, s.conn.behind = true, true
	if len(s.cfg.Servers) > 1 {
		r.RetryAfter = s.cfg.RetryMin
	}
}

// refused decides what becomes of a range that a server refuses.
func (s *Subscriber) refused(x *ask, r retransmit.Refusal) {
	later := s.now + max(r.RetryAfter, s.cfg.Grace)
	switch r.Code {
	case retransmit.CodeAhead, retransmit.CodeEnded:
		s.nothingYet(x, later)
	case retransmit.CodeTooLarge:
		s.asks.chunk = max(s.asks.chunk/2, 1)
		s.settle(x, quarterTry, s.now, s.now)
	case retransmit.CodeTooOld:
		s.settle(x, quarterTry, s.now, s.now) // what is gone was named
	default:
		if !r.Retryable { // which does not say that it has not got it
			s.conn.behind = true
			s.settle(x, wholeTry, later, s.now)
			return
		}
		s.asks.hold, s.asks.limit = max(s.asks.hold, later), 1
		s.settle(x, s.price(x), later, s.now)
	}
}

// nothingYet believes a server that has nothing from some sequence on: what only a
// heartbeat or a packet out of reach spoke of is forgotten; what is missing before
// packets that we hold is asked for again, by one request at a time, and the more
// seldom the longer the server stands still.
func (s *Subscriber) nothingYet(x *ask, later wire.Nanos) {
	s.asks.enter(s.stream.epoch)
	waited, first := s.waited(), x.first
	if i := s.stream.gaps.find(first); i < len(s.stream.gaps.list) {
		first = max(first, s.stream.gaps.list[i].first)
	}
	s.asks.ahead, s.stream.beyond = min(s.asks.ahead, first), 0
	s.asks.recheck = later + s.pause(waited)
	s.settle(x, 0, s.now, s.now)
	s.stream.retract(first)
	s.await(waited)
}

// waited is how long the stream has stood where it does while a server had nothing of what
// is said to exist. Every heartbeat says so: what is missing first, but was not for
// Config.AskTimeout after a server had nothing, is waited for anew.
func (s *Subscriber) waited() wire.Nanos {
	a, list := &s.asks, s.stream.gaps.list
	anew := len(list) > 0 && list[0].since > a.refused+s.cfg.AskTimeout
	if anew || a.awaited != s.stream.next {
		a.awaited, a.since = s.stream.next, s.now
	}
	a.refused = s.now
	return s.now - a.since
}

// pause is how much longer than it asks for a server that stands still is left in peace:
// half of the time that it did, but not past the time at which another one is asked.
func (s *Subscriber) pause(waited wire.Nanos) wire.Nanos {
	wait := min(waited/2, s.cfg.RetryMax)
	if left := s.cfg.AskTimeout - waited; left > 0 {
		wait = min(wait, left)
	}
	return wait
}

// await bounds the wait for a server that answers and gets no further: after
// Config.AskTimeout another one is asked, after Config.Patience what packets that we
// hold have proved to exist for so long is lost.
func (s *Subscriber) await(waited wire.Nanos) {
	t := s.stream
	s.conn.behind = waited >= s.cfg.AskTimeout
	if waited < s.cfg.Patience || len(t.gaps.list) == 0 {
		return
	}
	x := &t.gaps.list[0]
	if x.first == t.next && x.lost == 0 && s.now >= x.since+s.cfg.Patience && !s.asks.covers(x.first, x.last) {
		s.count(x)
		x.lost = CauseNoServer
		t.drain(s.now)
	}
}
