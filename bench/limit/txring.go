package limit

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	txFrame  = 2048
	txFrames = 64
	txData   = (unix.SizeofTpacket2Hdr + 15) &^ 15 // where the frame begins in a slot
)

// txRing sends a batch by the AF_PACKET transmit ring: frames that the program makes
// itself, Ethernet, IP and UDP headers included, and one call to send them.
type txRing struct {
	fd  int
	mem []byte
	at  int
}

func newTXRing(n Net) (*txRing, error) {
	index, err := n.index()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket (it takes CAP_NET_RAW): %w", err)
	}
	req := unix.TpacketReq{Block_size: txFrame * txFrames, Block_nr: 1, Frame_size: txFrame, Frame_nr: txFrames}
	if err := first(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &req),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: unix.ETH_P_IP<<8&0xff00 | unix.ETH_P_IP>>8, Ifindex: index}),
	); err != nil {
		return nil, fmt.Errorf("transmit ring: %w", err)
	}
	r := &txRing{fd: fd}
	if r.mem, err = unix.Mmap(fd, 0, txFrame*txFrames, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, err
	}
	for i := range txFrames {
		n.frame(r.mem[i*txFrame+txData:][:udpAt+udpHeader+longest])
	}
	return r, nil
}

// frame makes the headers of a full datagram of line 0.
func (n Net) frame(b []byte) {
	be, g := binary.BigEndian, n.group(0, 0)
	copy(b, []byte{1, 0, 0x5e, g[1] & 0x7f, g[2], g[3]})
	be.PutUint16(b[12:], unix.ETH_P_IP)
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 1, unix.IPPROTO_UDP
	be.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{192, 0, 2, 1}) // documentation: the kernel takes no packet from outside that says it is its own
	copy(ip[16:], g[:])
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(be.Uint16(ip[i:]))
	}
	sum = sum>>16 + sum&0xffff
	be.PutUint16(ip[10:], ^uint16(sum>>16+sum))
	udp := ip[20:]
	be.PutUint16(udp, uint16(n.Port+100))
	be.PutUint16(udp[2:], uint16(n.port(0, 0)))
	be.PutUint16(udp[4:], uint16(len(udp)))
}

func (r *txRing) send() error {
	for range batch {
		h := (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.mem[r.at*txFrame]))
		if s := atomic.LoadUint32(&h.Status); s != unix.TP_STATUS_AVAILABLE {
			return fmt.Errorf("transmit ring: slot %d has status %#x", r.at, s)
		}
		h.Len = udpAt + udpHeader + longest
		atomic.StoreUint32(&h.Status, unix.TP_STATUS_SEND_REQUEST)
		r.at = (r.at + 1) % txFrames
	}
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(r.fd), 0, 0, 0, 0, 0)
	return orNil(e)
}

func (r *txRing) finish() error { return nil }
