package daemon

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/tapecast/tapecast/multicast"
	"golang.org/x/sys/unix"
)

// slack is how much later than asked the kernel may end a sleep of the ingest loop, in ns.
// Its own is 50,000, by which every paced message would be late; with 1 the loop sleeps and
// wakes up for each one, which at 100,000 a second takes all of a processor, not four fifths.
const slack = 10_000

// punctual asks the kernel to end the sleeps of the calling thread in time and to run it
// then. The function that it returns takes that back.
func punctual() (undo func()) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0) // without it messages are later, no more
	multicast.Urgent(true)
	return func() {
		multicast.Urgent(false)
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) // what the thread had at its start
	}
}

// dozer returns what a loop sleeps by: it blocks the loop's own thread, where a runtime
// timer would hand it to another. With contexts to spare (MoreContexts) the thread keeps
// its own meanwhile. Otherwise the runtime takes it away at every sleep, and to do so its
// monitor wakes up ten thousand times a second, on the processors of those who spin. A
// signal, such as the runtime's when it must stop everybody, ends the sleep early.
func dozer() func(time.Duration) {
	if runtime.GOMAXPROCS(0) <= runtime.NumCPU() {
		return func(d time.Duration) {
			t := unix.NsecToTimespec(int64(d))
			_ = unix.Nanosleep(&t, nil)
		}
	}
	return func(d time.Duration) {
		t := unix.NsecToTimespec(int64(d))
		unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
	}
}
