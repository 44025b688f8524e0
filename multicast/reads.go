package multicast

import (
	"encoding/binary"
	"unsafe"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

const (
	coalescedReads = 8       // reads of one call when datagrams come coalesced
	coalescedLen   = 1 << 16 // bytes of each
	apartReads     = 64      // reads of one call when each is a datagram
	controlLen     = 96      // bytes: a stamp, a segment size and a drop count
)

// reads is what one recvmmsg fills: buffers, allocated once. It points into
// itself, so it must not move after alloc.
type reads struct {
	size int // of each buffer, bytes
	want int // reads to ask for: one while datagrams come one by one, as a second would find nothing
	buf  []byte
	ctl  []byte
	iovs []unix.Iovec
	msgs []unix.Mmsghdr
}

// alloc makes room for coalesced reads, or for datagrams of at most size bytes.
func (r *reads) alloc(coalesce bool, size int) {
	n := apartReads
	if coalesce {
		n, size = coalescedReads, coalescedLen
	}
	r.size = size
	r.buf = make([]byte, n*size)
	r.ctl = make([]byte, n*controlLen)
	r.iovs = make([]unix.Iovec, n)
	r.msgs = make([]unix.Mmsghdr, n)
	for i := range r.msgs {
		r.iovs[i].Base = &r.buf[i*size]
		r.iovs[i].SetLen(size)
		h := &r.msgs[i].Hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = &r.ctl[i*controlLen]
	}
	r.rearm(n)
	r.want = 1
}

// rearm prepares the first n messages for the next call, after the kernel wrote
// over their lengths.
func (r *reads) rearm(n int) {
	for i := range n {
		r.msgs[i].Hdr.SetControllen(controlLen)
	}
}

// recvmmsg fills reads and returns how many. While each call brings all that it asks
// for the next asks for twice as many, otherwise for as many as came.
func (r *reads) recvmmsg(fd int) (int, unix.Errno) {
	if r.want == 1 {
		return r.recvmsg(fd)
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msgs[0])), uintptr(r.want), unix.MSG_DONTWAIT, 0, 0)
	switch {
	case e != 0:
		r.want = 1
		return 0, e
	case int(n) == r.want:
		r.want = min(2*r.want, len(r.msgs))
	default:
		r.want = int(n)
	}
	return int(n), 0
}

// recvmsg fills one read, for less than recvmmsg takes.
func (r *reads) recvmsg(fd int) (int, unix.Errno) {
	n, _, e := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.msgs[0].Hdr)), unix.MSG_DONTWAIT)
	if e != 0 {
		return 0, e
	}
	r.msgs[0].Len = uint32(n)
	r.want = 2
	return 1, 0
}

// data is what read i brought.
func (r *reads) data(i int) []byte {
	return r.buf[i*r.size:][:min(int(r.msgs[i].Len), r.size)]
}

// control is what the kernel says of read i.
func (r *reads) control(i int) []byte {
	return r.ctl[i*controlLen:][:min(int(r.msgs[i].Hdr.Controllen), controlLen)]
}

// control reads the control messages of one read: the size of its segments, 0 if
// it is not coalesced, and the receive stamp. Drops are counted.
func (r *Receiver) control(b []byte) (segment int, rx wire.Nanos) {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(b) {
			break
		}
		data := b[unix.SizeofCmsghdr:n]
		switch {
		case len(data) < 4:
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO:
			segment = int(int32(binary.NativeEndian.Uint32(data)))
		case h.Level != unix.SOL_SOCKET:
		case h.Type == unix.SO_RXQ_OVFL:
			r.countDrops(binary.NativeEndian.Uint32(data))
		case h.Type == unix.SO_TIMESTAMPNS_NEW && len(data) >= 16:
			sec, ns := binary.NativeEndian.Uint64(data), binary.NativeEndian.Uint64(data[8:])
			rx = wire.Nanos(sec*1e9 + ns)
		}
		b = b[min(unix.CmsgSpace(len(data)), len(b)):]
	}
	return segment, rx
}
