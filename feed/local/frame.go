package local

import (
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/wire"
)

const (
	version  = 1
	maxName  = 64
	maxText  = 200      // of a refusal, in bytes
	maxFrame = 64 << 10 // a whole frame, in bytes

	lenSize     = 4
	frameHead   = lenSize + 1 // length and type
	welcomeSize = 24
	ackSize     = 8
	putHead     = frameHead + 8 // up to the first message
	maxPut      = maxFrame - putHead
)

type frameType uint8

const (
	frameHello   frameType = 1
	frameWelcome frameType = 2
	framePut     frameType = 3
	frameAck     frameType = 4
	frameRefusal frameType = 5
)

// next returns the first frame of b and its length n. n is 0 when more bytes must
// arrive before it is whole. The body aliases b. The error is errFrame.
func next(b []byte) (t frameType, body []byte, n int, err error) {
	if len(b) < lenSize {
		return 0, nil, 0, nil
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > maxFrame-lenSize {
		return 0, nil, 0, errFrame
	}
	n = lenSize + int(size)
	if n > len(b) {
		return 0, nil, 0, nil
	}
	return frameType(b[lenSize]), b[frameHead:n], n, nil
}

// appendFrame appends a frame without its body, which is size bytes and follows.
func appendFrame(b []byte, t frameType, size int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(1+size))
	return append(b, byte(t))
}

func appendHello(b []byte, name string) []byte {
	b = appendFrame(b, frameHello, 2+len(name))
	return append(append(b, version, byte(len(name))), name...)
}

// parseHello returns a Refusal for a hello that the daemon cannot welcome.
func parseHello(body []byte) (name string, refused *Refusal) {
	if len(body) < 2 {
		return "", &Refusal{CodeMalformed, "the hello is too short"}
	}
	if body[0] != version {
		return "", &Refusal{CodeVersion, "this daemon speaks version 1"}
	}
	n := int(body[1])
	if len(body) < 2+n {
		return "", &Refusal{CodeMalformed, "the hello is shorter than its name"}
	}
	name = string(body[2 : 2+n])
	if !validName(name) {
		return "", &Refusal{CodeName, ErrName.Error()}
	}
	return name, nil
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return 1 <= len(name) && len(name) <= maxName
}

// welcome is the daemon's answer to a hello.
type welcome struct {
	session    wire.Session
	last       uint64 // taken, 0 none
	journalled uint64
}

func appendWelcome(b []byte, w welcome) []byte {
	b = appendFrame(b, frameWelcome, welcomeSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.session))
	b = binary.LittleEndian.AppendUint64(b, w.last)
	return binary.LittleEndian.AppendUint64(b, w.journalled)
}

func parseWelcome(body []byte) (w welcome, err error) {
	if len(body) < welcomeSize {
		return w, errFrame
	}
	return welcome{
		session:    wire.Session(binary.LittleEndian.Uint64(body)),
		last:       binary.LittleEndian.Uint64(body[8:]),
		journalled: binary.LittleEndian.Uint64(body[16:]),
	}, nil
}

// appendPut appends a put whose messages, size bytes, the caller appends.
func appendPut(b []byte, first uint64, size int) []byte {
	b = appendFrame(b, framePut, 8+size)
	return binary.LittleEndian.AppendUint64(b, first)
}

// parsePut returns the sequence of the first message and all the messages.
func parsePut(body []byte) (first uint64, msgs []byte, err error) {
	if len(body) <= 8 {
		return 0, nil, errFrame
	}
	first = binary.LittleEndian.Uint64(body)
	if first == 0 {
		return 0, nil, errFrame
	}
	return first, body[8:], nil
}

// messageLen is the length of the message at the head of b, 0 where none fits.
func messageLen(b []byte) int {
	if len(b) < wire.HeadLen {
		return 0
	}
	n := int(binary.LittleEndian.Uint16(b))
	if n < wire.HeadLen || n > len(b) {
		return 0
	}
	return n
}

func appendAck(b []byte, journalled uint64) []byte {
	b = appendFrame(b, frameAck, ackSize)
	return binary.LittleEndian.AppendUint64(b, journalled)
}

func parseAck(body []byte) (journalled uint64, err error) {
	if len(body) < ackSize {
		return 0, errFrame
	}
	return binary.LittleEndian.Uint64(body), nil
}

func appendRefusal(b []byte, r *Refusal) []byte {
	text := r.Text[:min(len(r.Text), maxText)]
	b = append(appendFrame(b, frameRefusal, 1+len(text)), byte(r.Code))
	return append(b, text...)
}

func parseRefusal(body []byte) (*Refusal, error) {
	if len(body) < 1 {
		return nil, errFrame
	}
	return &Refusal{Code(body[0]), string(body[1:])}, nil
}
