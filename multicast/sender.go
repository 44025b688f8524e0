package multicast

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendWait is how long a sender waits for room in its socket's buffer, which is
// full when the interface is slower than what is sent. After that packets are
// dropped without waiting, until one goes out: a line that is stuck must not hold
// the other.
const sendWait = 5e6 // ns

// A sender is the socket of one line, connected to its group.
type sender struct {
	*endpoint
	fd    int
	stuck bool // waited in vain, and nothing went out since
	lineCounters
}

// lineCounters are written by the sending loop and read by any.
type lineCounters struct {
	packets, bytes, padding, sends, waits, failed atomic.Uint64
	errors                                        [256]atomic.Uint64 // by errno
}

func openSender(e *endpoint, c PublisherConfig) (*sender, error) {
	s := newSocket(e.domain, unix.SOCK_DGRAM)
	s.set("path MTU discovery", e.level, e.mtu, unix.IP_PMTUDISC_DO)
	s.set("TTL", e.level, e.ttl, c.TTL)
	s.set("loopback", e.level, e.loop, btoi(c.Loopback))
	s.leaveBy(e)
	s.buffer(unix.SO_SNDBUF, unix.SO_SNDBUFFORCE, c.SendBuffer)
	if s.err == nil && e.Source.IsValid() {
		s.check("send from "+e.Source.String(), unix.Bind(s.fd, sockaddr(addrPort(e.Source, 0), e.ifi.Index)))
	}
	if s.err == nil {
		s.check("connect to "+e.Group.String(), unix.Connect(s.fd, sockaddr(e.Group, e.ifi.Index)))
	}
	fd, err := s.finish()
	if err != nil {
		return nil, e.fail(err)
	}
	return &sender{endpoint: e, fd: fd}, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// send hands the runs of v to the kernel, in calls of at most most runs, and
// reports the errno of the first that it refused, 0 for none. A refused run is
// counted and skipped.
func (l *sender) send(v *vector, most int) (refused unix.Errno) {
	for done := 0; done < v.n; {
		n, e := l.call(v.msgs[done:min(v.n, done+most)], unix.MSG_DONTWAIT)
		switch {
		case e == 0:
			l.sent(v.runs[done : done+n])
			done += n
			l.stuck = false
		case e == unix.EINTR:
		case e == unix.EAGAIN && !l.stuck:
			l.wait()
			l.stuck = true // until something goes out
		default:
			l.drop(&v.runs[done], e)
			done++
			refused = orErrno(refused, e)
		}
	}
	return refused
}

func orErrno(first, e unix.Errno) unix.Errno {
	if first != 0 {
		return first
	}
	return e
}

// call sends the head of m and returns how many went.
func (l *sender) call(m []unix.Mmsghdr, flags uintptr) (int, unix.Errno) {
	if h := &m[0].Hdr; len(m) == 1 && h.Iovlen == 1 && h.Control == nil { // takes the least time
		_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(l.fd), uintptr(unsafe.Pointer(h.Iov.Base)), uintptr(h.Iov.Len), flags, 0, 0)
		return 1, e
	}
	if len(m) == 1 {
		_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&m[0].Hdr)), flags)
		return 1, e
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), flags, 0, 0)
	return int(n), e
}

// wait waits for room, at most sendWait ns.
func (l *sender) wait() {
	l.waits.Add(1)
	fds := [1]unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLOUT}}
	ts := unix.NsecToTimespec(sendWait)
	unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), 1, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
}

func (l *sender) sent(runs []run) {
	var packets, bytes, padding int
	for i := range runs {
		packets += runs[i].packets
		bytes += runs[i].bytes
		padding += runs[i].padding
	}
	l.packets.Add(uint64(packets))
	l.bytes.Add(uint64(bytes))
	l.padding.Add(uint64(padding))
	l.sends.Add(1)
}

func (l *sender) drop(r *run, e unix.Errno) {
	l.sends.Add(1)
	l.failed.Add(uint64(r.packets))
	l.errors[uint8(e)].Add(1)
}
