package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

const (
	magic         = "TCjrnl\r\n"
	formatVersion = 1

	headerLen   = 80 // of a segment
	recordLen   = 20 // of a record's head
	progressLen = 16 // u64 hash, u64 sequence

	floorLen = 48 // body of commit and close
	epochLen = 24
	endLen   = 16
	rollLen  = 8

	maxRecord = recordLen + feed.MaxInputs*progressLen + wire.MaxPacket

	// slack is what a segment keeps free for its roll record.
	slack = recordLen + rollLen
)

// Offsets in a segment header.
const (
	offMagic       = 0  // 8 bytes
	offVersion     = 8  // u16
	offChannel     = 10 // u16
	offEpoch       = 12 // u32, when the segment was begun; 0 for the first one
	offSegment     = 16 // u64, from 1
	offSession     = 24 // u64
	offFirst       = 32 // u64, sequence of the first message
	offChain       = 40 // u64, the packets' chain before it
	offRecordChain = 48 // u64, the record chain at the end of the segment before
	offReserved    = 56 // 20 bytes of zeros
	offHeaderSum   = 76 // u32, CRC32C of the bytes before it
)

var _ [headerLen]byte = [offHeaderSum + 4]byte{} // the checksum ends the header

// Offsets in a record head.
const (
	offLink     = 0  // u64, the record chain after this record
	offSum      = 8  // u32, CRC32C of the bytes from offLength to the end of the record
	offLength   = 12 // u32, of the whole record; 0: nothing was written from here on
	offType     = 16 // u8
	offUnused   = 17 // u8, 0
	offProgress = 18 // u16, how many progress entries precede the body
)

var _ [recordLen]byte = [offProgress + 2]byte{} // the progress count ends the head

