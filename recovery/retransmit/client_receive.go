package retransmit

import (
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/tapecast/tapecast/feed/wire"
)

// Receive takes bytes of the server, in pieces of any size, and calls h. b is not
// kept. Any error ends the connection: ErrFrame, ErrChecksum, ErrBody, ErrUnexpected,
// or a *Refusal of the login.
func (c *Client) Receive(now wire.Nanos, b []byte, h ClientHandler) error {
	for {
		f, rest, err := c.split.next(b)
		if f == nil || err != nil {
			return err
		}
		c.heard = now
		if err := c.take(f, h); err != nil {
			return err
		}
		b = rest
	}
}

// take dispatches one frame.
func (c *Client) take(f frame, h ClientHandler) error {
	switch t := f.typ(); {
	case t == frameRefusal:
		return c.refused(f, h)
	case !c.ready:
		return c.welcomed(f, h)
	case t == frameControl:
		return control(f, h)
	case t == framePong:
		return nil
	case !slices.Contains(c.open, f.id()):
		return ErrUnexpected
	}
	return c.answer(f, h)
}

// answer takes a frame that belongs to an open request.
func (c *Client) answer(f frame, h ClientHandler) error {
	switch id := f.id(); f.typ() {
	case frameData:
		return packets(id, f.body(), h)
	case frameDataZstd:
		return c.inflate(f, h)
	case frameUnavailable:
		first, last, cause, err := decodeUnavailable(f)
		if err != nil {
			return err
		}
		h.Unavailable(id, first, last, cause)
	case frameDone:
		c.finish(id)
		h.Done(id, le.Uint64(f.body()))
	default:
		return ErrUnexpected
	}
	return nil
}

func (c *Client) welcomed(f frame, h ClientHandler) error {
	if f.typ() != frameWelcome || f.id() != 0 {
		return ErrUnexpected
	}
	if err := c.welcome.decode(f); err != nil {
		return err
	}
	c.ready = true
	h.Welcome(c.welcome)
	return nil
}

func (c *Client) refused(f frame, h ClientHandler) error {
	r, err := decodeRefusal(f)
	if err != nil {
		return err
	}
	id := f.id()
	if id != 0 && !c.finish(id) {
		return ErrUnexpected
	}
	h.Refused(id, r)
	if id == 0 {
		return &r
	}
	return nil
}

func control(f frame, h ClientHandler) error {
	p, err := wire.Parse(f.body())
	if err != nil || len(p) != len(f.body()) {
		return ErrBody
	}
	if t := p.Type(); t != wire.TypeHeartbeat && t != wire.TypeEpoch && t != wire.TypeEnd {
		return ErrBody
	}
	h.Control(p)
	return nil
}

// packets hands on b when whole packets fill it.
func packets(id uint32, b []byte, h ClientHandler) error {
	for rest := b; len(rest) > 0; {
		n, err := wire.Peek(rest)
		if err != nil || n > len(rest) {
			return ErrBody
		}
		rest = rest[n:]
	}
	h.Packets(id, b)
	return nil
}

// inflate decompresses into memory whose size the protocol bounds, whatever the
// compressed bytes claim.
func (c *Client) inflate(f frame, h ClientHandler) error {
	raw := le.Uint32(f.body())
	if !c.cfg.Compress || raw < wire.HeaderLen || raw > MaxRaw {
		return ErrBody
	}
	if err := c.openZstd(); err != nil {
		return err
	}
	b, err := c.zstd.DecodeAll(f.body()[4:], c.raw[:0:raw])
	if err != nil || len(b) != int(raw) {
		return ErrBody
	}
	return packets(f.id(), b, h)
}

func (c *Client) openZstd() (err error) {
	if c.zstd != nil {
		return nil
	}
	c.raw = make([]byte, MaxRaw)
	c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(MaxRaw), zstd.WithDecodeAllCapLimit(true))
	return err
}
