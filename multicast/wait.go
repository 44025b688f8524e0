package multicast

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// Wait is what the loop of a subscription does when nothing is there.
type Wait uint8

// Ways to wait, by the latency and the processor time that they cost.
const (
	WaitBlock Wait = iota // sleep in the kernel until something arrives or is due
	WaitYield             // look again after letting other threads run
	WaitSpin              // look again at once: takes a processor for itself
)

var waitNames = [...]string{"block", "yield", "spin"}

// String gives "block", "yield" or "spin".
func (w Wait) String() string {
	if int(w) < len(waitNames) {
		return waitNames[w]
	}
	return fmt.Sprintf("Wait(%d)", uint8(w))
}

// MarshalText gives w's name.
func (w Wait) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads the name of a way to wait. The error wraps ErrWait.
func (w *Wait) UnmarshalText(b []byte) error {
	for i, name := range waitNames {
		if name == string(b) {
			*w = Wait(i)
			return nil
		}
	}
	return fmt.Errorf("%w %q: use block, yield or spin", ErrWait, b)
}

// Places of the descriptors that a poller watches.
const (
	slotStop = iota
	slotTCP
	slotLine // of line 0; the next is of line 1
	slots    = slotLine + MaxLines
)

// A poller waits for the descriptors of one loop, and for stop.
type poller struct {
	how     Wait
	fds     [slots]unix.PollFd // fd -1: nothing to watch
	stopped atomic.Bool
}

// open makes a poller that watches nothing but stop.
func (p *poller) open(how Wait) error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("multicast: eventfd: %w", err)
	}
	p.how = how
	for i := range p.fds {
		p.fds[i].Fd = -1
	}
	p.watch(slotStop, fd, unix.POLLIN)
	p.prompt(true)
	return nil
}

// prompt says whether the calling thread, if it is one that sleeps, is to wake up in time and
// to run then. The kernel ends a wait up to 50,000 ns later than asked, half of the grace of a
// gap, unless told 1; 0 is what the thread had at its start.
func (p *poller) prompt(yes bool) {
	if p.how != WaitBlock {
		return
	}
	var slack uintptr
	if yes {
		slack = 1
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0) // without it repairs begin later
	Urgent(yes)
}

func (p *poller) watch(slot, fd int, events int16) {
	p.fds[slot] = unix.PollFd{Fd: int32(fd), Events: events}
}

// stop ends the wait now and for good. Any goroutine may call it, before close.
func (p *poller) stop() {
	p.stopped.Store(true)
	one := [8]byte{1} // any number but 0 in either byte order
	_, _ = unix.Write(int(p.fds[slotStop].Fd), one[:])
}

// wait waits for at most ns, as p's way of waiting has it.
func (p *poller) wait(ns wire.Nanos) {
	switch p.how {
	case WaitBlock:
		p.block(max(ns, 0))
	case WaitYield:
		if ns <= 0 {
			return
		}
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // runtime.Gosched costs a locked thread 10 us or more
	}
}

func (p *poller) block(ns wire.Nanos) {
	ts := unix.NsecToTimespec(int64(ns))
	_, _, e := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p.fds)), slots, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if e != 0 { // EINTR: whoever waits looks again
		for i := range p.fds {
			p.fds[i].Revents = 0
		}
	}
}

// ready reports whether it is worth to look at a slot.
func (p *poller) ready(slot int) bool {
	return p.how != WaitBlock || p.fds[slot].Revents != 0
}

func (p *poller) close() {
	p.prompt(false)
	unix.Close(int(p.fds[slotStop].Fd))
}
