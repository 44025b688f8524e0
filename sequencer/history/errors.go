package history

import "errors"

var (
	// ErrUnwritten: the next packet would evict one that the journal has not
	// written or the publisher has not sent. Fast mode calls Abandon and reserves
	// again; strict mode stops taking input until the journal has caught up.
	ErrUnwritten = errors.New("history: full of packets that the journal has not written")

	// ErrOrder: a packet that does not continue the history.
	ErrOrder = errors.New("history: packet is not the next one")

	// ErrConfig: the sizes in a Config do not fit each other.
	ErrConfig = errors.New("history: sizes do not fit")
)
