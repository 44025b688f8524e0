package tally

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Clocks is what the packets said of the clock that stamped them. The receive loop
// owns it, but for Latest.
type Clocks struct {
	Messages [4]uint64     // by state
	Widest   uint32        // bound that was promised, ns
	latest   atomic.Uint64 // 0: no packet yet
	id       atomic.Uint32
}

// add counts the new messages of d.
func (s *Clocks) add(d recovery.Delivery) {
	c := d.Clock()
	s.Messages[c.State&3] += uint64(d.Messages())
	if (c.State == wire.ClockSynchronised || c.State == wire.ClockHoldover) && c.Bound != wire.BoundUnknown {
		s.Widest = max(s.Widest, c.Bound)
	}
	s.latest.Store(some | uint64(c.State)<<40 | uint64(uint8(c.TAI))<<32 | uint64(c.Bound))
	s.id.Store(c.ID)
}

// ID is the identity that the newest packet said. Any goroutine may ask.
func (s *Clocks) ID() uint32 { return s.id.Load() }

// some marks that there was a packet.
const some = 1 << 63

// Latest is what the newest packet said; ok is false before the first. Any goroutine
// may ask.
func (s *Clocks) Latest() (c wire.Clock, ok bool) {
	v := s.latest.Load()
	return wire.Clock{State: wire.ClockState(v >> 40), TAI: int8(v >> 32), Bound: uint32(v), ID: s.id.Load()}, v&some != 0
}
