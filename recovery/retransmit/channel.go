package retransmit

import (
	"net/netip"

	"github.com/tapecast/tapecast/feed/wire"
)

// AnyChannel in a login takes whatever channel the server has.
const AnyChannel = 1<<16 - 1

// Line is one multicast group of a channel as receivers join it. A zero Group is
// a line that does not exist; a zero Source takes any sender.
type Line struct {
	Group  netip.AddrPort
	Source netip.Addr
}

// Channel is what does not change while a server serves.
type Channel struct {
	Channel    uint16
	Session    wire.Session
	Lines      [2]Line    // A and B
	PacketSize int        // largest packet, bytes
	Heartbeat  wire.Nanos // between control packets on an idle channel
}

// Cut says where an epoch numbers on: from Cut+1, with the chain Chain. What the
// epochs before it sent beyond Cut is void.
type Cut struct {
	Epoch    uint32
	Previous uint32 // the epoch before; 0 none
	Cut      uint64
	Chain    uint64 // after Cut
}

// State is a channel at one instant: all fields belong together.
type State struct {
	Epoch   uint32
	Cuts    []Cut // of every epoch known, oldest first, the newest always; lent, never written again
	Oldest  uint64
	Next    uint64 // the next visible sequence
	Chain   uint64 // after Next-1
	Durable uint64 // highest durable sequence, 0 none
	Journal wire.JournalState
	Clock   wire.Clock
	Ended   bool
	Last    uint64 // last sequence of the session, once Ended
}

// since returns the cut that counts for a receiver which knows the epoch known:
// the lowest of all later epochs. Its Epoch is the newest, its Previous known. One
// that knows none has nothing to give up, and gets the newest epoch's own. It
// returns the zero Cut when there is no later epoch, or where its cut is not known.
func (s *State) since(known uint32) (low Cut) {
	if known == 0 {
		return s.current()
	}
	if len(s.Cuts) > 0 && s.Cuts[0].begun(known) {
		return Cut{}
	}
	for _, c := range s.Cuts {
		if c.Epoch > known && (low.Epoch == 0 || c.Cut < low.Cut) {
			low = c
		}
	}
	if low.Epoch != 0 {
		low.Epoch, low.Previous = s.Epoch, known
	}
	return low
}

// begun reports whether c is where a relay began, after the epoch known: that is not
// where known ended, and what was cut before is not known.
func (c *Cut) begun(known uint32) bool {
	return c.Epoch > known && c.Previous == 0 && c.Cut > 0
}

// over reports whether the session has ended and all of it is visible.
func (s *State) over() bool { return s.Ended && s.Next > s.Last }

// current returns the cut of the newest epoch, or the zero Cut.
func (s *State) current() Cut {
	if n := len(s.Cuts); n > 0 {
		return s.Cuts[n-1]
	}
	return Cut{}
}

// Store is where packets are read: history over journal. Its methods are called by
// every Session, concurrently. That many clients which ask for one range cost one
// read is the Store's business.
type Store interface {
	// Bounds are the oldest and the next visible sequence.
	Bounds() (oldest, next uint64)

	// Copy copies whole consecutive packets into dst, as many as fit; the first
	// holds seq. Errors are feed.ErrGone, feed.ErrAhead, feed.ErrBusy (ask
	// again) and feed.ErrSmall.
	Copy(dst []byte, seq uint64) (int, error)

	// Definitions are the instrument definitions, whole messages one after the
	// other, later ones replacing earlier, as of the sequence asOf. They are lent
	// for good and never written again.
	Definitions() (msgs []byte, asOf uint64)
}

// Live is a channel that a Server serves. State is called at every Produce: it
// must not allocate nor wait. An epoch is in State before a packet of it is in the
// Store, and what it voids is out of the Store by then.
type Live interface {
	Store
	State() State
}
