package multicast

import (
	"fmt"
	"math/bits"

	"golang.org/x/sys/unix"
)

// Refusal is why a Ring did not use a frame that came for its group. UDP sockets
// never see such frames, or the kernel counts them elsewhere.
type Refusal uint8

// Reasons. None is counted where there was none.
const (
	RefusedNone      Refusal = iota
	RefusedShort             // its lengths contradict each other
	RefusedElsewhere         // for another host or, more likely, of a VLAN that has no interface here: name one, such as eth0.5
	RefusedFragment          // part of a datagram: packets must fit the MTU
	RefusedForeign           // of another group, port or protocol; the kernel's filter lets none through
	RefusedChecksum          // damaged
	RefusedOffload           // a batch of a kind that is not UDP_SEGMENT's
	Refusals
)

var refusalNames = [Refusals]string{"none", "short", "elsewhere", "fragment", "foreign", "checksum", "offload"}

// String gives the reason in one word.
func (r Refusal) String() string {
	if r < Refusals {
		return refusalNames[r]
	}
	return fmt.Sprintf("Refusal(%d)", uint8(r))
}

// vnetLen is the length of the kernel's struct virtio_net_hdr, which stands before
// each frame and says what was left to hardware: checksum and segmentation.
const vnetLen = 10

// A frame is one IPv4 packet as a Ring finds it: lent by the kernel or, if it was
// too long for a slot, read from the socket.
type frame struct {
	ip        []byte // from the IP header on; what the link padded may follow
	vnet      []byte // vnetLen bytes, in the host's byte order
	elsewhere bool   // the kernel found that it is not for this host
}

// Offsets in IPv4 and UDP headers, and their least lengths.
const (
	ipTotal, ipFragment, ipProtocol, ipSource, ipTarget, ipLen = 2, 6, 9, 12, 16, 20
	udpPort, udpLength, udpSum, udpLen                         = 2, 4, 6, 8

	moreOrOffset = 0x3fff // of ipFragment: more fragments, or not the first
)

// open checks f, which should be a datagram to group and port, and returns its
// payload: one datagram if segment is 0, otherwise datagrams of segment bytes, the
// last of which may be shorter. It aliases f.
func (f *frame) open(group [4]byte, port uint16) (payload []byte, segment int, why Refusal) {
	if f.elsewhere {
		return nil, 0, RefusedElsewhere
	}
	head, udp := f.cut()
	switch {
	case head == nil:
		return nil, 0, RefusedShort
	case [4]byte(head[ipTarget:]) != group || head[ipProtocol] != unix.IPPROTO_UDP:
		return nil, 0, RefusedForeign
	case be.Uint16(head[ipFragment:])&moreOrOffset != 0:
		return nil, 0, RefusedFragment
	case fold(sum(0, head)) != 0xffff:
		return nil, 0, RefusedChecksum
	case len(udp) < udpLen || int(be.Uint16(udp[udpLength:])) < udpLen || int(be.Uint16(udp[udpLength:])) > len(udp):
		return nil, 0, RefusedShort
	case be.Uint16(udp[udpPort:]) != port:
		return nil, 0, RefusedForeign
	}
	udp = udp[:be.Uint16(udp[udpLength:])]
	if !f.vouched() && !intact(head, udp) {
		return nil, 0, RefusedChecksum
	}
	segment, ok := f.segment()
	if !ok {
		return nil, 0, RefusedOffload
	}
	return udp[udpLen:], segment, RefusedNone
}

// cut splits the packet into its header, options included, and what follows it,
// without the link's padding; nil if it is no IPv4 packet or not all there.
func (f *frame) cut() (head, rest []byte) {
	if len(f.ip) < ipLen || f.ip[0]>>4 != 4 || len(f.vnet) < vnetLen {
		return nil, nil
	}
	n, total := int(f.ip[0]&0xf)*4, int(be.Uint16(f.ip[ipTotal:]))
	if n < ipLen || total < n || total > len(f.ip) {
		return nil, nil
	}
	return f.ip[:n], f.ip[n:total]
}

// vouched reports whether the UDP checksum need not be looked at: the sender on this
// host left it to hardware that was not needed, or hardware has checked it.
func (f *frame) vouched() bool {
	return f.vnet[0]&(unix.VIRTIO_NET_HDR_F_NEEDS_CSUM|unix.VIRTIO_NET_HDR_F_DATA_VALID) != 0
}

// segment is the size of the datagrams that the payload is made of, 0 if it is one.
func (f *frame) segment() (size int, ok bool) {
	switch f.vnet[1] {
	case unix.VIRTIO_NET_HDR_GSO_NONE:
		return 0, true
	case unix.VIRTIO_NET_HDR_GSO_UDP_L4:
		size = int(native.Uint16(f.vnet[4:]))
		return size, size > 0
	}
	return 0, false
}

// intact checks the UDP checksum, which covers parts of the IP header; 0 is none.
func intact(head, udp []byte) bool {
	if be.Uint16(udp[udpSum:]) == 0 {
		return true
	}
	s := sum(0, head[ipSource:ipTarget+4])
	s = sum(s, []byte{0, unix.IPPROTO_UDP, udp[udpLength], udp[udpLength+1]})
	return fold(sum(s, udp)) == 0xffff
}

// sum adds b to an Internet checksum: 16-bit words of b, the sum of which is the
// same in any word size (RFC 1071).
func sum(s uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 8 {
		s, carry = bits.Add64(s, be.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	s, carry = bits.Add64(s, be.Uint64(tail[:]), carry)
	s, carry = bits.Add64(s, carry, 0)
	return s + carry
}

// fold makes 16 bits of a sum, its carries added back in.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s&0xffff)
}
