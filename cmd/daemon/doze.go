package daemon

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
