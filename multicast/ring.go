package multicast

import (
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// Ring is one line's receive ring: memory that the kernel writes frames into and
// the program reads in place, without a system call. It hears what arrives at the
// interface, before the host's UDP. What this host itself sends it hears on
// loopback alone: elsewhere the kernel hands copies to sockets behind the ring's
// back. One goroutine owns a Ring; Stats belongs to any.
//
// Each frame has a slot. One that is longer is a batch, sent by UDP_SEGMENT on
// this host or made by GRO; the kernel queues it on the ring's socket, in order
// with the slots, and one system call reads all of it.
type Ring struct {
	*endpoint
	index  int
	group  [4]byte
	port   uint16
	fd     int    // of the packet socket
	member int    // of the socket that keeps the membership
	mem    []byte // the slots, shared with the kernel
	slot   int    // bytes of each
	next   int    // where in mem the slot to read next begins
	want   int    // slots to read: one while they come one by one, for whoever answers waits while the next is looked for
	long   []byte // room for a frame that was longer than a slot
	buffer int    // bytes granted for the queue of those
	wanted int

	receiverCounters
	refused [Refusals]atomic.Uint64
}

// ringReads is the most slots that one Receive reads.
const ringReads = 64

// Receive hands to to what has arrived, at most 64 slots of it, in place, and
// returns the number of datagrams. It never waits: 0 means that nothing is there.
func (r *Ring) Receive(now wire.Nanos, to Datagrams) (datagrams int, err error) {
	reads := 0
	for ; reads < r.want; reads++ {
		h := r.head()
		status := atomic.LoadUint32(&h.Status)
		if status&unix.TP_STATUS_USER == 0 {
			break
		}
		datagrams += r.take(h, status, now, to)
		r.release(h)
	}
	switch {
	case reads == 0:
		r.want = 1
		return 0, nil
	case reads == r.want:
		r.want = min(2*r.want, ringReads)
	default:
		r.want = reads
	}
	r.datagrams.Add(uint64(datagrams))
	return datagrams, nil
}

// head is what the kernel says of the slot to read next.
func (r *Ring) head() *unix.Tpacket2Hdr { return (*unix.Tpacket2Hdr)(unsafe.Pointer(&r.mem[r.next])) }

// pending reports whether the kernel has filled the slot to read next.
func (r *Ring) pending() bool {
	return atomic.LoadUint32(&r.head().Status)&unix.TP_STATUS_USER != 0
}

// release gives the slot back to the kernel and steps to the next.
func (r *Ring) release(h *unix.Tpacket2Hdr) {
	atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
	if r.next += r.slot; r.next == len(r.mem) {
		r.next = 0
	}
}

// take hands over the datagrams of one slot, or counts why not.
func (r *Ring) take(h *unix.Tpacket2Hdr, status uint32, now wire.Nanos, to Datagrams) int {
	f, ok := slotFrame(r.mem[r.next:][:r.slot], h)
	if status&unix.TP_STATUS_COPY != 0 {
		f.ip, f.vnet, ok = r.queued(int(h.Net) - int(h.Mac))
	}
	if !ok { // longer than the slot, and the queue was full
		r.truncated.Add(1)
		r.drops.Add(1)
		return 0
	}
	payload, segment, why := f.open(r.group, r.port)
	if why != RefusedNone {
		r.refused[why].Add(1)
		return 0
	}
	r.bytes.Add(uint64(len(payload)))
	return split(r.index, payload, segment, wire.Nanos(h.Sec)*1e9+wire.Nanos(h.Nsec), now, to)
}

// slotFrame finds the frame in a slot, whose head is h. It is not ok if the frame
// is not all there.
func slotFrame(slot []byte, h *unix.Tpacket2Hdr) (f frame, ok bool) {
	f.elsewhere = (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&slot[unix.SizeofTpacket2Hdr])).Pkttype == unix.PACKET_OTHERHOST
	mac, net, end := int(h.Mac), int(h.Net), uint64(h.Mac)+uint64(h.Snaplen)
	if h.Snaplen < h.Len || mac < slotLeast || net < mac || uint64(net) > end || end > uint64(len(slot)) {
		return f, false
	}
	f.ip, f.vnet = slot[net:end:end], slot[mac-vnetLen:mac]
	return f, true
}

// slotLeast is what every slot begins with: head, link address, virtio header.
const slotLeast = unix.SizeofTpacket2Hdr + unix.SizeofSockaddrLinklayer + vnetLen

// queued reads a frame whose link header has that length from the socket's queue.
func (r *Ring) queued(link int) (ip, vnet []byte, ok bool) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(r.fd), uintptr(unsafe.Pointer(&r.long[0])), uintptr(len(r.long)), unix.MSG_DONTWAIT, 0, 0)
	r.calls.Add(1)
	if e != 0 || link < 0 || int(n) < vnetLen+link {
		return nil, nil, false
	}
	return r.long[vnetLen+link : n], r.long[:vnetLen], true
}

// Drops asks the kernel how many frames it dropped because no slot was free, since
// the ring was opened, and adds them to those whose batch found no room. The error
// says that the interface went down since the last call; the ring goes on when it
// is up again.
func (r *Ring) Drops() (uint64, error) {
	var st unix.TpacketStats // since the last look: the kernel begins anew at each
	if e := r.ask(unix.SOL_PACKET, unix.PACKET_STATISTICS, unsafe.Pointer(&st), unsafe.Sizeof(st)); e != 0 {
		return r.drops.Load(), r.fail(os.NewSyscallError("getsockopt PACKET_STATISTICS", e))
	}
	drops := r.drops.Add(uint64(st.Drops))
	var failed int32
	if e := r.ask(unix.SOL_SOCKET, unix.SO_ERROR, unsafe.Pointer(&failed), unsafe.Sizeof(failed)); e == 0 && failed != 0 {
		return drops, r.fail(unix.Errno(failed))
	}
	return drops, nil
}

// ask is getsockopt into size bytes at p.
func (r *Ring) ask(level, option uintptr, p unsafe.Pointer, size uintptr) unix.Errno {
	n := uint32(size)
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(r.fd), level, option, uintptr(p), uintptr(unsafe.Pointer(&n)), 0)
	return e
}

// Warning says that the queue of frames that are longer than a slot is smaller than
// wanted, and the remedy; "" if it is not.
func (r *Ring) Warning() string { return clipped(r.name, r.buffer, r.wanted) }

// Stats gives the counters.
func (r *Ring) Stats() ReceiverStats {
	s := ReceiverStats{Line: r.Line, Buffer: len(r.mem)}
	s.load(&r.receiverCounters)
	for i := range r.refused {
		s.Refused[i] = r.refused[i].Load()
	}
	return s
}

// descriptor becomes readable when a frame is there.
func (r *Ring) descriptor() int { return r.fd }
