package limit

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/tapecast/tapecast/bench/rig"
	"golang.org/x/sys/unix"
)

// Ways to receive.
const (
	Sockets = "sockets" // spinning
	Ring    = "ring"    // AF_PACKET receive ring, spinning
	Block   = "block"   // sockets, sleeping; one line only
	Busy    = "busy"    // the same, the kernel polling the device before it sleeps (SO_BUSY_POLL)
)

// Ping says what round trips to make.
type Ping struct {
	Net
	Method string `json:"method"`
	Size   int    `json:"size"` // bytes of a datagram
	Count  int    `json:"count"`
	Warmup int    `json:"warmup"` // round trips before those
	CPU    int    `json:"cpu"`    // -1: not pinned
}

// Pinged is what came of it.
type Pinged struct {
	Latency *rig.Latency `json:"latency"`
	Lost    int          `json:"lost"` // round trips that took longer than lostAfter
}

const (
	lostAfter = 1_000_000_000 // ns
	blockFor  = 100_000_000   // ns that a read sleeps at most
	busyFor   = 50            // us that the kernel polls before
	lookEvery = 1 << 12       // empty polls between looks at the clock
)

func (p *Ping) sleeps() bool { return p.Method == Block || p.Method == Busy }

// An end sends to all lines and takes what comes first on any.
type end struct {
	Ping
	out  []int
	in   []int
	ring *ring
	buf  []byte
}

func newEnd(p Ping, back int) (e *end, err error) {
	runtime.LockOSThread()
	rig.Pin(p.CPU)
	e = &end{Ping: p, buf: make([]byte, 2048)}
	if e.out, err = p.senders(back); err != nil {
		return nil, err
	}
	switch {
	case p.Method == Ring:
		e.ring, err = newRing(p.Net, 1-back)
	case p.sleeps() && p.Lines != 1:
		err = fmt.Errorf("blocking takes one line, not %d", p.Lines)
	case p.sleeps():
		if e.in, err = p.receivers(1-back, true); err != nil {
			return nil, err
		}
		tv := unix.NsecToTimeval(blockFor) // so that loss, and the end, are seen
		err = unix.SetsockoptTimeval(e.in[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
		if err == nil && p.Method == Busy {
			err = unix.SetsockoptInt(e.in[0], unix.SOL_SOCKET, unix.SO_BUSY_POLL, busyFor)
		}
	default:
		e.in, err = p.receivers(1-back, false)
	}
	return e, err
}

func (e *end) send(b []byte) {
	for _, fd := range e.out {
		write(fd, b)
	}
}

// poll looks at every line once.
func (e *end) poll(take func(b []byte) bool) bool {
	if e.ring != nil {
		b := e.ring.next()
		if b == nil {
			return false
		}
		ok := take(b)
		e.ring.release()
		return ok
	}
	for _, fd := range e.in {
		recv := read
		if e.sleeps() {
			recv = readBlocking
		}
		if n, err := recv(fd, e.buf); err == 0 && take(e.buf[:n]) {
			return true
		}
	}
	return false
}

// await polls until take is content or the time is over.
func (e *end) await(ctx context.Context, until int64, take func(b []byte) bool) bool {
	for i := 1; ; i++ {
		if e.poll(take) {
			return true
		}
		if (i%lookEvery == 0 || e.sleeps()) && (rig.Nanotime() > until || ctx.Err() != nil) {
			return false
		}
	}
}

// never is a time that does not come.
const never = 1<<63 - 1

func ping(ctx context.Context, p *rig.Part) (any, error) {
	rig.NoCollection()
	var a Ping
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	e, err := newEnd(a, 0)
	if err != nil {
		return nil, err
	}
	out, h := Pinged{}, rig.NewHistogram()
	b, seq := make([]byte, max(a.Size, 16)), uint64(0)
	answered := func(b []byte) bool { return binary.LittleEndian.Uint64(b) == seq }
	for i := range a.Warmup + a.Count {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		seq++
		t := rig.Nanotime()
		binary.LittleEndian.PutUint64(b, seq)
		e.send(b)
		if !e.await(ctx, t+lostAfter, answered) {
			out.Lost++
		} else if i >= a.Warmup {
			h.Add(rig.Nanotime() - t)
		}
	}
	out.Latency = h.Latency()
	return out, nil
}

// pong answers every new datagram until its input ends.
func pong(ctx context.Context, p *rig.Part) (any, error) {
	rig.NoCollection()
	var a Ping
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	e, err := newEnd(a, 1)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	var last, answers uint64
	fresh := func(b []byte) bool {
		seq := binary.LittleEndian.Uint64(b)
		if seq <= last {
			return false
		}
		last = seq
		e.send(b)
		return true
	}
	for e.await(ctx, never, fresh) {
		answers++
	}
	return answers, nil
}
