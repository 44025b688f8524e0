package recovery

import "github.com/tapecast/tapecast/feed/wire"

// Position is how far a receiver has come: enough to go on later without loss or
// doubling, and to find out when that is impossible. A program saves it together
// with what it made of the messages.
type Position struct {
	Session  wire.Session
	Epoch    uint32
	Sequence uint64 // the last one delivered, or declared lost; 0 none
	Chain    uint64 // after Sequence, when Known
	Known    bool   // false after a loss, until the next packet
}
