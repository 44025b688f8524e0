package limit

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	ringFrames = 8192
	ringFrame  = 2048 // bytes
	ringBlock  = 1 << 20
	udpAt      = 14 + 20 // Ethernet and IP headers; options are not expected on loopback
	udpHeader  = 8
	ignoreOut  = 23 // PACKET_IGNORE_OUTGOING
)

// ring is an AF_PACKET receive ring (TPACKET_V2), which is read without system
// calls. It takes the UDP datagrams to ports port to port+lines-1.
type ring struct {
	mem []byte
	at  int
}

func newRing(n Net, way int) (*ring, error) {
	index, err := n.index()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket (it takes CAP_NET_RAW): %w", err)
	}
	code := portFilter(n.port(0, way), n.Lines)
	req := unix.TpacketReq{Block_size: ringBlock, Block_nr: ringFrames * ringFrame / ringBlock, Frame_size: ringFrame, Frame_nr: ringFrames}
	err = first(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, ignoreOut, 1),
		unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req),
	)
	if err != nil {
		return nil, fmt.Errorf("receive ring: %w", err)
	}
	r := &ring{}
	if r.mem, err = unix.Mmap(fd, 0, ringFrames*ringFrame, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, fmt.Errorf("receive ring: %w", err)
	}
	if err := n.join(way); err != nil {
		return nil, err
	}
	const anyIPv4 = unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8
	return r, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: anyIPv4, Ifindex: index})
}

// portFilter accepts UDP to one of count ports from port on.
func portFilter(port, count int) []unix.SockFilter {
	const loadByte, loadHalf, equal, atLeast, ret = 0x30, 0x28, 0x15, 0x35, 0x06
	return []unix.SockFilter{
		{Code: loadByte, K: 14 + 9}, {Code: equal, Jf: 4, K: unix.IPPROTO_UDP},
		{Code: loadHalf, K: udpAt + 2}, {Code: atLeast, Jf: 2, K: uint32(port)},
		{Code: atLeast, Jt: 1, K: uint32(port + count)},
		{Code: ret, K: 0x40000}, {Code: ret, K: 0},
	}
}

func (r *ring) status() *uint32 { return (*uint32)(unsafe.Pointer(&r.mem[r.at*ringFrame])) }

// next gives the next datagram, or nil. It lives until release.
func (r *ring) next() []byte {
	if atomic.LoadUint32(r.status())&unix.TP_STATUS_USER == 0 {
		return nil
	}
	h := (*unix.Tpacket2Hdr)(unsafe.Pointer(r.status()))
	frame := r.mem[r.at*ringFrame+int(h.Mac):]
	return frame[udpAt+udpHeader : h.Snaplen]
}

// release gives the datagram back to the kernel.
func (r *ring) release() {
	atomic.StoreUint32(r.status(), unix.TP_STATUS_KERNEL)
	r.at = (r.at + 1) % ringFrames
}
