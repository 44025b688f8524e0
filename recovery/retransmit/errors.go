package retransmit

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
)

// Why bytes of a peer are refused. After any of them the connection is closed: the
// place of the next frame is not known, or the peer cannot be trusted.
var (
	ErrFrame      = errors.New("retransmit: frame length or type is invalid")
	ErrChecksum   = errors.New("retransmit: frame checksum does not match")
	ErrBody       = errors.New("retransmit: frame body is invalid")
	ErrUnexpected = errors.New("retransmit: frame does not belong here")
	ErrFlood      = errors.New("retransmit: requests without reading the answers")
)

// Why a connection is closed without anything wrong with its bytes.
var (
	ErrLogin   = errors.New("retransmit: no login in time")
	ErrSilent  = errors.New("retransmit: the peer is silent")
	ErrStalled = errors.New("retransmit: the peer takes no bytes")
	ErrSlow    = errors.New("retransmit: an answer took too long to be taken")
	ErrLife    = errors.New("retransmit: the connection reached its largest age")
)

// Why a Client does not send a request. The connection is not affected.
var (
	ErrNotReady    = errors.New("retransmit: no welcome yet")
	ErrID          = errors.New("retransmit: request id is 0 or still open")
	ErrRange       = errors.New("retransmit: a range is first to last, from 1")
	ErrTooLarge    = errors.New("retransmit: the range is larger than the server allows")
	ErrOutstanding = errors.New("retransmit: as many requests are open as the server allows")
)

// What is wrong with packets that a Store gives.
var (
	errStore       = errors.New("retransmit: the store gave other packets than asked for")
	errUnannounced = errors.New("retransmit: the store is ahead of the state")
)

// errConfig is wrapped by errors that name the field.
var errConfig = errors.New("retransmit: invalid configuration")

// Code says why a server refuses. 0 is invalid.
type Code uint8

// Refusal codes.
const (
	CodeVersion    Code = 1  // the server does not speak the client's version
	CodeBadChannel Code = 2  // the server has another channel
	CodeBadSession Code = 3  // the server has another session
	CodeTooLarge   Code = 4  // the range has more messages than Limits.Range
	CodeRate       Code = 5  // too many requests: open, or in this second
	CodeTooOld     Code = 6  // all of the range is gone; an Unavailable names it
	CodeAhead      Code = 7  // the range, or what is left of it, is not visible yet
	CodeBusy       Code = 8  // no room for another connection, follow or reader now
	CodeMalformed  Code = 9  // the request cannot be meant
	CodeInternal   Code = 10 // the server cannot read what it should have
	CodeEnded      Code = 11 // the range, or what is left of it, is past the session's end
	numCodes            = 12
)

// String gives the words that tools print.
func (c Code) String() string {
	switch c {
	case CodeVersion:
		return "unsupported version"
	case CodeBadChannel:
		return "bad channel"
	case CodeBadSession:
		return "bad session"
	case CodeTooLarge:
		return "too large"
	case CodeRate:
		return "rate"
	case CodeTooOld:
		return "too old"
	case CodeAhead:
		return "ahead"
	case CodeBusy:
		return "busy"
	case CodeMalformed:
		return "malformed"
	case CodeInternal:
		return "internal"
	case CodeEnded:
		return "ended"
	}
	return "unknown"
}

// Cause says why a range is unavailable. 0 is invalid.
type Cause uint8

// Causes.
const (
	CauseGone Cause = 1 // older than anything that the server keeps
)

// String gives the words that tools print.
func (c Cause) String() string {
	if c == CauseGone {
		return "gone"
	}
	return "unknown"
}

// Refusal is a server's no, to a login (id 0) or to a request. As an error it is
// what Client.Receive and Server.Accept return: use errors.As with a *Refusal.
type Refusal struct {
	Code       Code
	Retryable  bool       // the same request may succeed here after RetryAfter
	RetryAfter wire.Nanos // whole milliseconds on the wire; 0 at once
	Text       string     // for people, at most MaxText bytes
}

// Error gives code, text and what to do.
func (r *Refusal) Error() string {
	s := "retransmit: refused: " + r.Code.String()
	if r.Text != "" {
		s += ": " + r.Text
	}
	if r.Retryable {
		s += fmt.Sprintf(" (retry after %v)", r.RetryAfter.Duration())
	}
	return s
}
