package multicast

import "golang.org/x/sys/unix"

// What an urgent thread asks of the kernel, in ns: the kernel's own are 2 to 3 ms and 50,000.
const (
	shortSlice = 100_000 // how long it wants to run at once: the least that can be asked for
	shortSlack = 1       // how much later than asked a wait may end: 50 us is half of the grace of a gap
)

// Urgent asks the kernel to end the sleeps of the calling thread in time, and to run it then
// at once, even where others keep every processor busy: one that wants to run for a short
// time may interrupt one that wants more, and else waits until that has had its slice,
// whatever the priorities. Linux knows the slice since 6.12; before, and for threads of a
// real-time policy, it stays as it is. With false all is taken back. The calling goroutine must
// be locked to its thread, and be one that sleeps: to others it is of no use.
func Urgent(yes bool) {
	var slice uint64 // 0 is the kernel's own, and that which the thread had at its start
	var slack uintptr
	if yes {
		slice, slack = shortSlice, shortSlack
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0) // without it messages and repairs are later, no more
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil || a.Policy != unix.SCHED_NORMAL {
		return
	}
	a.Runtime = slice
	_ = unix.SchedSetAttr(0, a, 0)
}
