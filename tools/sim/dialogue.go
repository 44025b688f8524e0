package main

import "encoding/binary"

// dialogue follows what a receiver and its server say on one connection, frame by
// frame and apart from the production code: no range is asked for twice at a time.
type dialogue struct {
	out, in []byte // frames not whole yet
	open    map[uint32]ask
}

// ask is a range under way.
type ask struct{ first, last uint64 }

// said takes bytes that the receiver sent.
func (d *dialogue) said(r *receiver, b []byte) {
	d.out = append(d.out, b...)
	d.out = frames(d.out, func(f []byte) {
		if f[8] != frameRange {
			return
		}
		a := ask{binary.LittleEndian.Uint64(f[frameHead:]), binary.LittleEndian.Uint64(f[frameHead+8:])}
		if a.last == 0 {
			return // a follow
		}
		for _, x := range d.open {
			if x.first <= a.last && a.first <= x.last {
				r.w.fail("I13 one request for a gap: %s asks for %d..%d while %d..%d is under way", r.label, a.first, a.last, x.first, x.last)
			}
		}
		if d.open == nil {
			d.open = map[uint32]ask{}
		}
		d.open[binary.LittleEndian.Uint32(f[12:])] = a
	})
}

// heard takes bytes that the server sent.
func (d *dialogue) heard(b []byte) {
	d.in = append(d.in, b...)
	d.in = frames(d.in, func(f []byte) {
		if f[8] == frameRefusal || f[8] == frameDone {
			delete(d.open, binary.LittleEndian.Uint32(f[12:]))
		}
	})
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
