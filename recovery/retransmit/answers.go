package retransmit

import (
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// extend appends room for a frame of n bytes, zeros, to b.
func extend(b []byte, n int) ([]byte, frame) {
	k := len(b)
	b = slices.Grow(b, n)[:k+n]
	clear(b[k:])
	return b, frame(b[k:])
}

// appendBare appends a frame that has no body.
func appendBare(b []byte, t frameType, id uint32) []byte {
	b, f := extend(b, headLen)
	f.seal(t, id)
	return b
}

// appendRange appends a request for first to last; last 0 is open-ended.
func appendRange(b []byte, id uint32, first, last uint64) []byte {
	b, f := extend(b, rangeLen)
	le.PutUint64(f[headLen:], first)
	le.PutUint64(f[headLen+8:], last)
	f.seal(frameRange, id)
	return b
}

func decodeRange(f frame) (first, last uint64) {
	b := f.body()
	return le.Uint64(b), le.Uint64(b[8:])
}

func appendDone(b []byte, id uint32, next uint64) []byte {
	b, f := extend(b, doneLen)
	le.PutUint64(f[headLen:], next)
	f.seal(frameDone, id)
	return b
}

func appendUnavailable(b []byte, id uint32, first, last uint64, cause Cause) []byte {
	b, f := extend(b, unavailableLen)
	body := f.body()
	le.PutUint64(body, first)
	le.PutUint64(body[8:], last)
	body[16] = uint8(cause)
	f.seal(frameUnavailable, id)
	return b
}

func decodeUnavailable(f frame) (first, last uint64, cause Cause, err error) {
	b := f.body()
	first, last, cause = le.Uint64(b), le.Uint64(b[8:]), Cause(b[16])
	if first == 0 || last < first || cause == 0 {
		return 0, 0, 0, ErrBody
	}
	return first, last, cause, nil
}

// AppendRefusal appends the frame that refuses the request id, or with id 0 the
// connection: what a shell sends to a peer for which Server.Accept gave no Session.
func AppendRefusal(b []byte, id uint32, r Refusal) []byte {
	text := r.Text[:min(len(r.Text), MaxText)]
	b, f := extend(b, refusalLen+len(text))
	body := f.body()
	body[0] = uint8(r.Code)
	if r.Retryable {
		body[1] = 1
	}
	le.PutUint16(body[2:], uint16(len(text)))
	ms := (r.RetryAfter + millisecond - 1) / millisecond
	le.PutUint32(body[4:], uint32(min(max(ms, 0), 1<<32-1)))
	copy(body[8:], text)
	f.seal(frameRefusal, id)
	return b
}

func decodeRefusal(f frame) (Refusal, error) {
	b := f.body()
	if int(le.Uint16(b[2:])) != len(b)-8 || b[0] == 0 || b[1] > 1 {
		return Refusal{}, ErrBody
	}
	return Refusal{
		Code: Code(b[0]), Retryable: b[1] == 1,
		RetryAfter: wire.Nanos(le.Uint32(b[4:])) * millisecond,
		Text:       printable(b[8:]),
	}, nil
}
