package multicast

import "errors"

// What makes a line unusable. Errors that wrap these name the line and the remedy.
var (
	ErrLines     = errors.New("a channel has one or two lines")
	ErrGroup     = errors.New("not a multicast group and port")
	ErrInterface = errors.New("no such interface")
	ErrFamily    = errors.New("group and source are of different IP versions")
	ErrFragment  = errors.New("packets would be fragmented")
	ErrTTL       = errors.New("TTL out of range")
	ErrMethod    = errors.New("unknown method")
	ErrRing      = errors.New("no receive ring")
	ErrWait      = errors.New("unknown way to wait")
)

// ErrUnsent is what Publisher.Send returns when every line lost some packet of
// the batch: no receiver can have all of it without repair.
var ErrUnsent = errors.New("multicast: packets were lost on every line")
