package limit

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	head    = 24   // bytes in front of each datagram: sequence of the first message, count
	longest = 1384 // bytes of a full datagram: 34 messages of 40
	batch   = 46   // full datagrams that one UDP_SEGMENT send takes
)

// batchOf is what one sendmmsg or recvmmsg takes: slots of one buffer.
type batchOf struct {
	buf  []byte
	slot int
	iovs []unix.Iovec
	msgs []unix.Mmsghdr
	ctl  []byte
}

const ctlLen = 64

func newBatch(n, slot int, control bool) *batchOf {
	b := &batchOf{buf: make([]byte, n*slot), slot: slot, iovs: make([]unix.Iovec, n), msgs: make([]unix.Mmsghdr, n), ctl: make([]byte, n*ctlLen)}
	for i := range b.msgs {
		b.iovs[i].Base = &b.buf[i*slot]
		b.iovs[i].SetLen(slot)
		h := &b.msgs[i].Hdr
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		if control {
			h.Control = &b.ctl[i*ctlLen]
			h.SetControllen(ctlLen)
		}
	}
	return b
}

// sendEach sends the first n slots, of these lengths, by sendmmsg.
func (b *batchOf) sendEach(fd, n int) unix.Errno {
	for at := 0; at < n; {
		k, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[at])), uintptr(n-at), unix.MSG_DONTWAIT, 0, 0)
		if e != 0 {
			return e
		}
		at += int(k)
	}
	return 0
}

// receive fills slots by recvmmsg and returns how many.
func (b *batchOf) receive(fd int) int {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs[0])), uintptr(len(b.msgs)), unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}

// data is what slot i received.
func (b *batchOf) data(i int) []byte { return b.buf[i*b.slot:][:b.msgs[i].Len] }

// segment is the size of the datagrams that slot i holds, its length if one.
func (b *batchOf) segment(i int) int {
	h := &b.msgs[i].Hdr
	n := int(h.Controllen)
	h.SetControllen(ctlLen)
	c := (*unix.Cmsghdr)(unsafe.Pointer(&b.ctl[i*ctlLen]))
	if n >= unix.CmsgLen(4) && c.Level == unix.IPPROTO_UDP && c.Type == unix.UDP_GRO {
		return int(binary.NativeEndian.Uint32(b.ctl[i*ctlLen+unix.SizeofCmsghdr:]))
	}
	return int(b.msgs[i].Len)
}
