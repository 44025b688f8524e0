package retransmit

import (
	"errors"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// copy sends the packets from r.seq on, straight from the store into the buffer.
func (c *Session) copy(now wire.Nanos, r *request) verdict {
	start := len(c.out)
	room := c.out[start+headLen : start+headLen+c.window(r)]
	n, err := c.server.live.Copy(room, r.seq)
	if err != nil {
		return c.failed(now, r, err)
	}
	b, next, messages, err := c.cut(room[:n], r)
	if err != nil {
		return c.failed(now, r, err)
	}
	c.out = c.out[:start+headLen+len(b)]
	c.seal(now, start, r.id, messages)
	r.seq, r.served, r.stuck, r.wide, r.retry = next, true, false, false, 0
	return sent
}

// window is how many bytes to copy for r: about what it wants, so that a small gap
// costs a small copy. What is missing then is the next turn's.
func (c *Session) window(r *request) int {
	room := min(c.room(), c.frameSize()-headLen)
	if r.wide {
		return min(c.room(), MaxFrame-headLen)
	}
	if want := r.last - r.seq; want < MaxFrame {
		room = min(room, 2*c.least()+int(want)*averageMessage)
	}
	return room
}

// plainFrame is how long frames of packets are, as far as these fit: a receiver cannot
// begin with one before it is whole, and copies it unless one read brings it whole.
const plainFrame = 32 << 10

// frameSize is how long a frame of packets may get: with compression as long as
// possible, which needs something to compress.
func (c *Session) frameSize() int {
	if c.login.Compress {
		return MaxFrame
	}
	return max(plainFrame, headLen+2*c.least())
}

// averageMessage is about the length of a message, its share of headers included.
const averageMessage = 32

// cut returns those of the packets in b that r wants and may have, the sequence
// after them and how many messages they hold.
func (c *Session) cut(b []byte, r *request) (whole []byte, next uint64, messages int, err error) {
	end := 0
	for next = r.seq; end < len(b) && next <= r.last; {
		n, err := wire.Peek(b[end:])
		if err != nil || n > len(b)-end {
			return nil, 0, 0, errStore
		}
		p := wire.Packet(b[end : end+n])
		if err := c.fits(p, next, end == 0); err != nil {
			if end == 0 {
				return nil, 0, 0, err
			}
			break
		}
		next, messages, end = p.Next(), messages+p.Count(), end+n
	}
	if end == 0 {
		return nil, 0, 0, errStore
	}
	return b[:end], next, messages, nil
}

// fits says what keeps p from being sent as the packet that holds next; only the
// first of an answer may begin before it.
func (c *Session) fits(p wire.Packet, next uint64, first bool) error {
	switch {
	case p.Type() != wire.TypeSequenced || p.Next() <= next:
		return errStore
	case p.First() > next || p.First() < next && !first:
		return errStore
	case p.Epoch() > c.epoch:
		return errUnannounced
	}
	return nil
}

// seal ends the frame of packets that begins at start, compressed if that is asked
// for and worth it.
func (c *Session) seal(now wire.Nanos, start int, id uint32, messages int) {
	s, body := c.server, c.out[start+headLen:]
	kind, raw := frameData, len(body)
	if c.login.Compress && raw >= zstdFrom {
		if n := s.zip.shrink(body); n > 0 {
			kind, c.out = frameDataZstd, c.out[:start+headLen+n]
			s.count.zstdRaw.Add(uint64(raw))
			s.count.zstdBytes.Add(uint64(n))
		}
	}
	f := frame(c.out[start:])
	f.seal(kind, id)
	c.spoke = now
	s.count.asked(now) // who is being answered still asks
	c.flow.take(now, len(f))
	c.quota -= len(f)
	c.count.Messages += uint64(messages)
	c.count.Bytes += uint64(raw)
	s.count.messages.Add(uint64(messages))
	s.count.bytes.Add(uint64(raw))
}

// failed waits when the store's error may pass soon, and refuses otherwise: a disk that
// fails once, or a process that is out of descriptors, may do better in a second.
func (c *Session) failed(now wire.Nanos, r *request, err error) verdict {
	switch {
	case errors.Is(err, feed.ErrSmall) && (!r.wide || c.room() < wire.MaxPacket):
		r.wide = true // and the next turn, or the next buffer, has the room
		return waiting
	case errors.Is(err, feed.ErrBusy), errors.Is(err, feed.ErrGone), errors.Is(err, feed.ErrAhead),
		errors.Is(err, errUnannounced):
		return c.busy(now, r)
	}
	return c.no(r, Refusal{Code: CodeInternal, Retryable: true, RetryAfter: second, Text: "the store cannot be read"})
}

// busy asks the store again shortly, but not for ever.
func (c *Session) busy(now wire.Nanos, r *request) verdict {
	if !r.stuck {
		r.stuck, r.since = true, now
	}
	if now-r.since >= patience {
		return c.no(r, Refusal{Code: CodeBusy, Retryable: true, RetryAfter: 100 * millisecond,
			Text: "the store is busy"})
	}
	r.retry = now + c.server.cfg.Poll
	return waiting
}
