package local

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// peer is one connected program, owned by the Source's loop.
type peer struct {
	fd   int
	born wire.Nanos

	name  string       // empty before the hello
	input feed.InputID // with a name
	acked uint64       // the last ack or welcome said so

	buf  []byte // received: [r:w] is not yet used; fixed length maxFrame
	r, w int
	end  int    // where the put at r ends; r when none is open
	seq  uint64 // of the message at r, when a put is open

	out  []byte // not yet sent; at most one frame. Acks wait while it is not empty
	eof  bool   // nothing more will arrive; what is buffered is still put
	gone bool   // refused or failed: to be closed
}

func newPeer(fd int, now wire.Nanos) *peer {
	return &peer{fd: fd, born: now, buf: make([]byte, maxFrame), out: make([]byte, 0, 256)}
}

// receive reads once, as much as fits.
func (p *peer) receive() {
	if p.eof || p.gone {
		return
	}
	if p.r > 0 {
		p.w = copy(p.buf, p.buf[p.r:p.w])
		p.end -= p.r
		p.r = 0
	}
	if p.w == len(p.buf) {
		return
	}
	n, err := unix.Read(p.fd, p.buf[p.w:])
	switch {
	case n > 0:
		p.w += n
	case err == unix.EAGAIN || err == unix.EINTR:
	default: // the end, or a reset: the connection has nothing more to say
		p.eof = true
	}
}

// put hands at most limit messages to sink and returns how many it handed over,
// duplicates included. It stops at a message that the sink has no room for.
func (p *peer) put(sink feed.Sink, limit int) (n int) {
	for n < limit && !p.gone && p.ready() {
		size := messageLen(p.buf[p.r:p.end])
		if size == 0 {
			p.refuse(&Refusal{CodeMalformed, "the messages of a put do not fit its length"})
			return n
		}
		err := sink.Put(feed.Input{ID: p.input, Seq: p.seq}, p.buf[p.r:p.r+size])
		if errors.Is(err, feed.ErrFull) {
			return n
		}
		if err != nil && !errors.Is(err, feed.ErrDuplicate) {
			p.refuse(refusalFor(err))
			return n
		}
		p.r, p.seq, n = p.r+size, p.seq+1, n+1
	}
	return n
}

// ready reports whether a message of an open put is next, and opens the next put
// when it is whole.
func (p *peer) ready() bool {
	if p.r < p.end {
		return true
	}
	t, body, n, err := next(p.buf[p.r:p.w])
	if err == nil && n == 0 {
		return false
	}
	first, _, perr := parsePut(body)
	if err != nil || t != framePut || perr != nil {
		p.refuse(&Refusal{CodeMalformed, "a put was expected"})
		return false
	}
	p.end, p.seq = p.r+n, first
	p.r += putHead
	return true
}

// whole reports whether a whole frame, or the rest of one, waits to be used.
func (p *peer) whole() bool {
	if p.r < p.end {
		return true
	}
	_, _, n, err := next(p.buf[p.r:p.w])
	return n > 0 || err != nil
}

// hello takes the hello out of the buffer. ok is false while it is not whole,
// and when the peer was refused.
func (p *peer) hello() (name string, ok bool) {
	t, body, n, err := next(p.buf[p.r:p.w])
	if err == nil && n == 0 {
		return "", false
	}
	if err != nil || t != frameHello {
		p.refuse(&Refusal{CodeMalformed, "a hello was expected"})
		return "", false
	}
	name, refused := parseHello(body)
	if refused != nil {
		p.refuse(refused)
		return "", false
	}
	p.r += n
	p.end = p.r
	return name, true
}

// welcome begins the peer's input.
func (p *peer) welcome(name string, id feed.InputID, w welcome) {
	p.name, p.input, p.acked = name, id, w.journalled
	p.out = appendWelcome(p.out[:0], w)
	p.flush()
}

// acknowledge sends journalled when it is news and the last frame has left.
func (p *peer) acknowledge(journalled uint64) {
	if len(p.out) > 0 {
		p.flush()
	}
	if len(p.out) > 0 || journalled <= p.acked {
		return
	}
	p.acked = journalled
	p.out = appendAck(p.out, journalled)
	p.flush()
}

// flush sends what the socket takes.
func (p *peer) flush() {
	n, err := unix.SendmsgN(p.fd, p.out, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	if n > 0 {
		p.out = p.out[:copy(p.out, p.out[n:])]
	}
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		p.out = p.out[:0] // nobody listens any more; what was received still counts
	}
}

// refuse says why, as far as the socket takes it at once, and marks p for closing.
func (p *peer) refuse(r *Refusal) {
	p.out = appendRefusal(p.out, r)
	p.flush()
	p.gone = true
}

// refusalFor turns a sink's answer into words for the program.
func refusalFor(err error) *Refusal {
	code := CodeInternal
	switch {
	case errors.Is(err, feed.ErrInputGap):
		code = CodeGap
	case errors.Is(err, wire.ErrMessage):
		code = CodeMessage
	case errors.Is(err, feed.ErrEnded):
		code = CodeEnded
	case errors.Is(err, feed.ErrTooManyInputs):
		code = CodeInputs
	}
	return &Refusal{code, err.Error()}
}
