package recovery

import (
	"math"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// definitions is how far a receiver is that must know all instruments before it
// takes messages about them: as long as its stream is shut.
type definitions struct {
	id      uint32     // the request under way
	epoch   uint32     // in which it was sent
	retry   wire.Nanos // when to ask
	early   bool       // they came before the stream was where it is to begin: retry is for the case that no line says when it is
	reached wire.Nanos // when it was known to be there; 0 not yet
	torn    bool       // of those that came, some were damaged
	spoiled int        // answers that were
}

// welcomed takes a server's answer to the login: where the channel is, what our
// epoch must give up, what there is to repair.
func (s *Subscriber) welcomed(w *retransmit.Welcome) {
	t := s.stream
	first := s.stats.Logins == 0
	s.stats.Logins++
	s.conn.phase, s.conn.since, s.conn.epoch = up, s.now, w.State.Epoch
	if first {
		s.learn(w)
	}
	if t.next == 0 {
		s.start(w)
	} else if !s.relate(w) {
		return
	}
	if w.State.Epoch >= t.epoch {
		t.exists(w.State.Next, Repair, s.now)
	}
	if w.State.Oldest > 1 {
		s.gone(1, w.State.Oldest-1)
	}
	if w.State.Ended && w.State.Epoch == t.epoch {
		t.close(w.State.Last, w.State.Chain, s.now)
	}
}

// learn takes over what the first server says of the channel.
func (s *Subscriber) learn(w *retransmit.Welcome) {
	t, c := s.stream, &w.Channel
	s.welcome = *w
	t.channel, t.session = c.Channel, c.Session
	s.cfg.Heartbeat = c.Heartbeat
	if c.PacketSize > t.win.size {
		t.win = newWindow(s.cfg.Window, c.PacketSize)
	}
	if !c.Lines[0].Group.IsValid() && !c.Lines[1].Group.IsValid() {
		s.tcp = true
	}
	t.cfg.TCP = s.tcp
	s.join = !s.tcp
}

// start decides where to begin.
func (s *Subscriber) start(w *retransmit.Welcome) {
	t := s.stream
	t.fences.add(w.Since.Epoch, w.Since.Cut)
	t.origin(w.State.Epoch)
	t.next = s.cfg.From
	if s.cfg.From == FromNow {
		t.next = w.State.Next
	}
	t.edge = t.next
	t.shut, t.shutAt = t.next > 1, s.now
	if t.next == w.State.Next && t.next > 1 {
		t.chain, t.known = w.State.Chain, true
	}
}

// resume goes on behind a saved position; the rest is relate's.
func (s *Subscriber) resume(p *Position) {
	t := s.stream
	t.told = p.Epoch
	t.origin(p.Epoch)
	t.session, t.next, t.edge = p.Session, p.Sequence+1, p.Sequence+1
	t.chain, t.known, t.begun = p.Chain, p.Known, p.Sequence > 0
	s.stats.First = t.next
	t.shut = t.next > 1 && len(s.cfg.Servers) > 0
}

// relate compares a server's state with ours. It reports false when the connection
// is of no use.
func (s *Subscriber) relate(w *retransmit.Welcome) bool {
	t, st := s.stream, &w.State
	if t.wants != 0 && st.Epoch < t.wants {
		s.denied(st.Ended)
	}
	if st.Epoch > t.epoch && !s.succeed(w) {
		return false
	}
	resumed := s.cfg.Resume != nil && t.stats.Delivered == 0
	switch {
	case resumed && (st.Epoch < s.cfg.Resume.Epoch || st.Epoch == t.epoch && st.Next < t.next):
		t.opposed = true // it may be behind; when all say so, it is we who are wrong
		return false
	case st.Epoch < t.epoch: // a line has told us of a later one since
		return true
	}
	if st.Next == t.next && t.known && st.Chain != t.chain {
		t.oppose(t.next, t.next, s.now)
	}
	return true
}

// denied takes a server's word that it has not heard of the epoch which somebody spoke
// of. What claims to be of it makes room; but one server may be behind, and one that
// heard of an end hears no more. When all others deny it too, it is forgotten.
func (s *Subscriber) denied(ended bool) {
	t := s.stream
	if !ended {
		t.denied |= 1 << s.conn.server
	}
	if s.nowhere(t.denied) {
		t.wants = 0
	}
	t.doubt(s.now)
}

// succeed enters the server's epoch by the cut that it told. It reports false when
// that cut is for an epoch which we have left since the login: another will tell.
func (s *Subscriber) succeed(w *retransmit.Welcome) bool {
	t, since := s.stream, w.Since
	if since.Epoch == 0 || since.Previous < t.epoch && since.Cut+1 < t.next {
		t.want(w.State.Epoch, s.now)
		if since.Epoch == 0 {
			s.vouched = w.State.Epoch
		}
		return false
	}
	t.fences.skip(t.epoch+1, w.State.Epoch-1)
	t.enter(w.State.Epoch, since.Cut, since.Chain, s.now)
	return true
}

// define asks for the definitions, when they are needed and not under way, a server that
// has heard of our epoch. It returns when to look again.
func (s *Subscriber) define(now wire.Nanos) wire.Nanos {
	d, t := &s.definitions, s.stream
	switch {
	case !t.shut || d.id != 0:
		return never
	case s.conn.phase != up || s.lags():
		return s.goWithout(now)
	case t.edge <= t.next && !t.end:
		d.reached = 0
	case d.early && d.reached == 0:
		d.reached, d.retry = now, now
	}
	if now < d.retry {
		return d.retry
	}
	id := s.newID()
	if s.conn.client.Definitions(id) == nil {
		d.early, d.torn, d.id, d.epoch, s.asks.progress = false, false, id, t.epoch, now
	}
	return never
}

// goWithout goes on without definitions where nobody will give them. It returns when to
// look again.
func (s *Subscriber) goWithout(now wire.Nanos) wire.Nanos {
	if at := s.alone(s.stream.shutAt) + s.cfg.Patience; now < at {
		return at
	}
	if s.hopeless(s.stream.shutAt, now) {
		s.undefinedFrom(1)
	}
	return never
}

// defined takes the end of the definitions, which are as of asOf. Where the stream is
// to begin later, more may be defined before it does: they are asked for again. Once it
// is there, a server that is behind has Config.Patience to come so far too. Those of an
// epoch that ended meanwhile are asked for again at once.
func (s *Subscriber) defined(asOf uint64) {
	d := &s.definitions
	d.id = 0
	if d.epoch != s.stream.epoch {
		return
	}
	s.stream.asOf = max(s.stream.asOf, asOf)
	end := d.reached + s.cfg.Patience
	switch {
	case d.torn:
		s.spoiled()
	case asOf+1 >= s.stream.begins() || s.stream.over():
		s.open()
	case d.reached == 0:
		d.early, d.retry = true, s.now+s.cfg.RetryMax
	case s.now < end:
		waited := s.now - d.reached
		d.retry = min(s.now+min(max(waited, s.cfg.RetryMin), s.cfg.RetryMax), end)
		s.conn.behind = waited >= s.cfg.AskTimeout
	default:
		s.undefinedFrom(asOf + 1)
	}
}

// open lets messages through.
func (s *Subscriber) open() {
	s.definitions = definitions{}
	s.stream.open(s.now)
}

// spoiled asks again for definitions of which some came damaged, Config.Attempts times
// in all: whatever needs those that are missing could not be understood.
func (s *Subscriber) spoiled() {
	d := &s.definitions
	if d.spoiled++; d.spoiled >= s.cfg.Attempts {
		s.undefinedFrom(1)
		return
	}
	d.retry = s.now + s.cfg.RetryMin
}

// undefined asks again, or goes on without when the server will never answer.
func (s *Subscriber) undefined(r retransmit.Refusal) {
	s.definitions.id = 0
	if r.Retryable {
		s.definitions.retry = s.now + max(r.RetryAfter, s.cfg.RetryMin)
		return
	}
	s.undefinedFrom(1)
}

// undefinedFrom goes on without what was defined from first on, and says so.
func (s *Subscriber) undefinedFrom(first uint64) {
	s.stream.asOf = math.MaxUint64
	s.stream.emit(Event{Kind: EventAlert, Cause: CauseUnavailable, First: first, Last: s.stream.next - 1, Now: s.now})
	s.open()
}

// pursue keeps an open-ended request going, for a receiver without multicast. It
// returns when to look again.
func (s *Subscriber) pursue(now wire.Nanos) wire.Nanos {
	switch t := s.stream; {
	case !s.tcp || s.conn.phase != up || s.lags() || t.shut || s.follow != 0 || t.ended || t.next == 0:
		return never
	case now < s.followAt:
		return s.followAt
	}
	id := s.newID()
	if s.conn.client.Follow(id, s.stream.next) != nil {
		return never
	}
	s.follow = id
	for i := range s.stream.gaps.list {
		s.stream.gaps.list[i].followed = true
	}
	return never
}
