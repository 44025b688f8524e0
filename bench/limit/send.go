package limit

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/tapecast/tapecast/bench/rig"
	"golang.org/x/sys/unix"
)

// Send says what to send.
type Send struct {
	Net
	rig.Load
	Method string `json:"method"` // gso, mmsg or single
	Size   int    `json:"size"`   // bytes of a message, at least 24
	CPU    int    `json:"cpu"`
	Disk   Disk   `json:"disk"`
}

// Sent is what came of it.
type Sent struct {
	Messages uint64  `json:"messages"`
	Late     float64 `json:"late"`     // s between the last message's time and its send
	DiskLag  float64 `json:"disk_lag"` // s from the last send until all was written
	Refused  int     `json:"refused"`  // sends
	CPU      int64   `json:"cpu_ns"`   // of the sending thread
}

// lead is how long after the word to go the schedule begins, in ns.
const lead = 20_000_000

// hopeless is how late a sender gives up, in ns.
const hopeless = 500_000_000

// sender packs what is due and sends it on all lines.
type sender struct {
	Send
	fds      []int
	b        *batchOf
	per      int // messages in a full datagram
	n        int // datagrams packed
	last     int // messages in the last of them
	sent     uint64
	schedule rig.Schedule
	start    int64
	seg      segmentControl
	refused  int
}

// segmentControl is the control message that cuts a send into datagrams.
type segmentControl struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte
}

func newSender(a Send) (s *sender, err error) {
	s = &sender{Send: a, per: (longest - head) / a.Size}
	if s.schedule, err = a.Schedule(); err != nil {
		return nil, err
	}
	if s.fds, err = a.senders(0); err != nil {
		return nil, err
	}
	if s.Method != "gso" && s.Method != "mmsg" && s.Method != "single" {
		return nil, fmt.Errorf("no send method %q", s.Method)
	}
	s.b = newBatch(batch, head+s.per*a.Size, false)
	s.seg.Level, s.seg.Type, s.seg.size = unix.IPPROTO_UDP, unix.UDP_SEGMENT, uint16(s.b.slot)
	s.seg.SetLen(unix.CmsgLen(2))
	return s, nil
}

func send(ctx context.Context, p *rig.Part) (any, error) {
	rig.NoCollection()
	var a Send
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	s, err := newSender(a)
	if err != nil {
		return nil, err
	}
	disk, err := a.Disk.open(int64(a.Count()) * int64(a.Size+2))
	if err != nil {
		return nil, err
	}
	defer disk.remove()
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	if err := p.Go(ctx); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	rig.Pin(a.CPU)
	before := rig.ThreadCost()
	s.start = rig.Nanotime() + lead
	s.run(ctx, disk)
	end := rig.Nanotime()
	out := Sent{Messages: s.sent, Refused: s.refused, CPU: rig.ThreadCost().Sub(before).CPU}
	out.Late = float64(end-s.start-s.schedule.At(max(s.sent, 1)-1)) / 1e9
	err = disk.drain()
	out.DiskLag = float64(rig.Nanotime()-end) / 1e9
	return out, err
}

func (s *sender) run(ctx context.Context, disk *disk) {
	for count := s.Count(); s.sent < count && ctx.Err() == nil; {
		due := min(s.schedule.Due(rig.Nanotime()-s.start), count)
		if rig.Nanotime() < s.start || due <= s.sent {
			continue
		}
		if rig.Nanotime()-s.start-s.schedule.At(s.sent) > hopeless {
			return
		}
		s.pack(due)
		if s.Method == "single" {
			s.each()
		} else {
			s.all()
		}
		disk.put(s.bytes())
	}
}

// pack fills datagrams with the messages up to due, as far as there is room.
func (s *sender) pack(due uint64) {
	le := binary.LittleEndian
	for s.n = 0; s.n < batch && s.sent < due; s.n++ {
		b := s.b.buf[s.n*s.b.slot:][:s.b.slot]
		s.last = int(min(due-s.sent, uint64(s.per)))
		le.PutUint64(b, s.sent)
		le.PutUint16(b[8:], uint16(s.last))
		for i := range s.last {
			m := b[head+i*s.Size:][:s.Size]
			le.PutUint64(m, s.sent)
			le.PutUint64(m[8:], uint64(s.start+s.schedule.At(s.sent)))
			le.PutUint32(m[16:], uint32(s.sent&1023))
			le.PutUint32(m[20:], 1)
			s.sent++
		}
	}
}

// bytes are what was packed.
func (s *sender) bytes() []byte {
	return s.b.buf[:(s.n-1)*s.b.slot+head+s.last*s.Size]
}

// each sends one datagram a call.
func (s *sender) each() {
	for _, fd := range s.fds {
		for i := range s.n {
			length := s.b.slot
			if i == s.n-1 {
				length = head + s.last*s.Size
			}
			s.check(write(fd, s.b.buf[i*s.b.slot:][:length]))
		}
	}
}

// all sends the whole batch with one call a line.
func (s *sender) all() {
	b := s.bytes()
	for _, fd := range s.fds {
		switch {
		case s.n == 1:
			s.check(write(fd, b))
		case s.Method == "gso":
			s.check(s.segmented(fd, b))
		default:
			for i := range s.n {
				s.b.iovs[i].SetLen(s.b.slot)
			}
			s.b.iovs[s.n-1].SetLen(head + s.last*s.Size)
			s.check(s.b.sendEach(fd, s.n))
		}
	}
}

func (s *sender) segmented(fd int, b []byte) unix.Errno {
	iov := unix.Iovec{Base: &b[0]}
	iov.SetLen(len(b))
	h := unix.Msghdr{Iov: &iov, Control: (*byte)(unsafe.Pointer(&s.seg))}
	h.SetIovlen(1)
	h.SetControllen(unix.CmsgSpace(2))
	_, _, e := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
	return e
}

func (s *sender) check(e unix.Errno) {
	if e != 0 {
		s.refused++
	}
}
