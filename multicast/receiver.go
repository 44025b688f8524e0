package multicast

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// DefaultReceiveBuffer is the size of each line's receive buffer, in bytes: at a
// million packets a second, what comes while the receiver is off its processor for
// 20 ms.
const DefaultReceiveBuffer = 32 << 20

// Datagrams takes what a Receiver read: one datagram of a line (0 or 1). b is lent
// until Datagram returns. rx is the kernel's receive stamp, ns UTC, 0 if it gave
// none; the datagrams of one coalesced read share it. now is what Receive was given.
type Datagrams interface {
	Datagram(line int, b []byte, rx, now wire.Nanos)
}

// ReceiverConfig says what one receive socket hears.
type ReceiverConfig struct {
	Line
	Index  int  // of the line: 0 or 1
	Buffer int  // receive buffer, bytes; 0 is DefaultReceiveBuffer
	Apart  bool // leave UDP_GRO off: one read for each datagram
}

// Receiver is one line's receive socket. It is bound to the group itself and
// takes nothing that other sockets of this host joined. One goroutine owns it;
// Stats belongs to any.
type Receiver struct {
	*endpoint
	index   int
	fd      int
	buffer  int
	wanted  int
	reads   reads
	dropped uint32 // the kernel's drop counter when last seen
	receiverCounters
}

// receiverCounters are written by the receive loop and read by any.
type receiverCounters struct {
	datagrams, bytes, calls, truncated, drops atomic.Uint64
}

// NewReceiver opens a socket and joins the group. Errors wrap ErrGroup,
// ErrInterface or ErrFamily, or what the kernel refused. A receive buffer smaller
// than wanted is no error: see Warning.
func NewReceiver(c ReceiverConfig) (*Receiver, error) {
	e, err := resolve(c.Index, c.Line)
	if err != nil {
		return nil, err
	}
	r := &Receiver{endpoint: e, index: c.Index, wanted: or(c.Buffer, DefaultReceiveBuffer)}
	s := newSocket(e.domain, unix.SOCK_DGRAM)
	s.set("address reuse", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	s.set("joined groups only", e.level, e.all, 0)
	s.set("receive stamps", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	s.set("drop counts", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	r.buffer = s.buffer(unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, r.wanted)
	coalesce := !c.Apart && s.err == nil && unix.SetsockoptInt(s.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	if s.err == nil {
		s.check("bind "+e.Group.String(), bindRemedy(unix.Bind(s.fd, sockaddr(e.Group, e.ifi.Index))))
	}
	s.join(e)
	if r.fd, err = s.finish(); err != nil {
		return nil, e.fail(err)
	}
	r.reads.alloc(coalesce, e.payload())
	return r, nil
}

// bindRemedy says what to do about a port that is taken.
func bindRemedy(err error) error {
	if err == unix.EADDRINUSE {
		return fmt.Errorf("%w: a program took the port for itself; find it with ss -ulnp, or use another port", err)
	}
	return err
}

// Warning says that the receive buffer is smaller than wanted, and the remedy; ""
// if it is not. Bursts then overrun it sooner, which Drops counts.
func (r *Receiver) Warning() string { return clipped(r.name, r.buffer, r.wanted) }

func clipped(name string, buffer, wanted int) string {
	if buffer >= wanted {
		return ""
	}
	return fmt.Sprintf("%s: receive buffer is %d bytes instead of %d: sysctl -w net.core.rmem_max=%d", name, buffer, wanted, wanted)
}

// Receive reads what has arrived, at most one system call's worth, hands it to to
// and returns the number of datagrams. It never waits: 0 means that nothing is
// there.
func (r *Receiver) Receive(now wire.Nanos, to Datagrams) (int, error) {
	n, e := r.reads.recvmmsg(r.fd)
	if e != 0 {
		if e == unix.EAGAIN || e == unix.EINTR {
			return 0, nil
		}
		return 0, r.fail(os.NewSyscallError("recvmmsg", e))
	}
	datagrams, bytes := 0, 0
	for i := range n {
		b := r.reads.data(i)
		segment, rx := r.control(r.reads.control(i))
		if r.reads.msgs[i].Hdr.Flags&unix.MSG_TRUNC != 0 {
			r.truncated.Add(1)
		}
		bytes += len(b)
		datagrams += split(r.index, b, segment, rx, now, to)
	}
	r.reads.rearm(n)
	r.calls.Add(1)
	r.datagrams.Add(uint64(datagrams))
	r.bytes.Add(uint64(bytes))
	return datagrams, nil
}

// pending cannot be known without a system call.
func (r *Receiver) pending() bool { return true }

// split hands over the datagrams of one read, which are segment bytes long but
// for the last; segment 0 means that there is one.
func split(line int, b []byte, segment int, rx, now wire.Nanos, to Datagrams) (n int) {
	if segment <= 0 {
		segment = len(b)
	}
	for n = 1; len(b) > segment; n++ {
		to.Datagram(line, b[:segment:segment], rx, now)
		b = b[segment:]
	}
	to.Datagram(line, b, rx, now)
	return n
}

// Drops asks the kernel how many reads it dropped because the receive buffer was
// full, since the socket was opened, and counts them. The kernel tells it with
// the next datagram too, but there may be none. A coalesced run of datagrams
// counts once.
func (r *Receiver) Drops() (uint64, error) {
	var info [unix.SK_MEMINFO_DROPS + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(r.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return r.drops.Load(), r.fail(os.NewSyscallError("getsockopt SO_MEMINFO", e))
	}
	r.countDrops(info[unix.SK_MEMINFO_DROPS])
	return r.drops.Load(), nil
}

// countDrops takes the kernel's counter, which wraps at 32 bits. What was queued
// before the last look carries an older count, which is passed over.
func (r *Receiver) countDrops(total uint32) {
	if more := int32(total - r.dropped); more > 0 {
		r.dropped = total
		r.drops.Add(uint64(more))
	}
}

// Close leaves the group and closes the socket.
func (r *Receiver) Close() error { return r.failOrNil(unix.Close(r.fd)) }

// descriptor becomes readable when a datagram is there.
func (r *Receiver) descriptor() int { return r.fd }

// ReceiverStats counts what one line received since the start.
type ReceiverStats struct {
	Line
	Datagrams uint64
	Bytes     uint64           // padding included
	Calls     uint64           // system calls that brought something
	Truncated uint64           // reads longer than the buffer; in a Ring also counted as Drops
	Drops     uint64           // reads that the kernel dropped, having no room for them
	Refused   [Refusals]uint64 // frames that a Ring did not use, by Refusal
	Buffer    int              // receive buffer granted or, of a Ring, its memory, bytes
}

// RefusedFrames is how many frames a Ring did not use, for any reason.
func (s *ReceiverStats) RefusedFrames() (n uint64) {
	for _, c := range s.Refused {
		n += c
	}
	return n
}

// Stats gives the counters.
func (r *Receiver) Stats() ReceiverStats {
	s := ReceiverStats{Line: r.Line, Buffer: r.buffer}
	s.load(&r.receiverCounters)
	return s
}

func (s *ReceiverStats) load(c *receiverCounters) {
	s.Datagrams, s.Bytes, s.Calls = c.datagrams.Load(), c.bytes.Load(), c.calls.Load()
	s.Truncated, s.Drops = c.truncated.Load(), c.drops.Load()
}
