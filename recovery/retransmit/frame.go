package retransmit

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/tapecast/tapecast/feed/wire"
)

// Version is the protocol version that a login states.
const Version = 1

// Bounds of frames, in bytes, head included.
const (
	MaxRequest = loginLen + MaxName // a frame of the client
	MaxFrame   = 256 << 10          // a frame of the server
	MaxRaw     = 256 << 10          // the packets in a compressed frame, decompressed
	MaxName    = 64                 // the name in a login
	MaxText    = 200                // the text in a refusal
)

// headLen is the length of the head that every frame begins with.
const headLen = 16

// Offsets in the head.
const (
	offChecksum = 0  // u32, CRC32C of what follows it; of a data frame only up to its packets
	offLength   = 4  // u32, of the whole frame
	offType     = 8  // u8, then three zeros
	offID       = 12 // u32, of the request; 0 none
)

// A frameType says what a frame is. 0 is invalid.
type frameType uint8

// Frames of the client have the high bit clear, those of the server have it set.
const (
	frameLogin       frameType = 0x01
	frameRange       frameType = 0x02
	frameDefinitions frameType = 0x03
	framePing        frameType = 0x04
	frameReady       frameType = 0x05

	frameWelcome     frameType = 0x81
	frameRefusal     frameType = 0x82
	frameData        frameType = 0x83
	frameDataZstd    frameType = 0x84
	frameUnavailable frameType = 0x85
	frameDone        frameType = 0x86
	frameControl     frameType = 0x87
	framePong        frameType = 0x88
)

// Lengths of the frames, head included; of those that vary, of the fixed part.
const (
	rangeLen       = headLen + 16
	dataZstdLen    = headLen + 4
	unavailableLen = headLen + 24
	doneLen        = headLen + 8
	refusalLen     = headLen + 8
)

var (
	le         = binary.LittleEndian               //tidy:allow byte order, a constant in all but name
	castagnoli = crc32.MakeTable(crc32.Castagnoli) //tidy:allow lookup table, never assigned
)

// A frame is one whole checked frame, a view of bytes that belong to the splitter
// or to its caller.
type frame []byte

func (f frame) typ() frameType { return frameType(f[offType]) }
func (f frame) id() uint32     { return le.Uint32(f[offID:]) }
func (f frame) body() []byte   { return f[headLen:] }

// lengths bounds the length of a frame of type t; 0, 0 for a type not known.
func lengths(t frameType) (low, high int) {
	switch t {
	case frameLogin:
		return loginLen, loginLen + MaxName
	case frameRange:
		return rangeLen, rangeLen
	case frameDefinitions, framePing, frameReady, framePong:
		return headLen, headLen
	case frameWelcome:
		return welcomeLen, maxWelcome
	case frameRefusal:
		return refusalLen, refusalLen + MaxText
	case frameData:
		return headLen + wire.HeaderLen, MaxFrame
	case frameDataZstd:
		return dataZstdLen + 1, MaxFrame
	case frameUnavailable:
		return unavailableLen, unavailableLen
	case frameDone:
		return doneLen, doneLen
	case frameControl:
		return headLen + wire.HeaderLen, headLen + wire.DefaultPacket
	}
	return 0, 0
}

// sum is the checksum of f. The packets of a data frame have their own.
func (f frame) sum() uint32 {
	end := len(f)
	if f.typ() == frameData {
		end = headLen
	}
	return crc32.Checksum(f[offLength:end], castagnoli)
}

// seal writes the head of the frame f, whose body is there.
func (f frame) seal(t frameType, id uint32) {
	le.PutUint32(f[offLength:], uint32(len(f)))
	le.PutUint32(f[offType:], uint32(t))
	le.PutUint32(f[offID:], id)
	le.PutUint32(f[offChecksum:], f.sum())
}

// A splitter finds the frames in a stream that arrives in pieces of any size. What
// it keeps is part of one frame, at most that frame's bound.
type splitter struct {
	kept []byte
	done bool  // kept was handed out
	peer uint8 // high bit of the peer's frame types: fromClient or fromServer
}

const (
	fromClient = 0x00
	fromServer = 0x80
)

// partial reports whether a frame has begun and not ended.
func (s *splitter) partial() bool { return len(s.kept) > 0 && !s.done }

// head returns the length of the frame whose head is at the head of b.
func (s *splitter) head(b []byte) (int, error) {
	n := le.Uint32(b[offLength:])
	low, high := lengths(frameType(b[offType]))
	if n < uint32(low) || n > uint32(high) || high == 0 || b[offType]&fromServer != s.peer {
		return 0, ErrFrame
	}
	if b[offType+1]|b[offType+2]|b[offType+3] != 0 {
		return 0, ErrFrame
	}
	return int(n), nil
}

// next takes the next frame off b, and returns it with what is left of b. f is nil
// when it is not whole yet; b is used up then. f lives until the next call.
func (s *splitter) next(b []byte) (f frame, rest []byte, err error) {
	if s.done {
		s.kept, s.done = s.kept[:0], false
	}
	if len(s.kept) == 0 && len(b) >= headLen {
		n, err := s.head(b)
		if err != nil {
			return nil, nil, err
		}
		if len(b) >= n {
			f, err = checked(b[:n:n])
			return f, b[n:], err
		}
	}
	return s.complete(b)
}

// complete adds b to what is kept, as far as the frame goes.
func (s *splitter) complete(b []byte) (f frame, rest []byte, err error) {
	b = s.fill(b, headLen)
	if len(s.kept) < headLen {
		return nil, nil, nil
	}
	n, err := s.head(s.kept)
	if err != nil {
		return nil, nil, err
	}
	b = s.fill(b, n)
	if len(s.kept) < n {
		return nil, nil, nil
	}
	s.done = true
	f, err = checked(s.kept)
	return f, b, err
}

// fill moves bytes from b to what is kept, until n are kept.
func (s *splitter) fill(b []byte, n int) []byte {
	k := min(max(n-len(s.kept), 0), len(b))
	s.kept = append(s.kept, b[:k]...)
	return b[k:]
}

func checked(b []byte) (frame, error) {
	if f := frame(b); f.sum() == le.Uint32(b[offChecksum:]) {
		return f, nil
	}
	return nil, ErrChecksum
}
