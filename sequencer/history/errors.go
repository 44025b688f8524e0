package history

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/feed"
)

var (
	// ErrUnwritten: the next packet would evict one that the journal has not
	// written. Fast mode calls Abandon and reserves again; strict mode stops taking
	// input until the journal has caught up.
	ErrUnwritten = errors.New("history: full of packets that the journal has not written")

	// ErrUnsent: the next packet would evict one that Unsent has not handed out.
	// It is a feed.ErrFull: once that is sent there is room.
	ErrUnsent = fmt.Errorf("history: full of packets that were not sent: %w", feed.ErrFull)

	// ErrOrder: a packet that does not continue the history.
	ErrOrder = errors.New("history: packet is not the next one")

	// ErrConfig: the sizes in a Config do not fit each other.
	ErrConfig = errors.New("history: sizes do not fit")
)
