package multicast

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// DefaultRingBuffer is the memory of each line's ring, in bytes: 4,096 slots
	// where the MTU is 1,500. It is taken when the ring is opened.
	DefaultRingBuffer = 8 << 20

	leastSlot = 2048    // bytes: a frame of 1,500, its link header and what the kernel says of it
	slotHead  = 128     // bytes: more than what the kernel puts before the IP header
	memoryMTU = 1 << 14 // an MTU from here on is loopback's: most frames are much shorter
	ringBlock = 1 << 16 // bytes that the kernel takes in one piece
)

// NewRing opens a ring and joins the group. c.Buffer is the ring's memory, in
// bytes; 0 is DefaultRingBuffer. Errors wrap ErrRing where a ring cannot work and
// say why, or are those of NewReceiver.
func NewRing(c ReceiverConfig) (*Ring, error) {
	e, err := resolve(c.Index, c.Line)
	if err != nil {
		return nil, err
	}
	if !e.Group.Addr().Is4() {
		return nil, e.fail(fmt.Errorf("%w: group %v is not IPv4: receive by sockets", ErrRing, e.Group))
	}
	r := &Ring{
		want: 1, endpoint: e, index: c.Index, group: e.Group.Addr().As4(), port: e.Group.Port(), fd: -1, member: -1,
		slot: slotFor(e.ifi.MTU), long: make([]byte, vnetLen+etherLen+1<<16), wanted: DefaultReceiveBuffer,
	}
	if err := r.open(or(c.Buffer, DefaultRingBuffer)); err != nil {
		return nil, errors.Join(e.fail(err), r.Close())
	}
	return r, nil
}

// slotFor is the slot that an interface's frames fit in.
func slotFor(mtu int) int {
	slot := leastSlot
	for mtu < memoryMTU && slot < mtu+slotHead {
		slot *= 2
	}
	return slot
}

// open makes the socket and maps the ring, of about size bytes. What it opened
// before it failed is Close's.
func (r *Ring) open(size int) (err error) {
	block := max(ringBlock, r.slot)
	blocks := max(size/block, 1)
	if r.fd, err = r.socket(block, blocks); err != nil {
		return err
	}
	if r.mem, err = unix.Mmap(r.fd, 0, blocks*block, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	r.member, err = r.membership()
	return err
}

// socket opens a packet socket with a ring, which hears nothing before bind.
func (r *Ring) socket(block, blocks int) (int, error) {
	s := newSocket(unix.AF_PACKET, unix.SOCK_RAW)
	if s.err != nil {
		return -1, fmt.Errorf("%w: %w: give the program CAP_NET_RAW (setcap cap_net_raw+ep FILE), or receive by sockets", ErrRing, s.err)
	}
	program, err := r.filter()
	s.check("make a filter", err)
	s.attach(program)
	s.set("ring version 2", unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2)
	s.set("offload headers", unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1)
	s.set("a queue for long frames", unix.SOL_PACKET, unix.PACKET_COPY_THRESH, 1)
	s.set("no own copies", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	r.buffer = s.buffer(unix.SO_RCVBUF, unix.SO_RCVBUFFORCE, r.wanted)
	if s.err == nil {
		s.check(fmt.Sprintf("a ring of %d bytes", blocks*block), unix.SetsockoptTpacketReq(s.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq{
			Block_size: uint32(block), Block_nr: uint32(blocks), Frame_size: uint32(r.slot), Frame_nr: uint32(blocks * (block / r.slot)),
		}))
	}
	if s.err == nil {
		s.check("bind to "+r.ifi.Name, unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_IP), Ifindex: r.ifi.Index}))
	}
	s.linkKind(r.endpoint)
	return s.finish()
}

// networkOrder swaps the bytes of v where the host's order is not the network's.
func networkOrder(v uint16) uint16 {
	var b [2]byte
	be.PutUint16(b[:], v)
	return native.Uint16(b[:])
}

// linkKind refuses an interface whose frames have no Ethernet header.
func (s *socket) linkKind(e *endpoint) {
	if s.err != nil {
		return
	}
	sa, err := unix.Getsockname(s.fd)
	s.check("getsockname", err)
	link, ok := sa.(*unix.SockaddrLinklayer)
	if s.err == nil && (!ok || link.Hatype != unix.ARPHRD_ETHER && link.Hatype != unix.ARPHRD_LOOPBACK) {
		s.err = fmt.Errorf("%w: %s is neither Ethernet nor loopback: receive by sockets", ErrRing, e.ifi.Name)
	}
}

// Close leaves the group and gives the ring's memory back. Nothing that Receive
// lent may be in use.
func (r *Ring) Close() error {
	var errs []error
	if r.mem != nil {
		errs = append(errs, unix.Munmap(r.mem))
	}
	for _, fd := range []int{r.fd, r.member} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	r.mem, r.fd, r.member = nil, -1, -1
	return r.failOrNil(errors.Join(errs...))
}
