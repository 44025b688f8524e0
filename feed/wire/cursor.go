package wire

// Cursor walks the messages of a packet, first to last. It allocates nothing and
// copies nothing. Declare it before the loop: a for statement copies a variable of
// its own at every turn, which takes thrice as long as Next.
type Cursor struct {
	rest  []byte // behind the current message
	msg   []byte // the current message
	base  Nanos  // the packet's stamp
	stamp Nanos  // the current message's
	seq   uint64 // of the current message
}

// Cursor returns a cursor before the first message of p.
func (p Packet) Cursor() Cursor {
	t := p.Stamp()
	return Cursor{rest: p.Payload(), base: t, stamp: t, seq: p.First() - 1}
}

// Next steps to the next message and reports whether there is one.
func (c *Cursor) Next() bool {
	b := c.rest
	if len(b) < HeadLen {
		return false
	}
	n := int(le.Uint16(b))
	if n > len(b) || n < HeadLen {
		return false
	}
	c.msg, c.rest = b[:n:n], b[n:]
	c.seq++
	if b[offFlags]&FlagStamp != 0 && n >= HeadLen+stampLen {
		c.stamp = c.base + Nanos(le.Uint32(b[HeadLen:]))
	}
	return true
}

// Kind is the current message's kind.
func (c *Cursor) Kind() Kind { return Kind(c.msg[offKind]) }

// Sequence is the current message's sequence. In a snapshot packet it means nothing.
func (c *Cursor) Sequence() uint64 { return c.seq }

// Stamp is when the sequencer took the current message, ns UTC.
func (c *Cursor) Stamp() Nanos { return c.stamp }

// Instrument is the current message's instrument id; 0 is none.
func (c *Cursor) Instrument() uint32 { return le.Uint32(c.msg[offInstrument:]) }

// Source is the current message's source time, ns since the source's midnight.
func (c *Cursor) Source() uint64 { return SourceOf(c.msg) }

// Message is the current message, whole, for Decode. It aliases the packet.
func (c *Cursor) Message() []byte { return c.msg }
