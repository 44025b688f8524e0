package feed

import "errors"

// What a Sink answers to Register and Put.
var (
	ErrDuplicate     = errors.New("feed: input sequence was already taken")
	ErrInputGap      = errors.New("feed: input sequence skips messages")
	ErrFull          = errors.New("feed: not taken now; put it again later")
	ErrEnded         = errors.New("feed: the session has ended")
	ErrTooManyInputs = errors.New("feed: too many inputs")
)

// What a store of packets answers to a request for a sequence.
var (
	ErrGone  = errors.New("feed: older than anything kept")
	ErrAhead = errors.New("feed: not sequenced yet")
	ErrBusy  = errors.New("feed: too many readers at once; ask again")
	ErrSmall = errors.New("feed: the buffer is smaller than one packet")
)
