package multicast

import (
	"unsafe"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

const (
	maxSegments = 64          // of one UDP_SEGMENT send, in every kernel
	maxRun      = maxDatagram // bytes of one UDP_SEGMENT send
	maxPlan     = 64          // packets after which a vector takes no further run
	padShare    = 20          // a run's padding is less than 1/padShare of its bytes
)

// A vector is what one sendmmsg takes: runs of packets, each one message to the
// kernel. It points at the packets' own memory and copies nothing; it keeps the
// packets of the last plan reachable. It points into itself, so it must not move.
type vector struct {
	n     int // runs planned
	runs  [maxPlan]run
	msgs  [maxPlan]unix.Mmsghdr
	ctls  [maxPlan]segmentSize
	iovs  [2 * (maxPlan + maxSegments)]unix.Iovec // a packet and its padding, each
	zeros []byte                                  // padding; never written
}

// A run is packets that go out as one message.
type run struct {
	packets int
	size    int // bytes of every packet but the last, padding included
	bytes   int // of all packets, padding included
	padding int // bytes
}

// segmentSize is the control message that cuts a run into datagrams.
type segmentSize struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte // the kernel wants its alignment counted
}

func newVector() *vector {
	v := &vector{zeros: make([]byte, maxRun)}
	for i := range v.ctls {
		v.ctls[i].Level = unix.IPPROTO_UDP
		v.ctls[i].Type = unix.UDP_SEGMENT
		v.ctls[i].SetLen(unix.CmsgLen(2))
	}
	return v
}

// plan fills v with the first packets of ps and returns how many: at least one,
// at most maxPlan and what the last run takes beyond. most is the largest number
// of packets in a run.
func (v *vector) plan(ps []wire.Packet, most int) int {
	v.n = 0
	iovs, planned := v.iovs[:], 0
	for planned < len(ps) && planned < maxPlan {
		r := nextRun(ps[planned:], most)
		used := v.add(r, ps[planned:planned+r.packets], iovs)
		iovs = iovs[used:]
		planned += r.packets
	}
	return planned
}

// nextRun chooses how many packets at the head of ps go out as one: as many as
// fit, while padding all but the last to the longest's size costs little. What
// is not worth padding ends the run.
func nextRun(ps []wire.Packet, most int) run {
	best := run{packets: 1, size: len(ps[0]), bytes: len(ps[0])}
	size, sum := len(ps[0]), len(ps[0])
	for n := 2; n <= min(len(ps), most); n++ {
		last := len(ps[n-1])
		size, sum = max(size, last), sum+last
		bytes := size*(n-1) + last
		if bytes > maxRun {
			break
		}
		if pad := bytes - sum; pad*padShare < bytes {
			best = run{packets: n, size: size, bytes: bytes, padding: pad}
		}
	}
	return best
}

// add appends run r of ps to v, and returns how many of iovs it used.
func (v *vector) add(r run, ps []wire.Packet, iovs []unix.Iovec) int {
	used := 0
	for i, p := range ps {
		iovs[used].Base = unsafe.SliceData([]byte(p))
		iovs[used].SetLen(len(p))
		used++
		if pad := r.size - len(p); pad > 0 && i < len(ps)-1 {
			iovs[used].Base = &v.zeros[0]
			iovs[used].SetLen(pad)
			used++
		}
	}
	h := &v.msgs[v.n].Hdr
	h.Iov = &iovs[0]
	h.SetIovlen(used)
	h.Control = nil
	h.SetControllen(0)
	if r.packets > 1 {
		v.ctls[v.n].size = uint16(r.size)
		h.Control = (*byte)(unsafe.Pointer(&v.ctls[v.n]))
		h.SetControllen(unix.CmsgSpace(2))
	}
	v.runs[v.n] = r
	v.n++
	return used
}
