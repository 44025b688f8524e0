package wire

import "hash/crc32"

// Builder packs messages into one packet, in memory lent by Open until Close. The
// zero Builder is closed.
type Builder struct {
	buf   []byte // the memory lent, as long as the packet may become
	n     int    // length of the packet so far, header space included
	first Nanos  // stamp of the first message
	last  Nanos  // stamp of the last message
	count uint16
	flags uint8
}

// Open starts a packet in buf, which must hold at least HeaderLen bytes; its
// length, or MaxPacket, is the largest that the packet may become. The Builder
// owns it until Close.
func (b *Builder) Open(buf []byte) {
	*b = Builder{buf: buf[:min(len(buf), MaxPacket)], n: HeaderLen}
}

// Count is the number of messages added since Open.
func (b *Builder) Count() int { return int(b.count) }

// Len is the length of the packet so far, in bytes.
func (b *Builder) Len() int { return b.n }

// Add copies one message, as AppendTo made it, into the packet and stamps it.
// stamp must not be below the previous one. Add reports false, and adds nothing,
// when the packet has no room: the caller closes it and opens the next.
func (b *Builder) Add(msg []byte, stamp Nanos) bool {
	if stamp != b.last || b.count == 0 {
		return b.addStamped(msg, stamp)
	}
	room := b.buf[b.n:]
	if len(msg) > len(room) || b.count == 1<<16-1 {
		return false
	}
	copy(room, msg)
	b.added(msg[offKind], len(msg))
	return true
}

// addStamped adds the first message, or one with its stamp's offset put in behind
// the message header.
func (b *Builder) addStamped(msg []byte, stamp Nanos) bool {
	if b.count == 0 {
		return b.addFirst(msg, stamp)
	}
	room, off := b.buf[b.n:], stamp-b.first
	if len(msg)+stampLen > len(room) || b.count == 1<<16-1 || off > 1<<32-1 {
		return false
	}
	copy(room[stampLen:], msg)
	copy(room[:HeadLen], msg[:HeadLen])
	le.PutUint16(room[offLength:], uint16(len(msg)+stampLen))
	room[offFlags] |= FlagStamp
	le.PutUint32(room[HeadLen:], uint32(off))
	b.last = stamp
	b.added(msg[offKind], len(msg)+stampLen)
	return true
}

// addFirst adds a message whose stamp is the packet's.
func (b *Builder) addFirst(msg []byte, stamp Nanos) bool {
	b.first, b.last = stamp, stamp
	if len(msg) > len(b.buf)-b.n {
		return false
	}
	copy(b.buf[b.n:], msg)
	b.added(msg[offKind], len(msg))
	return true
}

func (b *Builder) added(kind byte, size int) {
	b.n += size
	b.count++
	if Kind(kind) == KindInstrumentDefinition {
		b.flags |= FlagDefinitions
	}
}

// Close writes the header and returns the finished packet, which aliases the
// memory given to Open, and the chain after it. Of h it uses all but what the
// Builder knows: count, stamp, close time and the definitions flag. closed is
// when the packet closes, at or after the last stamp.
func (b *Builder) Close(h Header, closed Nanos) (Packet, uint64) {
	h.Count, h.Stamp, h.Flags = b.count, b.first, h.Flags|b.flags
	h.CloseTime = uint32(min(max(closed-b.first, 0), 1<<32-1))
	p := seal(b.buf[:b.n:b.n], &h)
	*b = Builder{}
	return p, ChainAfter(p)
}

// seal writes h in front of the payload in b[HeaderLen:], and the checksum.
func seal(b []byte, h *Header) Packet {
	h.put(b, len(b)-HeaderLen)
	le.PutUint32(b[offChecksum:], crc32.Checksum(b[offVersion:], castagnoli))
	return Packet(b)
}