// Record types. 0 is invalid.
const (
	typePacket = 1 // progress entries, then the packet
	typeCommit = 2 // a floor
	typeEpoch  = 3 // a Cut
	typeEnd    = 4 // u64 last sequence, u64 chain after it: the session is over
	typeClose  = 5 // a floor: the writer ended in good order
	typeRoll   = 6 // u64 the id of the next segment: the last record of this one
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //tidy:allow lookup table, never assigned

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// segmentName is the file name of segment id.
func segmentName(id uint64) string { return fmt.Sprintf("%08d.tcj", id) }

// segmentID is the inverse of segmentName; 0 for other names.
func segmentID(name string) (id uint64) {
	if _, err := fmt.Sscanf(name, "%d.tcj", &id); err != nil || segmentName(id) != name {
		return 0
	}
	return id
}

// link is the record chain after a record, given the one before. The segment's id
// goes into it, so that bytes of another segment or of an earlier use never verify.
func link(before, segment uint64, sum, length uint32) uint64 {
	const a, b = 0x452821e638d01377, 0xbe5466cf34e90c6c
	hi, lo := bits.Mul64(before^segment*a^b, (uint64(sum)<<32|uint64(length))^a)
	return hi ^ lo ^ before
}

// header is a segment's header.
type header struct {
	channel     uint16
	epoch       uint32
	segment     uint64
	session     wire.Session
	first       uint64
	chain       uint64
	recordChain uint64
}

func (h *header) appendTo(b []byte) []byte {
	n := len(b)
	b = append(b, make([]byte, headerLen)...)
	p := b[n:]
	copy(p, magic)
	binary.LittleEndian.PutUint16(p[offVersion:], formatVersion)
	binary.LittleEndian.PutUint16(p[offChannel:], h.channel)
	binary.LittleEndian.PutUint32(p[offEpoch:], h.epoch)
	binary.LittleEndian.PutUint64(p[offSegment:], h.segment)
	binary.LittleEndian.PutUint64(p[offSession:], uint64(h.session))
	binary.LittleEndian.PutUint64(p[offFirst:], h.first)
	binary.LittleEndian.PutUint64(p[offChain:], h.chain)
	binary.LittleEndian.PutUint64(p[offRecordChain:], h.recordChain)
	binary.LittleEndian.PutUint32(p[offHeaderSum:], sum(p[:offHeaderSum]))
	return b
}

// decode reads a header; false: b holds none. ErrVersion: a newer one.
func (h *header) decode(b []byte) (bool, error) {
	if len(b) < headerLen || string(b[:len(magic)]) != magic ||
		binary.LittleEndian.Uint32(b[offHeaderSum:]) != sum(b[:offHeaderSum]) {
		return false, nil
	}
	if v := binary.LittleEndian.Uint16(b[offVersion:]); v != formatVersion {
		return false, fmt.Errorf("%w %d, this program reads %d", ErrVersion, v, formatVersion)
	}
	*h = header{
		channel:     binary.LittleEndian.Uint16(b[offChannel:]),
		epoch:       binary.LittleEndian.Uint32(b[offEpoch:]),
		segment:     binary.LittleEndian.Uint64(b[offSegment:]),
		session:     wire.Session(binary.LittleEndian.Uint64(b[offSession:])),
		first:       binary.LittleEndian.Uint64(b[offFirst:]),
		chain:       binary.LittleEndian.Uint64(b[offChain:]),
		recordChain: binary.LittleEndian.Uint64(b[offRecordChain:]),
	}
	return true, nil
}

// start is the record chain before the first record of h's segment.
func (h *header) start() uint64 {
	return link(h.recordChain, h.segment, uint32(h.session), uint32(h.first))
}

// appendRecord appends a record to b, which must have room, and moves the chain on.
func appendRecord(b []byte, chain *uint64, segment uint64, typ uint8, progress []feed.Progress, body []byte) []byte {
	n := len(b)
	size := recordLen + len(progress)*progressLen + len(body)
	b = b[:n+size]
	r := b[n:]
	binary.LittleEndian.PutUint32(r[offLength:], uint32(size))
	r[offType], r[offUnused] = typ, 0
	binary.LittleEndian.PutUint16(r[offProgress:], uint16(len(progress)))
	at := r[recordLen:]
	for _, p := range progress {
		binary.LittleEndian.PutUint64(at, p.Hash)
		binary.LittleEndian.PutUint64(at[8:], p.Seq)
		at = at[progressLen:]
	}
	copy(at, body)
	s := sum(r[offLength:])
	*chain = link(*chain, segment, s, uint32(size))
	binary.LittleEndian.PutUint32(r[offSum:], s)
	binary.LittleEndian.PutUint64(r[offLink:], *chain)
	return b
}

// record is a valid record, read in place.
type record struct {
	at       place
	typ      uint8
	progress []byte // entries of progressLen
	body     []byte
}

// place is a byte offset in a segment.
type place struct {
	segment uint64
	offset  int64
}

// floor says that everything before it was durable when the record that carries
// it was written. own is where that record stands: so that it can be recognised
// without the chain.
type floor struct {
	session  wire.Session
	own      place
	durable  place
	sequence uint64 // the last durable one
}

func (f *floor) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(f.session))
	b = binary.LittleEndian.AppendUint64(b, f.own.segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.own.offset))
	b = binary.LittleEndian.AppendUint64(b, f.durable.segment)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.durable.offset))
	return binary.LittleEndian.AppendUint64(b, f.sequence)
}

func decodeFloor(b []byte) floor {
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8*i:]) }
	return floor{
		session:  wire.Session(u(0)),
		own:      place{u(1), int64(u(2))},
		durable:  place{u(3), int64(u(4))},
		sequence: u(5),
	}
}

func (c *Cut) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, c.Epoch)
	b = binary.LittleEndian.AppendUint32(b, c.Previous)
	b = binary.LittleEndian.AppendUint64(b, c.Cut)
	return binary.LittleEndian.AppendUint64(b, c.Chain)
}

func decodeCut(b []byte) Cut {
	return Cut{
		Epoch:    binary.LittleEndian.Uint32(b),
		Previous: binary.LittleEndian.Uint32(b[4:]),
		Cut:      binary.LittleEndian.Uint64(b[8:]),
		Chain:    binary.LittleEndian.Uint64(b[16:]),
	}
}

// bodyLen is the exact length of a control record's body; -1 for another type.
func bodyLen(typ uint8) int {
	switch typ {
	case typeCommit, typeClose:
		return floorLen
	case typeEpoch:
		return epochLen
	case typeEnd:
		return endLen
	case typeRoll:
		return rollLen
	}
	return -1
}
