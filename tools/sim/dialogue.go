package main

import (
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/wire"
)

// dialogue follows what a receiver and its server say on one connection, frame by
// frame and apart from the production code: no range is asked for twice at a time.
type dialogue struct {
	out, in []byte // frames not whole yet
	unsent  int    // bytes that the receiver said and the connection did not take
	open    map[uint32]ask
	vain    []vain // answers that brought nothing; the receiver may have hung up before them
}

// ask is a range under way.
type ask struct {
	span
	epoch    uint32 // that the receiver was in when it was sent
	overflow uint64 // packets dropped for want of room, likewise
	useful   bool   // its answer brought something
}

// said takes what the receiver has to say: what it said before and is not sent, and more.
func (d *dialogue) said(r *receiver, b []byte, now wire.Nanos) {
	r.tries.useless(r, d.vain)
	d.vain = d.vain[:0]
	d.out = append(d.out, b[d.unsent:]...)
	d.out = frames(d.out, func(f []byte) {
		if f[8] != frameRange {
			return
		}
		a := ask{
			span:     span{binary.LittleEndian.Uint64(f[frameHead:]), binary.LittleEndian.Uint64(f[frameHead+8:])},
			epoch:    r.sub.Position().Epoch,
			overflow: r.sub.Stats().Overflow,
		}
		if a.last == 0 { // a follow
			r.tries.asks(r, span{a.first, ^uint64(0)}, now)
			return
		}
		d.alone(r, &a)
		r.tries.asks(r, a.span, now)
		if d.open == nil {
			d.open = map[uint32]ask{}
		}
		d.open[binary.LittleEndian.Uint32(f[12:])] = a
	})
}

// alone looks whether what is asked for is under way already.
func (d *dialogue) alone(r *receiver, a *ask) {
	for _, x := range d.open {
		if x.first <= a.last && a.first <= x.last {
			r.w.fail("I13 one request for a gap: %s asks for %d..%d while %d..%d is under way", r.label, a.first, a.last, x.first, x.last)
		}
	}
}

// heard takes bytes that the server sent, and the receiver has taken.
func (d *dialogue) heard(r *receiver, b []byte, now wire.Nanos) {
	d.in = append(d.in, b...)
	d.in = frames(d.in, func(f []byte) {
		id := binary.LittleEndian.Uint32(f[12:])
		a, ok := d.open[id]
		switch f[8] {
		case frameRefusal:
			delete(d.open, id)
		case frameDone:
			if ok && !a.useful && a.overflow == r.sub.Stats().Overflow && a.epoch == r.sub.Position().Epoch {
				d.vain = append(d.vain, vain{a.span, now})
			}
			delete(d.open, id)
		case frameData:
			ok = ok && sound(f[frameHead:])
			fallthrough
		case frameDataZstd, frameUnavailable:
			if ok {
				a.useful = true
				d.open[id] = a
			}
		}
	})
}

// sound reports whether any of the packets in b is whole.
func sound(b []byte) bool {
	for len(b) > 0 {
		if _, err := wire.Parse(b); err == nil {
			return true
		}
		n, err := wire.Peek(b)
		if err != nil || n > len(b) {
			return false
		}
		b = b[n:]
	}
	return false
}

// frames calls f with every whole frame in b, and returns what is left.
func frames(b []byte, f func([]byte)) []byte {
	for len(b) >= frameHead {
		n := int(binary.LittleEndian.Uint32(b[4:]))
		if n < frameHead || n > len(b) {
			break
		}
		f(b[:n])
		b = b[n:]
	}
	return b
}
