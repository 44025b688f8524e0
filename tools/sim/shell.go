package main

import (
	"errors"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// What cmd/daemon's connections do.
const (
	produceSize = 256 << 10
	receiveSize = 4 << 10
	writeLimit  = 10 * second
	writeSize   = 64 << 10
)

// shell is the sockets of a retransmit service, as cmd/daemon has them: it moves
// bytes between connections and their sessions.
type shell struct {
	w      *world
	host   int
	clock  func() wire.Nanos
	server *retransmit.Server
	conns  []*session
	paused func() wire.Nanos // until when the process stands still, or 0
}

// session is one accepted connection.
type session struct {
	shell   *shell
	conn    *tcpConn
	began   wire.Nanos
	s       *retransmit.Session
	pending []byte     // produced and not yet taken by the socket
	chunk   int        // bytes of the write under way
	limit   wire.Nanos // when the write under way is given up
	eof     bool       // nothing more is read
	gone    bool
	timer   int
	due     wire.Nanos
}

func (s *shell) accept(c *tcpConn) {
	x := &session{shell: s, conn: c, began: s.clock()}
	var err error
	x.s, err = s.server.Accept(s.clock(), "peer")
	var r *retransmit.Refusal
	if errors.As(err, &r) {
		c.ends[atServer] = x
		c.write(atServer, retransmit.AppendRefusal(nil, 0, *r))
		c.close(atServer)
		x.gone = true
		return
	}
	c.ends[atServer] = x
	s.conns = append(s.conns, x)
	x.at(0)
}

// drop ends all connections: killed, or without power.
func (s *shell) drop(power bool) {
	for _, x := range s.conns {
		x.gone = true
		if power {
			x.conn.vanish(atServer)
		} else {
			x.conn.abort(atServer)
		}
	}
	s.conns = nil
}

func (x *session) name() string { return "session" }
func (x *session) tcpHost() int { return x.shell.host }
func (x *session) tcpReady()    { x.at(0) }
func (x *session) tcpBroken()   { x.end() }

// at asks to be woken, unless that is going to happen earlier.
func (x *session) at(d wire.Nanos) {
	k := &x.shell.w.k
	if x.due > k.now && x.due <= k.now+d {
		return
	}
	x.timer++
	x.due = k.now + d
	k.after(d, x, 0, x.timer, nil)
}

func (x *session) wake(_, n int, _ []byte) {
	if x.gone || n != x.timer {
		return
	}
	x.due = 0
	k := &x.shell.w.k
	if until := x.shell.paused(); until > k.now {
		x.at(until - k.now)
		return
	}
	x.read()
	if !x.gone {
		x.write()
	}
}

// read hands what arrived to the session.
func (x *session) read() {
	for !x.eof {
		b, eof := x.conn.read(atServer, receiveSize)
		if len(b) == 0 {
			x.eof = eof
			return
		}
		if err := x.s.Receive(x.shell.clock(), b); err != nil {
			x.shell.w.coverError(err)
			x.eof = true
		}
	}
}

// write sends what the session produces, until the socket is full or there is
// nothing to say.
func (x *session) write() {
	for {
		now := x.shell.clock()
		if len(x.pending) > 0 {
			if !x.push(now) {
				return
			}
			continue
		}
		limit, err := x.s.Poll(now)
		if err != nil {
			x.shell.w.coverError(err)
			x.end()
			return
		}
		n, next := x.s.Produce(now, x.shell.w.scratch)
		if n == 0 {
			if x.s.Done() {
				x.end()
				return
			}
			x.at(max(min(next, limit)-now, microsecond))
			return
		}
		x.pending = append(x.pending[:0], x.shell.w.scratch[:n]...)
	}
}

// push writes on; false: the socket is full, or the connection over.
func (x *session) push(now wire.Nanos) bool {
	if x.chunk == 0 {
		x.chunk, x.limit = min(writeSize, len(x.pending)), now+writeLimit
	}
	n, err := x.conn.write(atServer, x.pending[:x.chunk])
	if err != nil || now >= x.limit {
		x.end()
		return false
	}
	x.chunk -= n
	x.pending = x.pending[n:]
	if x.chunk > 0 {
		x.at(x.limit - now)
		return false
	}
	x.s.Taken(now, writeSize)
	return true
}

func (x *session) end() {
	if x.gone {
		return
	}
	x.gone = true
	x.checkRate()
	x.shell.w.tell("session", "of %s ends: %v", x.s.Login().Name, x.s.Err())
	x.s.Close()
	x.conn.close(atServer)
	s := x.shell
	if i := slices.Index(s.conns, x); i >= 0 {
		s.conns = slices.Delete(s.conns, i, i+1)
	}
}

// checkRate looks whether more was answered than the rate allows: a second's burst,
// and what came since.
func (x *session) checkRate() {
	c, rate := x.s.Counters(), uint64(x.shell.w.o.Limits.Requests)
	since := x.shell.clock() - x.began
	most := rate + uint64(max(since, 0))*rate/uint64(second) + 2
	if c.Requests > c.Refused+most {
		x.shell.w.fail("I13 rate: %d requests are taken in %v, at %d a second", c.Requests-c.Refused, since.Duration(), rate)
	}
}
