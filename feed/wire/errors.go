package wire

import "errors"

// Reasons for which Parse and Decode refuse bytes. They are different on purpose:
// another version is not damage, and damage is not another version.
var (
	ErrShort    = errors.New("wire: shorter than a packet header")
	ErrVersion  = errors.New("wire: unsupported packet version")
	ErrLength   = errors.New("wire: packet lengths do not fit its bytes")
	ErrChecksum = errors.New("wire: packet checksum does not match")
	ErrType     = errors.New("wire: packet type 0 is invalid")
	ErrFraming  = errors.New("wire: message lengths do not fit the packet")
	ErrKind     = errors.New("wire: message is of another kind")
	ErrMessage  = errors.New("wire: message is too short for its kind")
	ErrSession  = errors.New("wire: a session name has 1 to 8 characters of A-Z a-z 0-9 - _ . and does not begin with a dot")
)
