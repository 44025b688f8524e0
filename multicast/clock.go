package multicast

import (
	_ "unsafe" // for go:linkname

	"github.com/tapecast/tapecast/feed/wire"
)

// Monotonic reads the kernel's monotonic clock, ns since some start. It is the
// clock of a subscription whose program has none of its own, read once for each
// turn of the loop. It is no system call: package unix has it only as one, which
// takes longer than a datagram.
func Monotonic() wire.Nanos { return wire.Nanos(nanotime()) }

//go:linkname nanotime runtime.nanotime
func nanotime() int64
