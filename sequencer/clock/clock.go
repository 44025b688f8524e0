package clock

import (
	"hash/fnv"
	"os"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// A Clock gives stamps. Both Local and Disciplined are clocks, safe for
// concurrent use; no method allocates or waits.
type Clock interface {
	Read() (wire.Nanos, wire.Clock) // a stamp and what it can be trusted for
	Now() wire.Nanos                // the stamp alone
	State() wire.Clock              // the trust alone, as of now
}

var (
	_ Clock = (*Local)(nil)
	_ Clock = (*Disciplined)(nil)
)

// Local is the host's clock taken at its word: it counts on the monotonic counter
// from one reading of UTC, so that it never goes back and no step of the host's
// clock reaches a stamp. It promises nothing about true time, and every packet
// says so: state unsynchronised, bound unknown.
type Local struct {
	start time.Time
	base  wire.Nanos
	id    uint32
}

// NewLocal reads the host's clock once and counts on from there.
func NewLocal() *Local {
	t := time.Now()
	return &Local{start: t, base: wire.Nanos(t.UnixNano()), id: Generation(os.Getpid(), t, 0)}
}

// Read gives time and state in one call.
func (c *Local) Read() (wire.Nanos, wire.Clock) { return c.Now(), c.State() }

// Now is nanoseconds UTC, never less than before.
func (c *Local) Now() wire.Nanos { return c.base + wire.Nanos(time.Since(c.start)) }

// State is what packets say of this clock.
func (c *Local) State() wire.Clock {
	return wire.Clock{State: wire.ClockUnsynchronised, TAI: wire.TAIUnknown, ID: c.id, Bound: wire.BoundUnknown}
}

// bootID is one number for all processes of one boot of one host, 0 where the kernel
// gives none.
func bootID() uint32 {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return 0
	}
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

// HostID names the host's own clock. No packet carries it.
func HostID() uint32 { return bootID() | 1 }

// Generation names one disciplined clock of one process: two processes that
// discipline their clocks apart share a counter, but not an error, so they differ.
// It changes with n, which rises at every step and disruption.
func Generation(process int, started time.Time, n uint32) uint32 {
	h := fnv.New32a()
	var b [20]byte
	put := func(at int, v uint64) {
		for i := range 8 {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	put(0, uint64(started.UnixNano()))
	put(8, uint64(bootID())<<32|uint64(n))
	b[16], b[17], b[18] = byte(process), byte(process>>8), byte(process>>16)
	h.Write(b[:])
	return h.Sum32()
}
