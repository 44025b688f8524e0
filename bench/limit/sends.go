package limit

import (
	"context"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/tapecast/tapecast/bench/rig"
	"golang.org/x/sys/unix"
)

// Ways to hand full datagrams to the kernel.
const (
	SendSingle   = "single"   // sendto
	SendMMsg     = "sendmmsg" // a batch a call
	SendGSO      = "UDP_SEGMENT"
	SendZeroCopy = "UDP_SEGMENT, MSG_ZEROCOPY"
	SendURing    = "io_uring"
	SendTXRing   = "AF_PACKET transmit ring"
)

// SendMethods are those, in order.
func SendMethods() []string {
	return []string{SendSingle, SendMMsg, SendGSO, SendZeroCopy, SendURing, SendTXRing}
}

// Sends says how many full datagrams to send, on one line, to nobody.
type Sends struct {
	Net
	Method string `json:"method"`
	Count  int    `json:"count"` // datagrams
	CPU    int    `json:"cpu"`
}

// SendsTook is what that took.
type SendsTook struct {
	Nanos float64 `json:"ns"`     // a datagram
	CPU   float64 `json:"cpu_ns"` // a datagram, of the sending thread
}

// batcher sends batches of full datagrams of one buffer.
type batcher interface {
	send() error
	finish() error // waits until the kernel has let go of the buffer
}

func sends(_ context.Context, p *rig.Part) (any, error) {
	rig.NoCollection()
	var a Sends
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	rig.Pin(a.CPU)
	b, err := a.batcher()
	if err != nil {
		return nil, err
	}
	for range 100 { // warm
		if err := b.send(); err != nil {
			return nil, err
		}
	}
	rounds := a.Count / batch
	began, before := rig.Nanotime(), rig.ThreadCost()
	for range rounds {
		if err := b.send(); err != nil {
			return nil, err
		}
	}
	if err := b.finish(); err != nil {
		return nil, err
	}
	n := float64(rounds * batch)
	return SendsTook{float64(rig.Nanotime()-began) / n, float64(rig.ThreadCost().Sub(before).CPU) / n}, nil
}

func (a Sends) batcher() (batcher, error) {
	if a.Method == SendTXRing {
		return newTXRing(a.Net)
	}
	a.Lines = 1
	fds, err := a.senders(0)
	if err != nil {
		return nil, err
	}
	fd := fds[0]
	switch a.Method {
	case SendURing:
		return newURing(fd)
	case SendZeroCopy:
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ZEROCOPY, 1)
		return &zeroCopy{socketBatch: newSocketBatch(fd, SendGSO)}, err
	case SendSingle, SendMMsg, SendGSO:
		return newSocketBatch(fd, a.Method), nil
	}
	return nil, fmt.Errorf("no way to send %q", a.Method)
}

// socketBatch sends by the socket's own calls.
type socketBatch struct {
	fd     int
	method string
	b      *batchOf
	seg    segmentControl
	flags  uintptr
}

func newSocketBatch(fd int, method string) *socketBatch {
	s := &socketBatch{fd: fd, method: method, b: newBatch(batch, longest, false)}
	s.seg.Level, s.seg.Type, s.seg.size = unix.IPPROTO_UDP, unix.UDP_SEGMENT, longest
	s.seg.SetLen(unix.CmsgLen(2))
	return s
}

func (s *socketBatch) send() error {
	switch s.method {
	case SendSingle:
		for i := range batch {
			if e := write(s.fd, s.b.buf[i*longest:][:longest]); e != 0 {
				return e
			}
		}
		return nil
	case SendMMsg:
		return orNil(s.b.sendEach(s.fd, batch))
	}
	iov := unix.Iovec{Base: &s.b.buf[0]}
	iov.SetLen(len(s.b.buf))
	h := unix.Msghdr{Iov: &iov, Control: (*byte)(unsafe.Pointer(&s.seg))}
	h.SetIovlen(1)
	h.SetControllen(unix.CmsgSpace(2))
	_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT|s.flags)
	return orNil(e)
}

func (s *socketBatch) finish() error { return nil }

func orNil(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

// zeroCopy reads, after each send, that the kernel needs the buffer no more: a sender
// that keeps its packets must know.
type zeroCopy struct {
	*socketBatch
	sent, done uint32
}

func (z *zeroCopy) send() error {
	z.flags = unix.MSG_ZEROCOPY
	if err := z.socketBatch.send(); err != nil {
		return err
	}
	z.sent++
	return z.reap()
}

func (z *zeroCopy) finish() error {
	for z.done < z.sent {
		if err := z.reap(); err != nil {
			return err
		}
	}
	return nil
}

// reap takes the notices that are there.
func (z *zeroCopy) reap() error {
	var control [128]byte
	for {
		_, n, _, _, err := unix.Recvmsg(z.fd, nil, control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == unix.EAGAIN {
			return nil
		} else if err != nil {
			return err
		}
		if n < unix.SizeofCmsghdr+int(unsafe.Sizeof(unix.SockExtendedErr{})) {
			return fmt.Errorf("a notice of %d bytes", n)
		}
		notice := (*unix.SockExtendedErr)(unsafe.Pointer(&control[unix.SizeofCmsghdr]))
		z.done = notice.Data + 1
	}
}
