package wire

import "hash/crc32"

// Packet is one packet that Parse or a Builder vouches for: its lengths fit, its
// checksum matches, its messages tile the payload. It is a view of bytes that
// belong to whoever lent them.
type Packet []byte

// Peek returns the length in bytes of the packet at the head of b, by its header
// alone: for readers of consecutive packets that have not all arrived. It
// returns ErrShort, ErrVersion, ErrType or ErrLength (more than MaxPacket).
func Peek(b []byte) (int, error) {
	if len(b) < HeaderLen {
		return 0, ErrShort
	}
	if b[offVersion] != Version {
		return 0, ErrVersion
	}
	if b[offType]&typeMask == 0 {
		return 0, ErrType
	}
	n := int(b[offHeaderLen]) + int(le.Uint16(b[offPayloadLen:]))
	if b[offType]&FlagTag != 0 {
		n += TagLen
	}
	if b[offHeaderLen] < HeaderLen || n > MaxPacket {
		return 0, ErrLength
	}
	return n, nil
}

// Parse checks the packet at the head of b and returns it, cut to its own length:
// what follows it in b (padding, or the next packet) is not looked at. The packet
// aliases b. Errors are ErrShort, ErrVersion, ErrType, ErrLength, ErrChecksum and
// ErrFraming.
func Parse(b []byte) (Packet, error) {
	n, err := Peek(b)
	if err != nil {
		return nil, err
	}
	if n > len(b) {
		return nil, ErrLength
	}
	p := Packet(b[:n:n])
	if p.sum() != le.Uint32(p[offChecksum:]) {
		return nil, ErrChecksum
	}
	if t := p.Type(); (t == TypeSequenced || t == TypeSnapshot) && !p.framed() {
		return nil, ErrFraming
	}
	return p, nil
}

// castagnoli is the CRC32C polynomial, which x86 and ARM compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli) //tidy:allow lookup table, never assigned

func (p Packet) sum() uint32 {
	return crc32.Checksum(p[offVersion:p.end()], castagnoli)
}

// end is where the payload ends and a tag begins.
func (p Packet) end() int { return p.HeaderLen() + int(le.Uint16(p[offPayloadLen:])) }

// framed reports whether Count messages tile the payload exactly. A message's length,
// kind and flags are one load; the next one waits for the length.
func (p Packet) framed() bool {
	b, n := p.Payload(), p.Count()
	for ; n > 0 && len(b) >= HeadLen; n-- {
		h := le.Uint32(b)
		size := int(uint16(h))
		if size > len(b) || size < HeadLen+int(h>>(8*offFlags)&FlagStamp)*stampLen || uint8(h>>(8*offKind)) == 0 {
			return false
		}
		b = b[size:]
	}
	return n == 0 && len(b) == 0
}

// Checksum is the CRC32C of all of p behind it but the tag.
func (p Packet) Checksum() uint32 { return le.Uint32(p[offChecksum:]) }

// Type says what p carries.
func (p Packet) Type() Type { return Type(p[offType] & typeMask) }

// Flags gives FlagDefinitions and FlagTag.
func (p Packet) Flags() uint8 { return p[offType] &^ typeMask }

// HeaderLen is the length of the header, in bytes.
func (p Packet) HeaderLen() int { return int(p[offHeaderLen]) }

// Channel is the sequencer that made p.
func (p Packet) Channel() uint16 { return le.Uint16(p[offChannel:]) }

// Count is the number of messages.
func (p Packet) Count() int { return int(le.Uint16(p[offCount:])) }

// Session is the numbering that p belongs to.
func (p Packet) Session() Session { return Session(le.Uint64(p[offSession:])) }

// Epoch is the sequencer's term inside the session.
func (p Packet) Epoch() uint32 { return le.Uint32(p[offEpoch:]) }

// First is the sequence of the first message; in a control packet the next
// sequence that will be given.
func (p Packet) First() uint64 { return le.Uint64(p[offSequence:]) }

// Next is the sequence after the last message.
func (p Packet) Next() uint64 { return p.First() + uint64(p.Count()) }

// Stamp is the stamp of the first message.
func (p Packet) Stamp() Nanos { return Nanos(le.Uint64(p[offStamp:])) }

// CloseStamp is when the packet was closed, just before it was sent.
func (p Packet) CloseStamp() Nanos { return p.Stamp() + Nanos(le.Uint32(p[offCloseTime:])) }

// Chain is the chain before this packet.
func (p Packet) Chain() uint64 { return le.Uint64(p[offChain:]) }

// Clock is the state of the clock that stamped p.
func (p Packet) Clock() Clock {
	return Clock{
		State: ClockState(p[offClockState]),
		TAI:   int8(p[offTAI]),
		ID:    le.Uint32(p[offClockID:]),
		Bound: le.Uint32(p[offBound:]),
	}
}

// Header gives all fields of p's header.
func (p Packet) Header() Header {
	return Header{
		Type: p.Type(), Flags: p.Flags(), KeyID: p[offKeyID], Channel: p.Channel(),
		Count: uint16(p.Count()), Session: p.Session(), Epoch: p.Epoch(),
		Sequence: p.First(), Stamp: p.Stamp(), CloseTime: le.Uint32(p[offCloseTime:]),
		Chain: p.Chain(), Clock: p.Clock(),
	}
}

// Payload is what lies between header and tag: messages, or a Status. It aliases p.
func (p Packet) Payload() []byte { return p[p.HeaderLen():p.end()] }
