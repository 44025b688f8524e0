package tally

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Clocks is what the packets said of the clock that stamped them. The receive loop
// owns it, but for Latest.
type Clocks struct {
	Messages [4]uint64 // by state
	Widest   uint32    // bound that was promised, ns
	latest   atomic.Uint64
	id       atomic.Uint32
}

// add counts the new messages of d.
func (s *Clocks) add(d recovery.Delivery) {
	c := d.Clock()
	s.Messages[c.State&3] += uint64(d.Messages())
	if (c.State == wire.ClockSynchronised || c.State == wire.ClockHoldover) && c.Bound != wire.BoundUnknown {
		s.Widest = max(s.Widest, c.Bound)
	}
	s.latest.Store(uint64(c.State)<<40 | uint64(uint8(c.TAI))<<32 | uint64(c.Bound))
	s.id.Store(c.ID)
}

// Latest is what the newest packet said. Any goroutine may ask.
func (s *Clocks) Latest() wire.Clock {
	v := s.latest.Load()
	return wire.Clock{State: wire.ClockState(v >> 40), TAI: int8(v >> 32), Bound: uint32(v), ID: s.id.Load()}
}
