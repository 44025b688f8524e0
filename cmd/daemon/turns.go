package daemon

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	slow      = time.Millisecond      // a copy that takes longer reads the disk
	leastRest = 50 * time.Microsecond // what the kernel makes of a shorter sleep
	mostRest  = time.Millisecond
)

// half is how many threads copy packets, and how many write them to sockets. With as
// many as there are processors, a hundred receivers that lose the same range would
// keep the ingest loop waiting for one.
func half() int { return max(1, min(runtime.NumCPU(), runtime.GOMAXPROCS(0))/2) }

// gate lets as many in at once as it has places, but keeps no place for one who is
// slow: who waits for the disk uses no processor, and must not stop those who copy
// from memory.
type gate chan struct{}

// pass runs fn inside.
func (g gate) pass(fn func()) {
	g <- struct{}{}
	g.inside(fn)
}

// try runs fn inside if there is a place now.
func (g gate) try(fn func()) {
	select {
	case g <- struct{}{}:
		g.inside(fn)
	default:
	}
}

// inside runs fn, which has a place.
func (g gate) inside(fn func()) {
	leave := func() { <-g }
	t := time.AfterFunc(slow, leave)
	fn()
	if t.Stop() {
		leave()
	}
}

// writers are the threads that write to sockets, for all connections in turn: first
// come, first served.
type writers struct {
	turns   chan func() (moved bool)
	waiting *atomic.Int64 // for a turn
}

func newWriters() writers {
	return writers{turns: make(chan func() bool), waiting: new(atomic.Int64)}
}

// humble is how much lower than the ingest loop's the priority of a writer is: it
// gives its processor up as soon as there is something to publish.
const humble = 10

// run is the loop of one writer.
func (w writers) run() {
	runtime.LockOSThread()                             // for good: the thread, and its priority, end with the loop
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, humble) // where that is refused the priority is the same
	doze := dozer()
	var d debt
	for do := range w.turns {
		began := time.Now()
		moved := do()
		if rest := d.after(time.Since(began), moved && w.waiting.Load() > 0); rest > 0 {
			doze(rest)
		}
	}
}

// debt is the rest that a writer owes. After a turn that moved bytes while others
// waited it owes the turn's length: a herd takes half of what a writer could, its
// receivers as much again where they are on this host, and the ingest loop finds a
// processor idle. One receiver alone is served as fast as it reads.
type debt time.Duration

// after counts a turn and returns how long to rest now.
func (d *debt) after(took time.Duration, crowded bool) time.Duration {
	if !crowded {
		*d = 0
		return 0
	}
	*d += debt(min(took, mostRest))
	if time.Duration(*d) < leastRest {
		return 0
	}
	rest := min(time.Duration(*d), mostRest)
	*d = 0
	return rest
}

// write writes b to fd, a socket that does not block, in its turn: all of it, or as
// much as there is room for (EAGAIN), or a turn's worth while others wait. n counts either way.
func (w writers) write(fd int, b []byte) (n int, err error) {
	done := make(chan struct{})
	w.waiting.Add(1)
	w.turns <- func() bool {
		w.waiting.Add(-1)
		defer close(done)
		for n < len(b) && err == nil && (n < turnSize || w.waiting.Load() == 0) {
			var k int
			if k, err = unix.Write(fd, b[n:min(n+writeSize, len(b))]); err == unix.EINTR {
				k, err = 0, nil
			}
			n += max(k, 0)
		}
		return n > 0
	}
	<-done
	return n, err
}
