package multicast

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket is a descriptor that is being set up. The first failure sticks, says
// what failed, and makes the rest do nothing.
type socket struct {
	fd  int
	err error
}

func newSocket(domain, kind int) socket {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	s := socket{fd: fd}
	s.check("open a socket", err)
	return s
}

// check keeps err, if it is the first.
func (s *socket) check(what string, err error) {
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("%s: %w", what, err)
	}
}

func (s *socket) set(what string, level, option, value int) {
	if s.err == nil {
		s.check("set "+what, unix.SetsockoptInt(s.fd, level, option, value))
	}
}

// finish returns the descriptor, or closes it and returns what failed.
func (s *socket) finish() (int, error) {
	if s.err != nil && s.fd >= 0 {
		unix.Close(s.fd)
	}
	return s.fd, s.err
}

// buffer sets a socket buffer to want bytes, beyond the system's limit where the
// process may, and returns what the kernel grants.
func (s *socket) buffer(option, force, want int) (got int) {
	if s.err != nil {
		return 0
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, want) != nil {
		s.set("buffer size", unix.SOL_SOCKET, option, want)
	}
	got, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, option)
	s.check("read the buffer size", err)
	return got / 2 // the kernel keeps twice the size, to account for its overhead
}

// leaveBy makes multicast leave by e's interface.
func (s *socket) leaveBy(e *endpoint) {
	if s.err != nil {
		return
	}
	var err error
	if e.domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(s.fd, e.level, unix.IPV6_MULTICAST_IF, e.ifi.Index)
	} else {
		err = unix.SetsockoptIPMreqn(s.fd, e.level, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(e.ifi.Index)})
	}
	s.check("send by interface "+e.ifi.Name, err)
}

// membership is the kernel's struct group_source_req. Its head is struct
// group_req. Both join by interface index, in both IP versions.
type membership struct {
	index  uint32
	group  storage
	source storage
}

// storage is the kernel's struct sockaddr_storage.
type storage struct {
	_ [0]uintptr // for its alignment
	b [128]byte
}

func (s *storage) put(a netip.Addr) {
	if a.Is4() {
		binary.NativeEndian.PutUint16(s.b[:], unix.AF_INET)
		copy(s.b[4:], a.AsSlice())
		return
	}
	binary.NativeEndian.PutUint16(s.b[:], unix.AF_INET6)
	copy(s.b[8:], a.AsSlice())
}

// join makes the socket a member of e's group on e's interface, for e's source
// alone if it names one.
func (s *socket) join(e *endpoint) {
	if s.err != nil {
		return
	}
	m := membership{index: uint32(e.ifi.Index)}
	m.group.put(e.Group.Addr())
	option, size := unix.MCAST_JOIN_GROUP, unsafe.Offsetof(m.source)
	if e.Source.IsValid() {
		m.source.put(e.Source)
		option, size = unix.MCAST_JOIN_SOURCE_GROUP, unsafe.Sizeof(m)
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&m)), size)
	err := unix.SetsockoptString(s.fd, e.level, option, string(b))
	s.check(fmt.Sprintf("join %v on %s", e.Group.Addr(), e.ifi.Name), joinRemedy(err))
}

// joinRemedy says what to do about a refused membership.
func joinRemedy(err error) error {
	if err == unix.ENOBUFS {
		return fmt.Errorf("%w: too many memberships: sysctl -w net.ipv4.igmp_max_memberships=100", err)
	}
	return err
}
