package local

import (
	"errors"
	"fmt"
)

// Reasons for which a Client ends, beside a Refusal, or refuses a call.
var (
	ErrClosed         = errors.New("local: the client is closed")
	ErrUnacknowledged = errors.New("local: closed before all messages were acknowledged")
	ErrSession        = errors.New("local: the daemon is in another session now; dial again and go on after Last")
	ErrLost           = errors.New("local: the daemon lost messages that this client no longer has; dial again and go on after Last")
	ErrAhead          = errors.New("local: the daemon took messages that this client never put: another program may be using the name")
	ErrProtocol       = errors.New("local: the daemon does not follow the protocol")
	ErrName           = errors.New("local: an input name has 1 to 64 characters of a-z 0-9 . - _")
)

// errFrame is a frame that breaks the tables in the package documentation.
var errFrame = errors.New("local: malformed frame")

// Code says why a daemon refused a program.
type Code uint8

// Codes of refusals. 0 is invalid.
const (
	CodeVersion   Code = 1
	CodeName      Code = 2
	CodeInUse     Code = 3
	CodeClients   Code = 4
	CodeMalformed Code = 5
	CodeGap       Code = 6
	CodeMessage   Code = 7
	CodeEnded     Code = 8
	CodeInputs    Code = 9
	CodeSilent    Code = 10
	CodeInternal  Code = 11
)

// Retryable reports whether the same program may fare better later.
func (c Code) Retryable() bool {
	return c == CodeInUse || c == CodeClients || c == CodeSilent || c == CodeInternal
}

// Refusal is a daemon's reason for closing a connection. It is an error of Dial,
// and one that ends a Client unless its code is retryable.
type Refusal struct {
	Code Code
	Text string
}

// Error gives the daemon's words and the code.
func (r *Refusal) Error() string {
	return fmt.Sprintf("local: refused: %s (code %d)", r.Text, r.Code)
}
