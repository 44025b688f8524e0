package retransmit

import (
	"fmt"
	"math"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// phase is how far a connection has come. It only rises.
type phase uint8

const (
	greeting phase = iota // accepted; a login must come
	serving               // welcomed
	closing               // a refusal is on its way, nothing is read any more
	closed
)

// Session is the server's end of one connection. The loop that owns the socket owns
// it; loops of different sessions do not wait for one another.
type Session struct {
	server *Server
	peer   string
	phase  phase
	err    error // why it is closing or closed
	login  Login
	epoch  uint32 // the newest announced to the client
	gone   bool   // Close was called

	split    splitter
	refusals []reply   // at most twice Limits.Outstanding and one
	requests []request // at most Limits.Outstanding
	turn     int       // whose request is next
	welcome  bool      // to be sent
	pong     bool      // likewise: pings in between are answered by one
	pongID   uint32
	rate     bucket     // of requests
	flow     bucket     // of bytes
	quota    int        // bytes of the total rate, reserved and not used; below 0 used and not reserved
	slot     wire.Nanos // when the quota may be used

	accepted wire.Nanos
	heard    wire.Nanos // the last whole frame
	began    wire.Nanos // the frame that is not whole
	spoke    wire.Nanos // the last packets or control packet
	given    uint64     // bytes, by Produce
	taken    uint64     // bytes, of those
	moved    wire.Nanos // when taken last rose, or bytes were first given
	paused   wire.Nanos // time spent waiting for the flow limits, in all
	resume   wire.Nanos // end of the wait counted last

	out   []byte // during Produce: what it has so far
	count Counters
}

// Counters are what one Session did.
type Counters struct {
	Requests, Refused, Messages, Bytes uint64
}

// reply is a refusal that waits for room.
type reply struct {
	id uint32
	r  Refusal
}

func newSession(s *Server, now wire.Nanos, peer string) *Session {
	return &Session{
		server: s, peer: peer,
		rate:     bucket{rate: uint64(s.cfg.Limits.Requests), burst: second},
		flow:     bucket{rate: s.cfg.Limits.Bytes, burst: byteBurst},
		accepted: now, heard: now, spoke: now,
	}
}

// Login is what the client logged in with; zero before.
func (c *Session) Login() Login { return c.login }

// Peer is the address given to Accept.
func (c *Session) Peer() string { return c.peer }

// Counters are what the session did so far.
func (c *Session) Counters() Counters { return c.count }

// Receive takes bytes of the client, in pieces of any size; b is not kept. After an
// error the connection is to be closed, once Produce gives no more: what it still
// gives says why. The error is a *Refusal, or ErrFrame, ErrChecksum, ErrBody,
// ErrUnexpected or ErrFlood.
func (c *Session) Receive(now wire.Nanos, b []byte) error {
	begun := c.split.partial()
	for c.phase < closing {
		f, rest, err := c.split.next(b)
		if err != nil {
			return c.malformed(err)
		}
		if f == nil {
			break
		}
		begun, c.heard, b = false, now, rest
		if err := c.take(now, f); err != nil {
			return err
		}
	}
	if !begun {
		c.began = now
	}
	return c.err
}

// take acts on one frame.
func (c *Session) take(now wire.Nanos, f frame) error {
	t := f.typ()
	if (t == frameLogin) != (c.phase == greeting) {
		return c.malformed(ErrUnexpected)
	}
	switch t {
	case frameLogin:
		return c.logIn(f)
	case frameReady:
		c.server.ready(&c.login)
		return nil
	case framePing:
		c.pong, c.pongID = true, f.id()
		return nil
	case frameRange:
		first, last := decodeRange(f)
		return c.request(now, request{id: f.id(), first: first, seq: first, last: last, follow: last == 0})
	}
	return c.request(now, request{id: f.id(), definitions: true})
}

// malformed closes the connection on bytes that make no sense.
func (c *Session) malformed(err error) error {
	c.server.count.malformed.Add(1)
	c.refuse(0, Refusal{Code: CodeMalformed, Text: err.Error()})
	c.err = err
	return err
}

// refuse queues a refusal of the request id. With id 0 it is the last thing sent.
func (c *Session) refuse(id uint32, r Refusal) {
	c.server.count.refused[r.Code].Add(1)
	c.count.Refused++
	if id == 0 {
		last := r
		c.phase, c.err = closing, &last
		c.welcome, c.pong = false, false
		c.refusals, c.requests = c.refusals[:0], c.requests[:0]
	}
	c.refusals = append(c.refusals, reply{id, r})
}

func (c *Session) logIn(f frame) error {
	version, err := c.login.decode(f)
	if err != nil {
		return c.malformed(err)
	}
	ch, l := &c.server.cfg.Channel, &c.login
	switch {
	case version != Version:
		c.refuse(0, Refusal{Code: CodeVersion, Text: fmt.Sprintf("this server speaks version %d", Version)})
	case l.Channel != AnyChannel && l.Channel != ch.Channel:
		c.refuse(0, Refusal{Code: CodeBadChannel, Text: fmt.Sprintf("this server has channel %d", ch.Channel)})
	case l.Session != 0 && l.Session != ch.Session:
		c.refuse(0, Refusal{Code: CodeBadSession, Text: fmt.Sprintf("this server has session %v", ch.Session)})
	default:
		c.phase, c.welcome = serving, true
		c.server.count.logins.Add(1)
	}
	return c.err
}

// request takes a request into the queue, or refuses it.
func (c *Session) request(now wire.Nanos, r request) error {
	s, l := c.server, &c.server.cfg.Limits
	s.count.requests.Add(1)
	s.count.asked(now)
	c.count.Requests++
	if r.id == 0 || slices.ContainsFunc(c.requests, func(o request) bool { return o.id == r.id }) {
		return c.malformed(ErrBody)
	}
	if len(c.refusals) >= 2*l.Outstanding {
		return c.malformed(ErrFlood)
	}
	if no := c.judge(now, &r); no.Code != 0 {
		c.refuse(r.id, no)
		return nil
	}
	c.requests = append(c.requests, r)
	return nil
}

// judge says what is wrong with r by itself; whether the store has it is found when
// it is answered.
func (c *Session) judge(now wire.Nanos, r *request) Refusal {
	l := &c.server.cfg.Limits
	if wait := c.admit(now); wait > 0 {
		return Refusal{Code: CodeRate, Retryable: true, RetryAfter: wait, Text: "too many requests in a second"}
	}
	if len(c.requests)+len(c.refusals) >= l.Outstanding {
		return Refusal{Code: CodeRate, Retryable: true, RetryAfter: millisecond, Text: "too many requests are open"}
	}
	switch {
	case r.definitions:
	case r.first == 0 || !r.follow && r.last < r.first:
		return Refusal{Code: CodeMalformed, Text: "a range is first to last, from 1"}
	case r.follow && c.follow() != nil:
		return Refusal{Code: CodeBusy, Retryable: true, RetryAfter: second, Text: "a follow is open"}
	case r.follow:
		r.last = math.MaxUint64
	case r.last-r.first >= l.Range:
		return Refusal{Code: CodeTooLarge, Text: fmt.Sprintf("at most %d messages at once", l.Range)}
	}
	return Refusal{}
}

// admit takes one request of the client's rate and of the total, or says how long
// to wait.
func (c *Session) admit(now wire.Nanos) wire.Nanos {
	if w := c.rate.wait(now, 1); w > 0 {
		return w
	}
	if w := c.server.admit(now); w > 0 {
		return w
	}
	c.rate.take(now, 1)
	return 0
}

// follow is the open-ended request, or nil.
func (c *Session) follow() *request {
	for i := range c.requests {
		if c.requests[i].follow {
			return &c.requests[i]
		}
	}
	return nil
}

// Taken tells that the socket took n of the bytes that Produce gave.
func (c *Session) Taken(now wire.Nanos, n int) {
	c.taken += uint64(max(n, 0))
	c.moved = now
}

// Done reports whether the connection can be closed: nothing will come any more.
func (c *Session) Done() bool { return c.phase == closed }

// Err is why the connection is closing or closed; nil while it is neither.
func (c *Session) Err() error { return c.err }

// Close gives the connection's place to others. It may be called again.
func (c *Session) Close() {
	if c.gone {
		return
	}
	c.gone, c.phase = true, closed
	c.refusals, c.requests = nil, nil
	c.server.left(c.peer)
}
