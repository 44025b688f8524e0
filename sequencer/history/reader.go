package history

import (
	"errors"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// attempts bounds how often a reader looks again after the writer moved a slab
// away under it. The writer must fill a whole slab each time.
const attempts = 8

// errOlder is for Copy only: the sequence lies before memory.
var errOlder = errors.New("history: older than memory")

// Copy copies whole consecutive packets to dst and returns their length in bytes.
// The first one contains seq; then as many follow as fit, are visible and lie in
// the same slab. It never waits for the writer, and the writer never for it. Any
// goroutine may call it. It returns feed.ErrGone, feed.ErrAhead, feed.ErrBusy
// (Pins readers are at work) or feed.ErrSmall, or what Older returns.
func (h *History) Copy(dst []byte, seq uint64) (n int, err error) {
	n, err = h.copyMemory(dst, seq)
	if err != errOlder {
		return n, err
	}
	if h.cfg.Older == nil {
		return 0, feed.ErrGone
	}
	// Older may know packets that are not visible yet, or void ones past a cut.
	end := min(h.visible(), h.Written()+1)
	n, err = h.cfg.Older.Copy(dst, seq)
	if err == nil {
		n = within(dst[:n], end)
	}
	if err == nil && n == 0 || errors.Is(err, feed.ErrAhead) { // between Older's end and memory
		return 0, feed.ErrGone
	}
	return n, err
}

// within is the length of the packets in b that begin before end.
func within(b []byte, end uint64) (n int) {
	for n < len(b) {
		size, err := wire.Peek(b[n:])
		if err != nil || n+size > len(b) || wire.Packet(b[n:]).First() >= end {
			break
		}
		n += size
	}
	return n
}

func (h *History) copyMemory(dst []byte, seq uint64) (int, error) {
	if h.pins.Add(1) > int64(h.cfg.Pins) {
		h.pins.Add(-1)
		return 0, feed.ErrBusy
	}
	defer h.pins.Add(-1)
	for range attempts {
		s, err := h.pinSlab(seq, h.visible())
		if err != nil {
			return 0, err
		}
		if s == nil {
			continue
		}
		// Only now is the visible end sure to be one of this slab's generation.
		n, err := s.copyTo(dst, seq, h.visible())
		s.unpin()
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, feed.ErrBusy
}

// pinSlab pins the slab that holds seq; nil when the writer was faster.
func (h *History) pinSlab(seq, end uint64) (*slab, error) {
	if seq >= end {
		return nil, feed.ErrAhead
	}
	s, generation := h.search(seq, h.tail.Load(), h.head.Load())
	switch {
	case s == nil && h.evicted(seq):
		return nil, errOlder
	case s == nil || !s.pin(generation):
		return nil, nil
	}
	return s, nil
}

// evicted reports whether seq lies before memory. Where search finds no slab for one that
// does not, the writer moved them all away under it.
func (h *History) evicted(seq uint64) bool { return seq < h.oldest.Load() }

// search finds the last slab of tail to head that begins at or before seq; nil when none
// does. Slabs may move meanwhile: then the answer is wrong, and evicted, its pin or what is
// found under it says so.
func (h *History) search(seq, tail, head uint64) (found *slab, generation uint64) {
	for lo, hi := tail, head+1; lo < hi; {
		mid := lo + (hi-lo)/2
		s, g := h.slabAt(mid)
		if s.first.Load() <= seq {
			found, generation, lo = s, g, mid+1
		} else {
			hi = mid
		}
	}
	return found, generation
}

// copyTo is Copy from one pinned slab; 0, nil when seq is not in it.
func (s *slab) copyTo(dst []byte, seq, end uint64) (n int, err error) {
	count := int(s.count.Load())
	i := s.find(seq, count)
	if i < 0 || seq >= end || s.packet(s.entry(i)).Next() <= seq {
		return 0, nil
	}
	for ; i < count; i++ {
		e := s.entry(i)
		if e.first >= end || n+int(e.length) > len(dst) {
			break
		}
		n += copy(dst[n:], s.packet(e))
	}
	if n == 0 {
		return 0, feed.ErrSmall
	}
	return n, nil
}

// Lend calls fn with every packet from the one that begins at from up to the last
// one committed, visible or not, and its progress, until fn returns false. Both
// are lent until fn returns. The disk loop's: it has a spare slab of its own, so
// that Lend never fails for being busy. It returns feed.ErrGone when the packet
// was evicted, which only an abandoned history does.
func (h *History) Lend(from uint64, fn func(p wire.Packet, progress []feed.Progress) bool) error {
	for from < h.end.Load() {
		s, generation := h.search(from, h.tail.Load(), h.head.Load())
		if s == nil && h.evicted(from) {
			return feed.ErrGone
		}
		if s == nil || !s.pin(generation) {
			continue
		}
		next, more := h.lendSlab(s, from, fn)
		s.unpin()
		if !more || next == from {
			return nil
		}
		from = next
	}
	return nil
}

// lendSlab returns where to go on, and whether to.
func (h *History) lendSlab(s *slab, from uint64, fn func(wire.Packet, []feed.Progress) bool) (uint64, bool) {
	count := int(s.count.Load())
	for i := max(s.find(from, count), 0); i < count; i++ {
		e := s.entry(i)
		if e.first != from {
			return from, false
		}
		p := s.packet(e)
		h.scratch = s.progress(e, h.scratch[:0])
		if !fn(p, h.scratch) {
			return from, false
		}
		from = p.Next()
	}
	return from, true
}
