package retransmit

import "github.com/tapecast/tapecast/feed/wire"

// define sends instrument definitions as snapshot packets, as many as there is
// room for.
func (c *Session) define(now wire.Nanos, st *State, r *request) verdict {
	if len(r.msgs) == 0 {
		return c.finish(r, r.asOf)
	}
	start, size := len(c.out), c.least()
	limit := min(cap(c.out), start+MaxFrame)
	end, messages := start+headLen, 0
	for len(r.msgs) > 0 && limit-end >= size {
		n, count := c.snapshot(now, st, r, c.out[end:end+size])
		if count == 0 {
			return c.no(r, Refusal{Code: CodeInternal, Text: "the definitions cannot be read"})
		}
		end, messages = end+n, messages+count
	}
	c.out = c.out[:end]
	c.seal(now, start, r.id, messages)
	return sent
}

// snapshot makes one packet in room of the next definitions. It returns its length
// and how many there are in it: none when they are not whole messages.
func (c *Session) snapshot(now wire.Nanos, st *State, r *request, room []byte) (n, count int) {
	var b wire.Builder
	b.Open(room)
	for len(r.msgs) > 0 {
		m := messageAt(r.msgs)
		if m == nil || !b.Add(m, now) {
			break
		}
		r.msgs = r.msgs[len(m):]
		count++
	}
	if count == 0 {
		return 0, 0
	}
	ch := &c.server.cfg.Channel
	p, _ := b.Close(wire.Header{
		Type: wire.TypeSnapshot, Channel: ch.Channel, Session: ch.Session, Epoch: c.epoch,
		Sequence: r.asOf + 1, Stamp: now, Clock: st.Clock,
	}, now)
	return len(p), count
}

// messageAt is the message at the head of b, nil when there is no whole one.
func messageAt(b []byte) []byte {
	if len(b) < wire.HeadLen {
		return nil
	}
	n := int(le.Uint16(b))
	if n < wire.HeadLen || n > len(b) {
		return nil
	}
	return b[:n]
}
