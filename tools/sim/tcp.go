package main

import (
	"errors"

	"github.com/tapecast/tapecast/feed/wire"
)

var errReset = errors.New("connection reset")

// Ends of a connection.
const (
	atClient = 0
	atServer = 1
)

// Tags of a connection's events. n is the end that it happens at.
const (
	tagSyn    = iota // arrives at the server
	tagOpen          // the client hears
	tagPiece         // len(data) is 0; n is end + 2*bytes
	tagRoom          // the writer may go on
	tagBroken        // the end hears of a reset
)

// again is how long what a partition holds up waits for its next try.
const again = 40 * millisecond

// peer is what sits at one end of a connection.
type peer interface {
	tcpReady()    // there may be bytes to read, or room to write
	tcpBroken()   // nothing more will come of it
	tcpHost() int // on the network
}

// tcpConn is one connection: two directions that keep order, lose nothing, and
// promise nothing about time or the size of what arrives.
type tcpConn struct {
	w       *world
	id      int
	ends    [2]peer // nil: gone without a word
	hosts   [2]int
	dirs    [2]pipe // by the end that reads
	open    bool
	greeted bool    // the client knows that it is open
	dead    [2]bool // the end knows that it is over
}

// pipe is one direction.
type pipe struct {
	buf     []byte // written and not yet read
	arrived int    // bytes of it that can be read
	last    wire.Nanos
	fin     bool // nothing will be written any more
	full    bool // the writer waits for room
}

// dial connects a receiver to a host. The answer comes by tcpReady or tcpBroken.
func (w *world) dial(from peer, to int) *tcpConn {
	w.conns++
	c := &tcpConn{w: w, id: w.conns}
	c.ends[atClient] = from
	c.hosts = [2]int{from.tcpHost(), to}
	w.k.after(w.o.TCP.Latency, c, tagSyn, atServer, nil)
	return c
}

func (c *tcpConn) name() string { return "connection" }

func (c *tcpConn) wake(tag, n int, _ []byte) {
	switch tag {
	case tagSyn:
		c.syn()
	case tagOpen:
		if !c.parted(atServer) {
			c.open = true
			c.ready(atClient)
		}
	case tagPiece:
		c.piece(n&1, n>>1)
	case tagRoom:
		c.ready(n)
	case tagBroken:
		c.broken(n)
	}
}

// parted reports whether what end sends does not get through.
func (c *tcpConn) parted(end int) bool { return c.w.net.cut(c.hosts[end], c.hosts[1-end]) }

func (c *tcpConn) ready(end int) {
	if p := c.ends[end]; p != nil && !c.dead[end] {
		p.tcpReady()
	}
}

// syn is a connection attempt at the server: without an answer when nobody is
// there to give it.
func (c *tcpConn) syn() {
	s := c.w.shellAt(c.hosts[atServer])
	switch {
	case c.parted(atClient):
		c.w.cover("dial parted")
	case s == nil && c.w.node.dark:
		c.w.cover("dial unanswered")
	case s == nil:
		c.w.cover("dial refused")
		c.w.k.after(c.w.o.TCP.Latency, c, tagBroken, atClient, nil)
	default:
		c.w.k.after(c.w.o.TCP.Latency, c, tagOpen, atClient, nil)
		s.accept(c)
	}
}

// write takes as much of b as there is room for.
func (c *tcpConn) write(end int, b []byte) (int, error) {
	if c.dead[end] {
		return 0, errReset
	}
	o, p := &c.w.o.TCP, &c.dirs[1-end]
	n := min(len(b), o.Buffer-len(p.buf))
	p.full = n < len(b)
	p.buf = append(p.buf, b[:n]...)
	for left := n; left > 0; {
		k := min(left, 1+c.w.net.rand.n(o.Piece))
		left -= k
		c.send(1-end, k)
	}
	return n, nil
}

// send puts the next k bytes for an end on their way.
func (c *tcpConn) send(end, k int) {
	o, p, rnd := &c.w.o.TCP, &c.dirs[end], c.w.net.rand
	at := c.w.k.now + o.Latency
	if !c.w.calm {
		at += rnd.span(0, o.Latency/4)
		if rnd.chance(o.Stall) {
			c.w.cover("tcp stalled")
			at += rnd.span(0, o.Stalled)
		}
		if rnd.chance(o.Reset) {
			c.w.cover("tcp reset")
			c.w.k.at(max(p.last, at), c, tagBroken, atClient, nil)
			c.w.k.at(max(p.last, at), c, tagBroken, atServer, nil)
		}
		if rnd.chance(o.Corrupt) {
			c.w.cover("tcp corrupted")
			p.buf[len(p.buf)-k+rnd.n(k)] ^= 1 << rnd.n(8)
		}
	}
	p.last = max(p.last, at)
	c.w.k.at(p.last, c, tagPiece, end+2*k, nil)
}

// piece is k more bytes at an end.
func (c *tcpConn) piece(end, k int) {
	switch {
	case c.parted(1-end) && !c.dead[end]:
		c.w.cover("tcp parted")
		c.w.k.after(again, c, tagPiece, end+2*k, nil)
	case c.ends[end] == nil && end == atServer && c.w.node.dark:
		c.w.cover("tcp half open")
		c.w.k.after(again, c, tagPiece, end+2*k, nil)
	case c.dead[end] && k == 0:
	case c.dead[end] || c.ends[end] == nil: // its host does not know of the connection
		c.w.k.after(c.w.o.TCP.Latency, c, tagBroken, 1-end, nil)
	default:
		c.dirs[end].arrived += k
		c.ready(end)
	}
}

// read takes up to most bytes that have arrived; eof: there will be no more.
func (c *tcpConn) read(end, most int) (b []byte, eof bool) {
	p := &c.dirs[end]
	n := min(p.arrived, most)
	b, p.buf = p.buf[:n:n], p.buf[n:]
	p.arrived -= n
	if n > 0 && p.full {
		p.full = false
		c.w.k.after(0, c, tagRoom, 1-end, nil)
	}
	return b, p.fin && len(p.buf) == 0
}

// close ends what an end writes; the other reads the rest and then the end.
func (c *tcpConn) close(end int) {
	if c.dead[end] {
		return
	}
	c.dead[end] = true
	c.dirs[1-end].fin = true
	c.send0(1 - end)
}

// send0 lets an end notice that nothing more comes.
func (c *tcpConn) send0(end int) {
	p := &c.dirs[end]
	p.last = max(p.last, c.w.k.now+c.w.o.TCP.Latency)
	c.w.k.at(p.last, c, tagPiece, end, nil)
}

// abort is what the kernel does for a process that is killed.
func (c *tcpConn) abort(end int) {
	if c.dead[end] {
		return
	}
	c.dead[end] = true
	c.w.k.after(c.w.o.TCP.Latency, c, tagBroken, 1-end, nil)
}

// vanish is a power cut at an end: the other is told nothing.
func (c *tcpConn) vanish(end int) { c.ends[end] = nil }

func (c *tcpConn) broken(end int) {
	if c.dead[end] {
		return
	}
	if c.open && c.parted(1-end) {
		c.w.k.after(again, c, tagBroken, end, nil)
		return
	}
	c.dead[end] = true
	if p := c.ends[end]; p != nil {
		p.tcpBroken()
	}
}
