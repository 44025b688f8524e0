package limit

import (
	"context"
	"encoding/binary"
	"runtime"

	"github.com/tapecast/tapecast/bench/rig"
	"golang.org/x/sys/unix"
)

// Receive says what to expect.
type Receive struct {
	Net
	Method string `json:"method"` // gro, mmsg or ring
	Size   int    `json:"size"`   // bytes of a message
	Count  uint64 `json:"count"`
	Warm   uint64 `json:"warm"`  // messages at the start whose latency is not counted
	Every  bool   `json:"every"` // count the latency of every message; else of the first of each datagram
	CPU    int    `json:"cpu"`
}

// Received is what came.
type Received struct {
	Messages uint64       `json:"messages"` // each once
	Missing  uint64       `json:"missing"`  // on all lines
	Latency  *rig.Latency `json:"latency"`
	Behind   float64      `json:"behind"` // s from the last message's time to its arrival
	CPU      int64        `json:"cpu_ns"` // of the receiving thread
	Sum      uint64       `json:"sum"`    // over fields of all messages: they were looked at
}

// silence is how long nothing may come before the receiver gives up, in ns.
const silence = 1_000_000_000

type receiver struct {
	Receive
	Received
	next uint64
	h    rig.Histogram
	last int64 // ns, when something came last
	now  int64 // of this read
}

func receive(ctx context.Context, p *rig.Part) (any, error) {
	rig.NoCollection()
	r := &receiver{h: rig.NewHistogram()}
	if err := p.Args(&r.Receive); err != nil {
		return nil, err
	}
	poll, err := r.open()
	if err != nil {
		return nil, err
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	rig.Pin(r.Receive.CPU)
	before := rig.ThreadCost()
	for i := 1; r.next < r.Count; i++ {
		if poll() {
			continue
		}
		if i%lookEvery == 0 && (ctx.Err() != nil || r.last != 0 && rig.Nanotime()-r.last > silence) {
			break
		}
	}
	r.Received.CPU = rig.ThreadCost().Sub(before).CPU
	r.Missing += r.Count - r.next
	r.Latency = r.h.Latency()
	return r.Received, nil
}

// open returns what looks at every line once and reports whether anything came.
func (r *receiver) open() (poll func() bool, err error) {
	if r.Method == Ring {
		g, err := newRing(r.Net, 0)
		return func() bool { return r.fromRing(g) }, err
	}
	fds, err := r.receivers(0, false)
	if err != nil {
		return nil, err
	}
	if r.Method != "gro" {
		b := newBatch(64, 2048, false)
		return func() bool { return r.fromSockets(fds, b) }, nil
	}
	for _, fd := range fds {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1); err != nil {
			return nil, err
		}
	}
	b := newBatch(8, 1<<16, true)
	return func() bool { return r.fromSockets(fds, b) }, nil
}

func (r *receiver) fromRing(g *ring) bool {
	b := g.next()
	if b == nil {
		return false
	}
	r.now = rig.Nanotime()
	r.datagram(b)
	g.release()
	return true
}

func (r *receiver) fromSockets(fds []int, b *batchOf) (any bool) {
	for _, fd := range fds {
		n := b.receive(fd)
		if n == 0 {
			continue
		}
		any, r.now = true, rig.Nanotime()
		for i := range n {
			data, size := b.data(i), b.segment(i)
			for len(data) > size {
				r.datagram(data[:size])
				data = data[size:]
			}
			r.datagram(data)
		}
	}
	return any
}

// datagram takes one datagram: what the other line brought already is passed over.
// With two lines a hole may still be filled by the other one, which this does not
// wait for: it counts as missing.
func (r *receiver) datagram(b []byte) {
	le := binary.LittleEndian
	seq, count := le.Uint64(b), uint64(le.Uint16(b[8:]))
	if seq+count <= r.next {
		return
	}
	r.Missing += seq - min(seq, r.next)
	r.next, r.last = seq+count, r.now
	r.Messages += count
	for i := range count {
		m := b[head+int(i)*r.Size:][:r.Size]
		r.Sum += le.Uint64(m) + uint64(le.Uint32(m[16:]))
		if (r.Every || i == 0) && seq+i >= r.Warm {
			r.h.Add(r.now - int64(le.Uint64(m[8:])))
		}
		if seq+i+1 == r.Count {
			r.Behind = float64(r.now-int64(le.Uint64(m[8:]))) / 1e9
		}
	}
}
