package limit

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From the kernel's include/uapi/linux/io_uring.h.
const (
	uringSend      = 26 // IORING_OP_SEND
	uringEvents    = 1  // IORING_ENTER_GETEVENTS
	uringSQEs      = 0x10000000
	uringOneMap    = 1 // IORING_FEAT_SINGLE_MMAP
	uringEntries   = 64
	uringSQELen    = 64
	uringCQELen    = 16
	uringSubmitter = 1 << 12 // IORING_SETUP_SINGLE_ISSUER
)

type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq                                                   struct{ head, tail, mask, entries, flags, dropped, array, _ uint32 }
	_                                                    uint64
	cq                                                   struct{ head, tail, mask, entries, overflow, cqes, flags, _ uint32 }
	_                                                    uint64
}

// uring sends a batch as so many IORING_OP_SEND by one io_uring_enter, which waits for
// their results.
type uring struct {
	fd, socket int
	p          uringParams
	ring, sqes []byte
	buf        []byte
}

func newURing(socket int) (*uring, error) {
	u := &uring{socket: socket, buf: make([]byte, batch*longest)}
	u.p.flags = uringSubmitter
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, uringEntries, uintptr(unsafe.Pointer(&u.p)), 0)
	if e != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", e)
	}
	u.fd = int(fd)
	if u.p.features&uringOneMap == 0 {
		return nil, fmt.Errorf("io_uring: a kernel before 5.4")
	}
	size := max(u.p.sq.array+4*u.p.sqEntries, u.p.cq.cqes+uringCQELen*u.p.cqEntries)
	var err error
	if u.ring, err = unix.Mmap(u.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, err
	}
	u.sqes, err = unix.Mmap(u.fd, uringSQEs, int(u.p.sqEntries)*uringSQELen, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	return u, err
}

func (u *uring) word(at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&u.ring[at])) }

func (u *uring) send() error {
	tail, mask := atomic.LoadUint32(u.word(u.p.sq.tail)), *u.word(u.p.sq.mask)
	for i := range uint32(batch) {
		slot := (tail + i) & mask
		b := u.sqes[slot*uringSQELen:][:uringSQELen]
		clear(b)
		b[0] = uringSend
		*(*int32)(unsafe.Pointer(&b[4])) = int32(u.socket)
		*(*uint64)(unsafe.Pointer(&b[16])) = uint64(uintptr(unsafe.Pointer(&u.buf[i*longest])))
		*(*uint32)(unsafe.Pointer(&b[24])) = longest
		*u.word(u.p.sq.array + 4*slot) = slot
	}
	atomic.StoreUint32(u.word(u.p.sq.tail), tail+batch)
	n, _, e := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(u.fd), batch, batch, uringEvents, 0, 0)
	if e != 0 || int(n) != batch {
		return fmt.Errorf("io_uring_enter: %d of %d submitted: %w", n, batch, e)
	}
	return u.reap()
}

// reap checks the results of a batch.
func (u *uring) reap() error {
	head, tail, mask := *u.word(u.p.cq.head), atomic.LoadUint32(u.word(u.p.cq.tail)), *u.word(u.p.cq.mask)
	for ; head != tail; head++ {
		if got := *(*int32)(unsafe.Pointer(&u.ring[u.p.cq.cqes+(head&mask)*uringCQELen+8])); got != longest {
			return fmt.Errorf("io_uring: a send gave %d", got)
		}
	}
	atomic.StoreUint32(u.word(u.p.cq.head), head)
	return nil
}

func (u *uring) finish() error { return nil }
