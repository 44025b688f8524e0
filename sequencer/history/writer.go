package history

import (
	"fmt"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// Reserve returns PacketSize bytes in which the caller builds the next packet;
// they are the caller's until Commit. It may evict the oldest slab, and so ends
// the life of packets from Unsent. ErrUnwritten: that slab holds a packet that
// the journal has not written; ErrUnsent: one that Unsent has not handed out.
func (h *History) Reserve() ([]byte, error) {
	if h.sealed || h.cur.free() < h.cfg.room() {
		if err := h.roll(); err != nil {
			return nil, err
		}
	}
	return h.packetRoom(), nil
}

// Commit makes p, which was built at the start of the reserved memory and begins
// at Next, part of the history. progress, at most one for each message, says how
// far inputs have come with it; it is copied. In a Durable history p becomes
// visible with MarkDurable, otherwise at once.
func (h *History) Commit(p wire.Packet, progress []feed.Progress) {
	next := p.Next()
	if p.Flags()&wire.FlagDefinitions != 0 {
		h.define(p)
	}
	h.cur.add(len(p), h.end.Load(), next, progress)
	h.end.Store(next)
}

// Append copies p, a packet that came from elsewhere, to the end of the history.
// Such packets are never handed out by Unsent. It returns ErrOrder when p does
// not begin at Next, or does not continue the chain of the last Truncate, and
// ErrUnwritten and ErrUnsent as Reserve does; ErrConfig when p is longer than PacketSize.
func (h *History) Append(p wire.Packet, progress []feed.Progress) error {
	if len(p) > h.cfg.PacketSize {
		return fmt.Errorf("%w: a packet of %d bytes, made for %d: raise the packet size", ErrConfig, len(p), h.cfg.PacketSize)
	}
	if p.First() != h.end.Load() || p.Count() == 0 {
		return ErrOrder
	}
	if h.linked && p.Chain() != h.chain {
		return ErrOrder
	}
	h.sent = h.last()
	b, err := h.Reserve()
	if err != nil {
		return err
	}
	copy(b, p)
	h.Commit(p, progress)
	h.sent, h.linked = h.last(), false
	return nil
}

// Truncate drops every packet that goes past last: a new epoch cut them off. The
// next packet begins at last+1 and continues chain. A cut lies between packets;
// one that holds last and more would be dropped whole. Where there is a journal,
// its Cut comes first.
func (h *History) Truncate(last, chain uint64) {
	h.noteCut(last)
	if last+1 > h.end.Load() {
		return
	}
	h.chain, h.linked = chain, true
	if last+1 == h.end.Load() {
		return
	}
	end := h.dropPast(last)
	h.forget(last)
	h.end.Store(end)
	if h.head.Load() < h.tail.Load() { // memory holds nothing up to last
		h.open(h.tail.Load(), end)
		h.oldest.Store(end)
	}
	h.cur, _ = h.slabAt(h.head.Load())
	h.sealed = h.cur.count.Load() > 0
	if at := h.last(); h.sent.after(at) {
		h.sent = at
	}
}

// noteCut bounds the marks of the disk loop until it rewinds.
func (h *History) noteCut(last uint64) {
	if h.rewinds.Load() < h.cuts.Load() {
		last = min(last, h.cut.Load())
	}
	h.cut.Store(last)
	h.cuts.Add(1)
}

// dropPast retires slabs and takes back entries until none goes past last, and
// returns the sequence after the last packet kept, or last+1 when none is.
func (h *History) dropPast(last uint64) (end uint64) {
	for k := h.head.Load(); k >= h.tail.Load(); k-- {
		s, _ := h.slabAt(k)
		n := int(s.count.Load())
		for n > 0 && s.packet(s.entry(n-1)).Next() > last+1 {
			n--
		}
		if n > 0 {
			s.count.Store(uint32(n))
			s.next = s.packet(s.entry(n - 1)).Next()
			return s.next
		}
		h.head.Store(k - 1)
		s.retire()
	}
	return last + 1
}

// Abandon says that the journal is dead: from now on packets are evicted whether
// it has written them or not.
func (h *History) Abandon() { h.abandons.Store(true) }

// roll makes a fresh slab the head, evicting the oldest when all are in use.
func (h *History) roll() error {
	tail, head := h.tail.Load(), h.head.Load()
	if int(head-tail)+1 == h.cfg.live() {
		if err := h.evict(tail); err != nil {
			return err
		}
	}
	h.open(head+1, h.end.Load())
	return nil
}

// evict retires the oldest slab.
func (h *History) evict(number uint64) error {
	s, _ := h.slabAt(number)
	h.sent = h.settle(h.sent)
	if h.sent.number == number {
		return ErrUnsent
	}
	if s.next-1 > h.Written() && !h.abandons.Load() {
		return ErrUnwritten
	}
	h.oldest.Store(s.next)
	h.tail.Store(number + 1)
	s.retire()
	return nil
}

// open makes an idle slab the live one of that number, beginning at next. There
// is an idle one: slabs are live()+Pins+1, at most live()-1 of them are live here,
// and at most Pins+1 of the others are pinned.
func (h *History) open(number, next uint64) {
	i := 0
	for !h.slabs[i].idle() {
		i++
	}
	s := &h.slabs[i]
	s.recycle(next)
	h.table[number%uint64(len(h.table))].Store(s.generation()<<pinBits | uint64(i))
	h.head.Store(number)
	h.cur, h.sealed = s, false
}

// Unsent appends to dst packets that are visible and were not handed out before,
// oldest first, at most max. They alias the history and live until the next
// Reserve, Append or Truncate. A slab is never evicted while it holds an unsent
// packet: whoever commits must also send, or Reserve returns ErrUnsent.
func (h *History) Unsent(max int, dst []wire.Packet) []wire.Packet {
	end := h.visible()
	for range max {
		h.sent = h.settle(h.sent)
		s, _ := h.slabAt(h.sent.number)
		if h.sent.index == int(s.count.Load()) {
			break
		}
		e := s.entry(h.sent.index)
		if e.first >= end {
			break
		}
		dst = append(dst, s.packet(e))
		h.sent.index++
	}
	return dst
}

// settle moves a position behind the last packet of a slab that is full to the
// start of the slab after it.
func (h *History) settle(at position) position {
	s, _ := h.slabAt(at.number)
	if at.index == int(s.count.Load()) && at.number < h.head.Load() {
		return position{number: at.number + 1}
	}
	return at
}

// last is the position behind the last packet.
func (h *History) last() position {
	return position{h.head.Load(), int(h.cur.count.Load())}
}

func (a position) after(b position) bool {
	return a.number > b.number || a.number == b.number && a.index > b.index
}
