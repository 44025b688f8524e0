package recovery

import (
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Subscriber is a whole receiver without its sockets: Stream, retransmit client,
// choice of server, and the policy of joining and resuming. One loop owns it.
type Subscriber struct {
	cfg    Config
	stream *Stream
	stats  *Stats
	rand   random
	now    wire.Nanos // of the call under way
	tcp    bool       // Follow, not multicast

	conn        conn
	asks        asker
	lastID      uint32
	welcome     retransmit.Welcome // the first
	join        bool               // ActJoin is to be given
	definitions definitions
	follow      uint32 // the open-ended request, 0 none
	leapt       bool   // its server passed over what is missing first, without a word
	torn        bool   // it brought something damaged
	tornAt      uint64 // where the stream was when one did last
	followAt    wire.Nanos
	learnAt     wire.Nanos // not before: log in again to learn a cut
	learns      int        // such logins since the epoch learnt
	learnt      uint32
	vouched     uint32 // an epoch that a server is in which cannot tell its cut
	opposers    uint64 // servers that contradicted what was delivered at opposedAt
	opposedAt   uint64
	began       wire.Nanos // the first Poll
	fatal       error
}

// NewSubscriber returns a Subscriber that gives h what the channel carries. It
// returns ErrConfig. Memory is taken here and at the first login, never later.
func NewSubscriber(cfg Config, h Handler) (*Subscriber, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	stats := new(Stats)
	cfg = cfg.withDefaults()
	s := &Subscriber{
		cfg: cfg, stream: newStream(cfg, h, stats), stats: stats, tcp: cfg.TCP,
		rand: random(cfg.Seed), asks: newAsker(), join: len(cfg.Servers) == 0,
	}
	if cfg.Resume != nil {
		s.resume(cfg.Resume)
	}
	return s, nil
}

// Datagram takes what one line (0 or 1) brought: one packet, with or without
// padding behind it. b is lent until Datagram returns; rx is the kernel's receive
// stamp, ns UTC, or 0.
func (s *Subscriber) Datagram(line int, b []byte, rx, now wire.Nanos) {
	if line < 0 || line >= MaxLines {
		s.stats.Bad++
		return
	}
	if s.stream.repeated(line, b, now) {
		return
	}
	p, err := wire.Parse(b)
	if err != nil || p.Type() == wire.TypeSnapshot {
		s.stats.Bad++
		return
	}
	s.stream.Put(p, LineA+Provenance(line), rx, now)
}

// Poll does what is due and says when to call it next, at the latest. The loop
// calls it after every batch of datagrams and whenever TCP brought something.
func (s *Subscriber) Poll(now wire.Nanos) (deadline wire.Nanos) {
	s.now = now
	if s.began == 0 {
		s.began = now
	}
	if s.over() {
		return never
	}
	long := 3 * s.cfg.Heartbeat
	deadline = min(s.stream.silence(now, long), s.learnCut(now))
	s.judge(now)
	deadline = min(deadline, s.oversee(now), s.define(now), s.pursue(now))
	deadline = min(deadline, s.repair(now))
	return min(deadline, s.updateState(now))
}

// repair sees to the gaps: each line had its chance, then they are asked for.
func (s *Subscriber) repair(now wire.Nanos) wire.Nanos {
	if s.tcp {
		return s.tcpGaps(now)
	}
	s.speculate(now)
	if len(s.stream.gaps.list) == 0 {
		return never
	}
	again := s.stream.schedule(now, s.jitter)
	if s.conn.phase == up && !s.lags() {
		return min(again, s.ask(now))
	}
	s.giveUp(now)
	return min(again, now+s.cfg.LineSkew)
}

// tcpGaps: a followed stream has no gaps but those that the server names, and those
// that connections before it left, which it fills. Any other means that the connection
// is of no use.
func (s *Subscriber) tcpGaps(now wire.Nanos) wire.Nanos {
	if s.leapt {
		s.leave(now)
	}
	for i := range s.stream.gaps.list {
		if x := &s.stream.gaps.list[i]; x.lost == 0 && x.gone == 0 && !x.followed && s.conn.phase == up && s.follow != 0 {
			s.stream.forget(now)
			s.drop(true, now)
			s.elsewhere(0, now)
			break
		}
	}
	if s.torn {
		s.mend(now)
	}
	return never
}

// mend follows anew where a follow brought something damaged, which it will not bring
// again: when nothing comes behind it, no gap will ever show. Servers that do so twice
// at one place are not dialled without pause.
func (s *Subscriber) mend(now wire.Nanos) {
	if s.tornAt == s.stream.next {
		s.conn.useful = false
	}
	s.tornAt = s.stream.next
	s.drop(true, now)
	s.elsewhere(0, now)
}

// leap notes that p, which the follow brings next, is behind what is missing first and
// what its server did not name: a follow is in order, so this one will not bring that.
func (s *Subscriber) leap(p wire.Packet) {
	t := s.stream
	if p.Type() != wire.TypeSequenced || p.Epoch() != t.epoch || p.First() <= t.next || len(t.gaps.list) == 0 {
		return
	}
	x := &t.gaps.list[0]
	s.leapt = s.leapt || x.first == t.next && x.followed && x.lost == 0 && x.gone>>s.conn.server&1 == 0
}

// leave follows elsewhere after a leap, which counts as a whole attempt.
func (s *Subscriber) leave(now wire.Nanos) {
	s.leapt, s.conn.useful = false, false // so that two such servers are not dialled without pause
	if list := s.stream.gaps.list; len(list) > 0 && list[0].first == s.stream.next {
		s.count(&list[0])
		list[0].charge(wholeTry, s.cfg.Attempts, CauseAttempts)
	}
	s.drop(true, now)
	s.elsewhere(0, now)
	s.stream.drain(now)
}

// learnCut logs in again when an epoch was heard of whose cut no line announced: at
// the same server, then at others. What none has told in Config.Patience was a lie,
// unless a server is in that epoch itself and only began behind its cut.
func (s *Subscriber) learnCut(now wire.Nanos) wire.Nanos {
	t := s.stream
	if t.epoch != s.learnt {
		s.learnt, s.learns = t.epoch, 0
	}
	if t.wants == 0 {
		return never
	}
	at := max(t.wanted+s.cfg.LineSkew, s.learnAt)
	if now < at {
		return at
	}
	if len(s.cfg.Servers) == 0 {
		return s.adopt(now)
	}
	if now >= t.wanted+s.cfg.Patience {
		if s.vouched == t.wants {
			return s.adopt(now)
		}
		t.wants = 0
		t.doubt(now)
		return never
	}
	wait := min(s.cfg.RetryMin<<min(s.learns, 20), s.cfg.RetryMax)
	s.learns++
	s.learnAt = now + wait
	switch {
	case s.conn.phase != up:
	case s.conn.since > t.wanted && len(s.cfg.Servers) > 1: // it could not tell
		s.drop(true, now)
		s.elsewhere(0, now)
	default:
		s.again(0, now)
	}
	return s.learnAt
}

// adopt goes on in an epoch whose cut nobody will tell: there is no server, or none
// that knows, and no heartbeat came for as long as three should have.
func (s *Subscriber) adopt(now wire.Nanos) wire.Nanos {
	t := s.stream
	if at := t.wanted + 3*s.cfg.Heartbeat; now < at {
		return at
	}
	behind := t.bound.epoch != 0 && t.bound.cut+1 < t.next
	shut, asOf := t.shut, t.asOf
	t.known, t.shut = false, true // no chain to go on with, unless a packet showed it
	t.guess(fence{epoch: t.wants, cut: t.next - 1}, now)
	t.known, t.shut = behind, shut || t.asOf < asOf
	t.drain(now)
	return never
}

// judge ends the subscription when every server contradicts what was delivered, and
// asks the next one while there is one.
func (s *Subscriber) judge(now wire.Nanos) {
	t := s.stream
	if !t.opposed || s.conn.phase != up {
		return
	}
	t.opposed = false
	if s.opposedAt != t.next {
		s.opposedAt, s.opposers = t.next, 0
	}
	s.opposers |= 1 << s.conn.server
	for i := range s.cfg.Servers {
		if s.opposers>>i&1 == 0 && s.conn.no[i] == 0 {
			s.drop(true, now)
			s.elsewhere(0, now)
			return
		}
	}
	s.fatal = ErrDiverged
	if s.cfg.Resume != nil && s.stats.Delivered == 0 {
		s.fatal = ErrResume
	}
}

// updateState tells the handler what the receiver is doing, and returns when to
// look again.
func (s *Subscriber) updateState(now wire.Nanos) wire.Nanos {
	t, again := s.stream, never
	long := 3 * s.cfg.Heartbeat
	if s.tcp {
		long = max(long, 3e9)
	}
	quiet := max(t.heard, s.began) + long
	if now < quiet {
		again = quiet
	}
	switch {
	case t.ended:
	case now >= quiet:
		t.turn(StateStale, CauseSilent, now)
	case t.lossy:
		t.turn(StateStale, CauseLoss, now)
	case t.shut && s.stats.Delivered == 0 || !t.begun && (t.heard == 0 || t.edge > t.next):
		t.turn(StateJoining, 0, now)
	case s.repairing():
		t.turn(StateRepairing, 0, now)
	default:
		t.turn(StateLive, 0, now)
	}
	return again
}

// repairing reports whether a gap is asked for, or cannot be.
func (s *Subscriber) repairing() bool {
	if s.stream.wants != 0 || s.stream.shut || len(s.asks.list) > 0 {
		return true
	}
	return len(s.stream.gaps.list) > 0 && s.stream.gaps.list[0].counted
}

// Awaits reports whether the server is expected to say something soon: an answer, or
// the stream itself. A loop that spins need not look for it all the time otherwise.
func (s *Subscriber) Awaits() bool {
	return len(s.cfg.Servers) > 0 && (s.tcp || s.conn.phase != up || len(s.asks.list) > 0 || s.stream.shut)
}

// over reports whether there is nothing more to do.
func (s *Subscriber) over() bool { return s.fatal != nil || s.stream.ended }

// Done says whether there is nothing more to do: err is nil at the end of the
// session, otherwise ErrDiverged, ErrResume, ErrSession or ErrRefused.
func (s *Subscriber) Done() (done bool, err error) { return s.over(), s.fatal }

// Welcome is what the first server said of the channel: groups to join among
// others. Its Channel.Session is 0 before.
func (s *Subscriber) Welcome() retransmit.Welcome { return s.welcome }

// Position is how far the handler has come.
func (s *Subscriber) Position() Position { return s.stream.Position() }

// State is what the receiver is doing, and why.
func (s *Subscriber) State() (State, Cause) { return s.stream.State() }

// Stats gives the counters, which go on counting. Only the loop may read them.
func (s *Subscriber) Stats() *Stats { return s.stats }

func (s *Subscriber) newID() uint32 {
	s.lastID = max(s.lastID+1, 1)
	return s.lastID
}

// jitter is a random wait from 0 to Config.Jitter.
func (s *Subscriber) jitter() wire.Nanos {
	return wire.Nanos(s.rand.next() % uint64(s.cfg.Jitter+1))
}

// random is splitmix64: enough to make receivers ask apart, and the same from the
// same seed.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
