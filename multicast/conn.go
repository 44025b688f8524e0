package multicast

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readLen     = 256 << 10 // bytes read from a retransmit service in one call
	userTimeout = 5000      // ms that what was sent may stay unacknowledged
)

// A conn is the connection to a retransmit service. It never waits. The zero conn
// is not usable: see newConn.
type conn struct {
	fd   int // -1: none
	up   bool
	full bool // the kernel took less than it was given
	to   unix.Sockaddr
	buf  []byte
}

func newConn() conn { return conn{fd: -1, buf: make([]byte, readLen)} }

// dial begins to connect; advance goes on.
func (c *conn) dial(to netip.AddrPort) error {
	c.close()
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	s := newSocket(familyOf(to.Addr()).domain, unix.SOCK_STREAM)
	s.set("no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	s.set("user timeout", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout)
	fd, err := s.finish()
	if err != nil {
		return err
	}
	*c = conn{fd: fd, to: sockaddr(to, 0), buf: c.buf}
	return nil
}

// advance connects, or asks how far that is. up says that the connection stands.
func (c *conn) advance() (up bool, err error) {
	switch err := unix.Connect(c.fd, c.to); err {
	case nil, unix.EISCONN:
		c.up = true
		return true, nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		return false, nil
	default:
		return false, fmt.Errorf("connect: %w", err)
	}
}

// read returns what has arrived, lent until the next read; nil when nothing has.
// io.EOF says that the server closed the connection.
func (c *conn) read() ([]byte, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&c.buf[0])), uintptr(len(c.buf)), unix.MSG_DONTWAIT, 0, 0)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		return nil, nil
	case e != 0:
		return nil, os.NewSyscallError("recv", e)
	case n == 0:
		return nil, io.EOF
	}
	return c.buf[:n], nil
}

// write returns how much of b the kernel took.
func (c *conn) write(b []byte) (int, error) {
	if len(b) == 0 {
		c.full = false
		return 0, nil
	}
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	switch {
	case e == unix.EAGAIN || e == unix.EINTR:
		n = 0
	case e != 0:
		return 0, os.NewSyscallError("send", e)
	}
	c.full = int(n) < len(b)
	return int(n), nil
}

// events are those that c waits for.
func (c *conn) events() int16 {
	if !c.up || c.full {
		return unix.POLLIN | unix.POLLOUT
	}
	return unix.POLLIN
}

// local is the address on this host, once connected.
func (c *conn) local() (netip.Addr, error) {
	sa, err := unix.Getsockname(c.fd)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("getsockname: %w", err)
	}
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr), nil
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr).Unmap(), nil
	}
	return netip.Addr{}, fmt.Errorf("getsockname: unknown address %T", sa)
}

// close closes the connection, or stops connecting.
func (c *conn) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd, c.up, c.full = -1, false, false
}
