package multicast

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// etherLen is the length of the link header that the kernel shows a packet socket
// on Ethernet and loopback; it has taken a VLAN's tag out.
const etherLen = 14

// filter is the program that the kernel runs on each IPv4 packet of the interface.
// It lets through what goes to e's group and port, from e's source if there is one,
// and came in by e's interface itself: the kernel also shows what is on its way to
// the interface of a VLAN. Fragments of the group pass whatever their port, which
// only the first has, so that they are counted.
func (e *endpoint) filter() ([]bpf.RawInstruction, error) {
	group := e.Group.Addr().As4()
	checks := []check{
		{bpf.LoadExtension{Num: bpf.ExtInterfaceIndex}, uint32(e.ifi.Index)},
		{bpf.LoadAbsolute{Off: etherLen + ipTarget, Size: 4}, be.Uint32(group[:])},
		{bpf.LoadAbsolute{Off: etherLen + ipProtocol, Size: 1}, unix.IPPROTO_UDP},
	}
	if e.Source.IsValid() {
		checks = append(checks, check{bpf.LoadAbsolute{Off: etherLen + ipSource, Size: 4}, be.Uint32(e.Source.AsSlice())})
	}
	tail := []bpf.Instruction{
		bpf.LoadAbsolute{Off: etherLen + ipFragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: moreOrOffset, SkipTrue: 3},
		bpf.LoadMemShift{Off: etherLen}, // X: length of the IP header
		bpf.LoadIndirect{Off: etherLen + udpPort, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(e.Group.Port()), SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18}, // bytes: all
		bpf.RetConstant{Val: 0},
	}
	var program []bpf.Instruction
	for i, c := range checks {
		toEnd := 2*(len(checks)-1-i) + len(tail) - 1
		program = append(program, c.load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: c.want, SkipFalse: uint8(toEnd)})
	}
	return bpf.Assemble(append(program, tail...))
}

// A check is a value that must be found for a packet to pass.
type check struct {
	load bpf.Instruction
	want uint32
}

// attach makes the kernel run a program on what arrives.
func (s *socket) attach(program []bpf.RawInstruction) {
	if s.err != nil {
		return
	}
	list := make([]unix.SockFilter, len(program))
	for i, p := range program {
		list[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
	s.check("attach a filter", err)
}

// membership opens a socket that is a member of e's group and hears nothing: packet
// sockets cannot join. It is bound to no port, so that the kernel has nothing to
// give to it; the filter is there in case that somebody binds it.
func (e *endpoint) membership() (int, error) {
	s := newSocket(e.domain, unix.SOCK_DGRAM)
	nothing, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	s.check("make a filter", err)
	s.attach(nothing)
	s.join(e)
	fd, err := s.finish()
	if err != nil {
		return fd, fmt.Errorf("membership: %w", err)
	}
	return fd, nil
}
