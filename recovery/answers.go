package recovery

import (
	"math/bits"

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
			n, err := wire.Peek(b)
			if err != nil || n > len(b) {
				return
			}
			b = b[n:]
			continue
		}
		b = b[len(p):]
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

// gone marks first..last as gone at this server.
func (s *Subscriber) gone(first, last uint64) {
	s.stream.gaps.each(first, last, func(x *gap) {
		x.gone |= 1 << s.conn.server
		if bits.OnesCount64(x.gone) >= len(s.cfg.Servers) && x.lost == 0 {
			s.count(x)
			x.lost = CauseUnavailable
		}
	})
	s.stream.drain(s.now)
}

// Done closes a request.
func (a *answers) Done(id uint32, _ uint64) {
	s := (*Subscriber)(a)
	switch x := s.asks.find(id); {
	case id == s.follow:
		s.follow = 0
	case id == s.definitions.id:
		s.defined()
	case x != nil:
		s.done(x, s.now)
	}
}

// Refused closes a request with a no.
func (a *answers) Refused(id uint32, r retransmit.Refusal) {
	s := (*Subscriber)(a)
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
		if !r.Retryable {
			s.gone(x.first, x.last)
			s.settle(x, 0, s.now, s.now)
			return
		}
		s.asks.hold = max(s.asks.hold, later)
		s.settle(x, quarterTry, later, s.now)
	}
}

// nothingYet believes a server that has nothing from some sequence on: what only a
// heartbeat or a packet out of reach spoke of is forgotten; what is missing before
// packets that we hold is asked for again.
func (s *Subscriber) nothingYet(x *ask, later wire.Nanos) {
	first := x.first
	if i := s.stream.gaps.find(first); i < len(s.stream.gaps.list) {
		first = max(first, s.stream.gaps.list[i].first)
	}
	s.asks.ahead, s.asks.recheck, s.stream.beyond = first, later, 0
	s.settle(x, 0, later, s.now)
	s.stream.retract(first)
}
