package limit

import (
	"fmt"
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Net says where the datagrams go.
type Net struct {
	Interface string `json:"interface"`
	Port      int    `json:"port"`  // of the first line
	Lines     int    `json:"lines"` // one or two
}

// group is the multicast group of a line; way 0 and 1 are there and back.
func (n Net) group(line, way int) [4]byte { return [4]byte{239, 255, 81, byte(1 + 2*way + line)} }

func (n Net) port(line, way int) int { return n.Port + 2*way + line }

func (n Net) index() (int, error) {
	ifi, err := net.InterfaceByName(n.Interface)
	if err != nil {
		return 0, fmt.Errorf("interface %s: %w", n.Interface, err)
	}
	return ifi.Index, nil
}

// bufferSize is what the sockets get, in bytes.
const bufferSize = 32 << 20

// receivers opens a socket for each line.
func (n Net) receivers(way int, block bool) (fds []int, err error) {
	for line := range n.Lines {
		fd, err := n.receiver(line, way, block)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func (n Net) receiver(line, way int, block bool) (int, error) {
	index, err := n.index()
	if err != nil {
		return 0, err
	}
	kind := unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	if block {
		kind &^= unix.SOCK_NONBLOCK
	}
	fd, err := unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		return 0, err
	}
	g := n.group(line, way)
	return fd, first(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		enlarge(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF),
		unix.Bind(fd, &unix.SockaddrInet4{Port: n.port(line, way), Addr: g}),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: g, Ifindex: int32(index)}),
	)
}

// join joins the groups by a socket that is bound to no port: nothing comes to it.
func (n Net) join(way int) error {
	index, err := n.index()
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	for line := 0; line < n.Lines && err == nil; line++ {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: n.group(line, way), Ifindex: int32(index)})
	}
	return err
}

// senders opens a connected socket for each line.
func (n Net) senders(way int) (fds []int, err error) {
	index, err := n.index()
	if err != nil {
		return nil, err
	}
	for line := range n.Lines {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		err = first(
			unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(index)}),
			enlarge(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF),
			unix.Connect(fd, &unix.SockaddrInet4{Port: n.port(line, way), Addr: n.group(line, way)}),
		)
		if err != nil {
			return nil, err
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

func enlarge(fd, force, otherwise int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, bufferSize) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, otherwise, bufferSize)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// write and read go to the kernel without a word to the Go scheduler: the sockets
// never block.
func write(fd int, b []byte) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return e
}

func read(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), e
}

// readBlocking lets the scheduler know: the thread sleeps.
func readBlocking(fd int, b []byte) (int, unix.Errno) {
	n, _, e := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), e
}
