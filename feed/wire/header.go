package wire

import (
	"encoding/binary"
	"strings"
	"time"
)

// Version is the packet version that this package writes and reads.
const Version = 1

// HeaderLen is the length of the packet header that this package writes, in
// bytes. A newer writer's may be longer; never shorter.
const HeaderLen = 64

// TagLen is the length of the authentication tag behind the payload, in bytes,
// when FlagTag is set.
const TagLen = 16

// DefaultPacket and MaxPacket bound a whole packet, header included, in bytes.
const (
	DefaultPacket = 1400
	MaxPacket     = 65000
)

// Offsets of the packet header fields, in bytes. The checksum comes first, so
// that what it covers is one run of bytes.
const (
	offChecksum   = 0  // u32, CRC32C of the bytes from offVersion to the end of the payload
	offVersion    = 4  // u8
	offType       = 5  // u8, low four bits the type, high four bits flags
	offHeaderLen  = 6  // u8
	offKeyID      = 7  // u8, key of the tag; 0 without one
	offChannel    = 8  // u16
	offCount      = 10 // u16, messages
	offPayloadLen = 12 // u16, bytes
	offClockState = 14 // u8
	offTAI        = 15 // i8, TAI - UTC in seconds; -128 unknown
	offSession    = 16 // 8 bytes ASCII, padded with zeros
	offEpoch      = 24 // u32
	offClockID    = 28 // u32
	offSequence   = 32 // u64, of the first message; the next one in a control packet
	offStamp      = 40 // u64, ns UTC, of the first message
	offCloseTime  = 48 // u32, ns after offStamp
	offBound      = 52 // u32, ns; BoundUnknown
	offChain      = 56 // u64, before this packet
)

var _ [HeaderLen]byte = [offChain + 8]byte{} // the chain ends the header

// Nanos is a time in nanoseconds since 1970-01-01 UTC, or, where a comment says
// so, on a monotonic clock. Differences are nanoseconds.
type Nanos int64

// Time gives n as a time.Time in UTC.
func (n Nanos) Time() time.Time { return time.Unix(0, int64(n)).UTC() }

// Duration gives n, a difference of two times, as a time.Duration.
func (n Nanos) Duration() time.Duration { return time.Duration(n) }

// Type says what a packet carries. 0 is invalid.
type Type uint8

// Packet types. Only sequenced packets are numbered, chained and journalled; the
// others are control packets.
const (
	TypeSequenced Type = 1 // messages
	TypeHeartbeat Type = 2 // Status: nothing new
	TypeEpoch     Type = 3 // Status: a new epoch and its cut
	TypeEnd       Type = 4 // Status: the session is over
	TypeSnapshot  Type = 5 // messages as of the sequence before the header's
)

// Packet flags, in the type byte. Unknown flags are ignored.
const (
	FlagDefinitions = 0x10 // at least one message is an instrument definition
	FlagTag         = 0x20 // TagLen bytes follow the payload
	typeMask        = 0x0f
)

// ClockState says how far a stamp can be trusted.
type ClockState uint8

// Clock states.
const (
	ClockUnsynchronised ClockState = 0 // no promise about true time
	ClockSynchronised   ClockState = 1 // true time is within the bound
	ClockHoldover       ClockState = 2 // within the bound, which grows
	ClockDisrupted      ClockState = 3 // the host was paused or moved
)

// BoundUnknown is the error bound of a clock that promises nothing.
const BoundUnknown = 1<<32 - 1

// TAIUnknown is the TAI offset of a clock that does not know it.
const TAIUnknown = -128

// Clock is what a packet says of the clock that stamped it.
type Clock struct {
	State ClockState
	TAI   int8   // TAI - UTC, seconds; TAIUnknown
	ID    uint32 // boot and generation: equal ids share one clock
	Bound uint32 // largest error, ns; BoundUnknown
}

// Session is the name of one numbering of messages: one to eight ASCII
// characters, the first in the lowest byte. The zero Session is no session.
type Session uint64

// ParseSession turns a name of 1 to 8 characters of A-Z a-z 0-9 - _ . into a
// Session. It returns ErrSession for any other, and for one that begins with a dot:
// journals lie in directories of these names.
func ParseSession(name string) (Session, error) {
	if len(name) == 0 || len(name) > 8 || name[0] == '.' {
		return 0, ErrSession
	}
	var b [8]byte
	for i := range len(name) {
		if !sessionChar(name[i]) {
			return 0, ErrSession
		}
		b[i] = name[i]
	}
	return Session(binary.LittleEndian.Uint64(b[:])), nil
}

func sessionChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.'
}

// String gives the name of s; bytes that no name may have become '?', so that what
// arrived from a stranger is safe as the name of a directory.
func (s Session) String() string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(s))
	name := strings.TrimRight(string(b[:]), "\x00")
	if strings.HasPrefix(name, ".") {
		name = "?" + name[1:]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && sessionChar(byte(r)) {
			return r
		}
		return '?'
	}, name)
}

// Header is a packet header by field, for writing and for printing.
// Packet reads single fields in place.
type Header struct {
	Type      Type
	Flags     uint8 // FlagDefinitions, FlagTag
	KeyID     uint8
	Channel   uint16
	Count     uint16
	Session   Session
	Epoch     uint32
	Sequence  uint64
	Stamp     Nanos
	CloseTime uint32 // ns after Stamp
	Chain     uint64 // before this packet
	Clock     Clock
}

// put writes h and the payload length into b[:HeaderLen], all but the checksum.
func (h *Header) put(b []byte, payload int) {
	_ = b[HeaderLen-1]
	b[offVersion] = Version
	b[offType] = uint8(h.Type) | h.Flags
	b[offHeaderLen] = HeaderLen
	b[offKeyID] = h.KeyID
	le.PutUint16(b[offChannel:], h.Channel)
	le.PutUint16(b[offCount:], h.Count)
	le.PutUint16(b[offPayloadLen:], uint16(payload))
	b[offClockState] = uint8(h.Clock.State)
	b[offTAI] = uint8(h.Clock.TAI)
	le.PutUint64(b[offSession:], uint64(h.Session))
	le.PutUint32(b[offEpoch:], h.Epoch)
	le.PutUint32(b[offClockID:], h.Clock.ID)
	le.PutUint64(b[offSequence:], h.Sequence)
	le.PutUint64(b[offStamp:], uint64(h.Stamp))
	le.PutUint32(b[offCloseTime:], h.CloseTime)
	le.PutUint32(b[offBound:], h.Clock.Bound)
	le.PutUint64(b[offChain:], h.Chain)
}

var le = binary.LittleEndian //tidy:allow byte order, a constant in all but name
