package itch

import (
	"errors"
	"fmt"
)

// Reasons for which a file cannot be read on. They come inside an *Error.
var (
	ErrTruncated  = errors.New("the file ends inside it: copy the file again, or cut it here")
	ErrZeroLength = errors.New("length 0 ends the session, but more bytes follow: cut the file here")
	ErrTooLong    = errors.New("longer than any ITCH message and than a packet: is this an ITCH 5.0 file with u16 lengths?")
)

// Error says at which place of a file its reading ended.
type Error struct {
	File    string
	Offset  int64  // of the message's length field, in bytes, decompressed
	Message uint64 // ITCH messages of the file, counted from 1
	Err     error  // ErrTruncated, ErrZeroLength, ErrTooLong, or what reading or decompressing gave
}

// Error gives file, message number, byte offset and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("itch: %s: message %d at byte %d: %v", e.File, e.Message, e.Offset, e.Err)
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }
