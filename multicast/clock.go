package multicast

import (
	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// Monotonic reads the kernel's monotonic clock, ns since some start. It is the
// clock of a subscription whose program has none of its own: a system call,
// about 0.1 us, once for each turn of the loop.
func Monotonic() wire.Nanos {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // cannot happen: the clock exists and ts is ours
	}
	return wire.Nanos(ts.Nano())
}
