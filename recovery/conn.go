package recovery

import (
	"errors"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// phase of the one connection that a Subscriber has.
type phase uint8

const (
	idle    phase = iota // to be dialled at retry
	dialing              // ActDial was given
	login                // connected, not welcomed
	up                   // welcomed
)

// conn is the connection to a retransmit service, and the choice of the next one.
type conn struct {
	phase  phase
	server int        // index into Config.Servers
	since  wire.Nanos // of the phase
	retry  wire.Nanos // when to dial
	epoch  uint32     // the newest that the server spoke of
	failed int        // connections in a row that came to nothing
	useful bool       // this one brought packets or control packets
	behind bool       // its server gets no further than we are, or does not give what it has
	lost   wire.Nanos // when a server of our epoch was last up
	hangUp bool       // ActHangUp is to be given
	told   bool       // the server knows that we listen
	client *retransmit.Client
	no     [maxServers]retransmit.Code // why a server will never do, 0 not known
}

// Action says what the loop must do next. The loop asks after every Poll until it
// gets ActNone. Each action is given once.
func (s *Subscriber) Action(now wire.Nanos) Action {
	c := &s.conn
	if c.phase == up && !c.told && !s.join {
		c.told = true // behind ActJoin: the lines are heard now
		c.client.Listening()
	}
	switch {
	case c.hangUp:
		c.hangUp = false
		return Action{Kind: ActHangUp}
	case s.join:
		s.join = false
		return Action{Kind: ActJoin}
	case c.phase == idle && len(s.cfg.Servers) > 0 && now >= c.retry && !s.over():
		c.phase, c.since = dialing, now
		s.stats.Dials++
		return Action{Kind: ActDial, Server: c.server}
	}
	return Action{}
}

// Connected says that the dialled connection stands.
func (s *Subscriber) Connected(now wire.Nanos) {
	c := &s.conn
	if c.phase != dialing {
		return
	}
	c.phase, c.since, c.useful, c.behind, c.told = login, now, false, false, false
	c.client = retransmit.NewClient(retransmit.ClientConfig{Login: retransmit.Login{
		Channel: s.stream.channel, Session: s.stream.session, KnownEpoch: s.stream.epoch,
		Compress: s.cfg.Compress, Role: retransmit.RoleReceiver, Instance: s.cfg.Seed, Name: s.cfg.Name,
	}}, now)
}

// Disconnected says that dialling failed or the connection ended, and why.
func (s *Subscriber) Disconnected(err error, now wire.Nanos) {
	if s.conn.phase == idle {
		return
	}
	s.drop(false, now)
	s.conn.hangUp = false
	s.elsewhere(0, now)
}

// Output is what to send to the server. It is valid until the next call of another
// method.
func (s *Subscriber) Output() []byte {
	if s.conn.client == nil {
		return nil
	}
	return s.conn.client.Output()
}

// Sent takes n bytes off Output.
func (s *Subscriber) Sent(n int) {
	if s.conn.client != nil {
		s.conn.client.Sent(n)
	}
}

// Received takes bytes that the server sent, lent until Received returns.
func (s *Subscriber) Received(b []byte, now wire.Nanos) {
	c := s.conn.client
	if c == nil || s.over() {
		return
	}
	s.now = now
	err := c.Receive(now, b, (*answers)(s))
	if err == nil || s.conn.client != c {
		return
	}
	s.drop(true, now)
	var r *retransmit.Refusal
	if !errors.As(err, &r) {
		s.elsewhere(0, now)
		return
	}
	if !r.Retryable && r.Code != retransmit.CodeMalformed { // which damage on the way explains
		s.unfit(r.Code)
	}
	s.elsewhere(r.RetryAfter, now)
}

// drop forgets the connection and what was asked on it. hangUp: the loop does not
// know yet.
func (s *Subscriber) drop(hangUp bool, now wire.Nanos) {
	c := &s.conn
	if c.phase == up && !s.lags() {
		c.lost = now
	}
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
	c.hangUp = c.hangUp || hangUp
	c.phase, s.follow, s.leapt, s.torn, s.definitions.id = idle, 0, false, false, 0
	s.abandon(now)
}

// elsewhere chooses the next server and when to dial it: at once while there are
// others to try, otherwise after a wait that doubles.
func (s *Subscriber) elsewhere(after, now wire.Nanos) {
	c, n := &s.conn, len(s.cfg.Servers)
	if c.useful {
		c.failed, c.useful = 0, false
	}
	c.failed++
	for range n {
		c.server = (c.server + 1) % n
		if c.no[c.server] == 0 {
			break
		}
	}
	c.retry = now
	if round := c.failed / n; c.failed%n == 0 {
		wait := s.cfg.RetryMin << min(round-1, 20)
		c.retry = now + max(min(wait, s.cfg.RetryMax), min(after, s.cfg.Patience)) + s.jitter()
	}
}

// again hangs up and dials the same server, to log in with the epoch known now.
func (s *Subscriber) again(after, now wire.Nanos) {
	s.drop(true, now)
	s.conn.retry = now + after
}

// unfit remembers that a server will never do, and gives up when none is left.
func (s *Subscriber) unfit(code retransmit.Code) {
	s.conn.no[s.conn.server] = code
	for i := range s.cfg.Servers {
		if s.conn.no[i] == 0 {
			return
		}
	}
	switch {
	case code == retransmit.CodeBadSession && s.cfg.Resume != nil && s.stats.Logins == 0:
		s.fatal = ErrResume
	case code == retransmit.CodeBadSession, code == retransmit.CodeBadChannel:
		s.fatal = ErrSession
	default:
		s.fatal = ErrRefused
	}
}

// oversee drops a connection that is silent or stuck, and one whose server cannot
// help with the gap that everything waits for. It returns when to look again.
func (s *Subscriber) oversee(now wire.Nanos) wire.Nanos {
	c := &s.conn
	switch c.phase {
	case idle:
		if len(s.cfg.Servers) == 0 {
			return never
		}
		return c.retry
	case dialing, login:
		if now >= c.since+s.cfg.DialTimeout {
			s.drop(true, now)
			s.elsewhere(0, now)
			return s.conn.retry
		}
		return c.since + s.cfg.DialTimeout
	}
	again, err := c.client.Poll(now)
	stuck, at := s.stuck(now)
	useless := s.useless()
	if err != nil || stuck || useless {
		switch {
		case stuck:
			s.blame()
		case useless:
			s.forsake()
		}
		s.drop(true, now)
		s.elsewhere(0, now)
		return s.conn.retry
	}
	return min(again, at)
}

// forsake charges the gaps that a server cannot help with. What no other server can
// either is lost; one that does not answer may be starting, and is given the time in
// which it could have been asked as often as allowed.
func (s *Subscriber) forsake() {
	if s.lags() {
		return
	}
	grace := wire.Nanos(s.cfg.Attempts) * s.cfg.AskTimeout
	for i := range s.stream.gaps.list {
		x := &s.stream.gaps.list[i]
		if x.gone>>s.conn.server&1 == 0 {
			continue
		}
		if s.now >= x.since+min(grace, s.cfg.Patience) {
			x.charge(wholeTry, s.cfg.Attempts, CauseUnavailable)
		}
		if x.lost == 0 && s.nowhere(x.gone) {
			x.lost = CauseUnavailable
		}
	}
	s.stream.drain(s.now)
}

// lags reports whether the server has not heard of our epoch: what it has may be
// void.
func (s *Subscriber) lags() bool { return s.conn.epoch < s.stream.epoch }

// useless reports whether what is missing first must be asked for elsewhere.
func (s *Subscriber) useless() bool {
	list := s.stream.gaps.list
	if len(s.cfg.Servers) > 1 && (s.conn.behind || s.lags() && (len(list) > 0 || s.tcp || s.stream.shut)) {
		return true
	}
	return len(list) > 0 && list[0].lost == 0 && list[0].gone>>s.conn.server&1 != 0
}
