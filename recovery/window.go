package recovery

import "github.com/tapecast/tapecast/feed/wire"

// windowSequences is how far ahead of the next sequence the window reaches, in
// messages. It is a power of two.
const windowSequences = 1 << 18

// window holds packets that are ahead: copies in slots of one size, and for every
// sequence in reach the slot that has it. All memory is taken at the start. When
// the slots run out, keep refuses: the caller drops the packet, which is asked for
// later.
type window struct {
	size  int      // of a slot, bytes
	mem   []byte   // the slots
	slots []slot   // what is in them
	free  []uint16 // stack of slots not in use
	index []uint16 // by sequence modulo windowSequences: slot + 1; 0 none
}

type slot struct {
	len  int
	from Provenance
	rx   wire.Nanos
}

func newWindow(bytes, packet int) *window {
	n := min(max(bytes/packet, 16), 1<<16-2)
	w := &window{
		size:  packet,
		mem:   make([]byte, n*packet),
		slots: make([]slot, n),
		free:  make([]uint16, n),
		index: make([]uint16, windowSequences),
	}
	for i := range w.free {
		w.free[i] = uint16(n - 1 - i)
	}
	return w
}

func (w *window) cell(seq uint64) *uint16 { return &w.index[seq%windowSequences] }

// has reports whether a packet with seq is held. seq is in reach.
func (w *window) has(seq uint64) bool { return *w.cell(seq) != 0 }

func (w *window) empty() bool { return len(w.free) == len(w.slots) }

func (w *window) full() bool { return len(w.free) == 0 }

// fits reports whether keep will take d. What lines bring may not take the last
// quarter of the slots, which repairs need.
func (w *window) fits(d *Delivery) bool {
	reserve := 0
	if _, line := d.From.Line(); line {
		reserve = len(w.slots) / 4
	}
	return len(w.free) > reserve && len(d.Packet) <= w.size
}

// keep copies d's packet, for its sequences from low on that nothing holds yet: in a
// Stream, all of them. The caller asked fits.
func (w *window) keep(d *Delivery, low uint64) {
	i := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	copy(w.mem[int(i)*w.size:], d.Packet)
	w.slots[i] = slot{len: len(d.Packet), from: d.From, rx: d.Received}
	for seq := low; seq < d.Next(); seq++ {
		if c := w.cell(seq); *c == 0 {
			*c = i + 1
		}
	}
}

// peek gives the packet that holds seq, and reports whether there is one.
func (w *window) peek(seq uint64, now wire.Nanos) (Delivery, bool) {
	c := *w.cell(seq)
	if c == 0 {
		return Delivery{}, false
	}
	s, at := &w.slots[c-1], int(c-1)*w.size
	p := wire.Packet(w.mem[at : at+s.len : at+s.len])
	return Delivery{Packet: p, From: s.from, Received: s.rx, Now: now, held: c}, true
}

// release frees the slot of a packet that peek gave. Its bytes stay until the next
// keep.
func (w *window) release(d *Delivery) {
	for seq := d.First(); seq < d.Next(); seq++ {
		if c := w.cell(seq); *c == d.held {
			*c = 0
		}
	}
	w.free = append(w.free, d.held-1)
}

// pass frees the packets that hold any of low..next-1, for another one that does, and
// returns what follows the last of all. Their boundaries may differ where they are of
// different epochs, or forged.
func (w *window) pass(low, next uint64) (end uint64) {
	end = next
	for seq := low; seq < next && !w.empty(); seq++ {
		if d, ok := w.peek(seq, 0); ok {
			w.release(&d)
			end = max(end, d.Next())
		}
	}
	return end
}

// any reports whether a packet with one of low..next-1 is held.
func (w *window) any(low, next uint64) bool {
	for ; low < next; low++ {
		if w.has(low) {
			return true
		}
	}
	return false
}

// purge frees the packets with a sequence in low..high-1 that void condemns.
func (w *window) purge(low, high uint64, void func(d *Delivery) bool) {
	high = min(high, low+windowSequences)
	for seq := low; seq < high && !w.empty(); seq++ {
		if d, ok := w.peek(seq, 0); ok && void(&d) {
			w.release(&d)
		}
	}
}
