package multicast

import "golang.org/x/sys/unix"

// shortSlice is how long an urgent thread wants to run at once, in ns: the least that can
// be asked for, where the kernel's own is 2 to 3 ms.
const shortSlice = 100_000

// Urgent asks the kernel to run the calling thread as soon as it is woken up, even where
// others keep every processor busy: one that wants to run for a short time may interrupt
// one that wants more, and else waits until that has had its slice, whatever the
// priorities. Linux knows of it since 6.12; before, and for threads of a real-time policy,
// nothing changes. With false the kernel's own slice is restored. The calling goroutine
// must be locked to its thread, and be one that sleeps: to others it is of no use.
func Urgent(yes bool) {
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL {
		return
	}
	if a.Runtime = 0; yes { // 0 is the kernel's own
		a.Runtime = shortSlice
	}
	_ = unix.SchedSetAttr(0, a, 0) // without it messages and repairs are later, no more
}
