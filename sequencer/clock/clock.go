// Package clock gives the time that stamps are made of.
//
// Local is the host's clock taken at its word: it counts on the monotonic counter
// from one reading of UTC, so that it never goes back and no step of the host's
// clock reaches a stamp. It promises nothing about true time, and every packet
// says so: state unsynchronised, bound unknown.
package clock

import (
	"hash/fnv"
	"os"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Local is the host's clock, undisciplined. It is safe for concurrent use.
type Local struct {
	start time.Time
	base  wire.Nanos
	id    uint32
}

// NewLocal reads the host's clock once and counts on from there.
func NewLocal() *Local {
	t := time.Now()
	return &Local{start: t, base: wire.Nanos(t.UnixNano()), id: bootID()}
}

// Now is nanoseconds UTC, never less than before.
func (c *Local) Now() wire.Nanos { return c.base + wire.Nanos(time.Since(c.start)) }

// State is what packets say of this clock.
func (c *Local) State() wire.Clock {
	return wire.Clock{State: wire.ClockUnsynchronised, TAI: wire.TAIUnknown, ID: c.id, Bound: wire.BoundUnknown}
}

// bootID is one number for all processes of one boot of one host: they share the
// counter that their clocks run on. 0 where the kernel gives none.
func bootID() uint32 {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return 0
	}
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}
