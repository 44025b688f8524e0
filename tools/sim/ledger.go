package main

import (
	"bytes"
	"sort"

	"github.com/tapecast/tapecast/feed/wire"
)

// ledger is what really happened: every packet that a sequencer ever committed, by
// epoch, and which of them the session consists of. Everything that anybody
// delivers, journals or serves is compared with it.
type ledger struct {
	w     *world
	terms []*term // rising

	next   uint64 // of the session as it stands now
	chain  uint64
	stamp  wire.Nanos
	inputs []uint64     // last sequence of each input in it
	put    []wire.Nanos // the stamps that messages must get which were put and not committed

	sent    uint64 // last sequence that left the sequencer
	unsent  uint64 // the next to leave
	durable uint64 // the highest that was ever advertised as durable
	oldest  uint64 // the highest oldest sequence that the sequencer's service ever had
	relayed uint64 // that the relay's ever had
	text    []byte // scratch: a message as its input made it
}

// term is one epoch.
type term struct {
	epoch, previous uint32
	cut, chain      uint64
	packets         []wire.Packet // copies
	ended           bool          // the session ended in it:
	last, tail      uint64        // there, with that chain; a later epoch may cut it nevertheless
}

// end notes that the session ends, as far as its sequencer knows.
func (l *ledger) end() {
	t := l.terms[len(l.terms)-1]
	t.ended, t.last, t.tail = true, l.next-1, l.chain
}

// begin takes a new epoch. It must rise, and continue what the session was.
func (l *ledger) begin(epoch, previous uint32, cut, chain uint64) {
	if n := len(l.terms); n > 0 && epoch <= l.terms[n-1].epoch {
		l.w.fail("I8 unique epochs: epoch %d begins after epoch %d", epoch, l.terms[n-1].epoch)
		return
	}
	if cut >= l.next {
		l.w.fail("I4 nothing invented: epoch %d continues after %d, but only %d were ever committed", epoch, cut, l.next-1)
		return
	}
	if l.w.o.Durability != wire.JournalNone && cut < l.durable {
		l.w.fail("I7 durable survives: epoch %d continues after %d, but %d was durable", epoch, cut, l.durable)
		return
	}
	if l.w.o.Durability == wire.JournalStrict && cut < l.sent {
		l.w.fail("I7 strict has no orphans: epoch %d continues after %d, but %d was sent", epoch, cut, l.sent)
		return
	}
	if at := l.chainAt(cut); at != chain {
		l.w.fail("I1 prefix: epoch %d continues %d with chain %x, which was %x", epoch, cut, chain, at)
		return
	}
	if cut+1 < l.next {
		l.w.cover("epoch with orphans")
	}
	l.terms = append(l.terms, &term{epoch: epoch, previous: previous, cut: cut, chain: chain})
	l.sent, l.unsent = min(l.sent, cut), cut+1
	l.rewind(cut, chain)
}

// rewind makes the session end at cut.
func (l *ledger) rewind(cut, chain uint64) {
	l.next, l.chain, l.stamp = cut+1, chain, 0
	clear(l.inputs)
	l.walk(func(p wire.Packet) {
		for c := p.Cursor(); c.Next(); {
			if i, seq, ok := identify(c.Message()); ok {
				l.inputs[i] = seq
			}
			l.stamp = c.Stamp()
		}
	})
}

// endAt is the newest epoch, from the one given on, in which the session ended there.
func (l *ledger) endAt(epoch uint32, last, chain uint64) *term {
	for i := len(l.terms) - 1; i >= 0 && l.terms[i].epoch >= epoch; i-- {
		if t := l.terms[i]; t.ended && t.last == last && t.tail == chain {
			return t
		}
	}
	return nil
}

// walk calls f with the packets of the session, in order.
func (l *ledger) walk(f func(p wire.Packet)) { l.known(^uint32(0), f) }

// known calls f with the packets of the session as one sees it who knows the epochs
// up to epoch.
func (l *ledger) known(epoch uint32, f func(p wire.Packet)) {
	terms := l.terms
	for len(terms) > 0 && terms[len(terms)-1].epoch > epoch {
		terms = terms[:len(terms)-1]
	}
	for i, t := range terms {
		limit := ^uint64(0)
		for _, later := range terms[i+1:] {
			limit = min(limit, later.cut)
		}
		for _, p := range t.packets {
			if p.Next()-1 > limit {
				break
			}
			f(p)
		}
	}
}

// chainAt is the chain after seq, where a packet of the session must end.
func (l *ledger) chainAt(seq uint64) (chain uint64) {
	l.walk(func(p wire.Packet) {
		if p.Next() == seq+1 {
			chain = wire.ChainAfter(p)
		}
	})
	return chain
}

func (l *ledger) term(epoch uint32) *term {
	for i := len(l.terms) - 1; i >= 0; i-- {
		if l.terms[i].epoch == epoch {
			return l.terms[i]
		}
	}
	return nil
}

// owner is the epoch whose packet has seq, for one who knows the epochs up to epoch.
func (l *ledger) owner(epoch uint32, seq uint64) uint32 {
	for i := len(l.terms) - 1; i >= 0; i-- {
		if t := l.terms[i]; t.epoch <= epoch && seq > t.cut {
			return t.epoch
		}
	}
	return 0
}

// cut is the lowest cut of the epochs above known and up to epoch.
func (l *ledger) cut(known, epoch uint32) uint64 {
	low := ^uint64(0)
	for _, t := range l.terms {
		if t.epoch > known && t.epoch <= epoch {
			low = min(low, t.cut)
		}
	}
	return low
}

// find is the packet of an epoch that begins at first, or nil.
func (l *ledger) find(epoch uint32, first uint64) wire.Packet {
	t := l.term(epoch)
	if t == nil {
		return nil
	}
	i := sort.Search(len(t.packets), func(i int) bool { return t.packets[i].First() >= first })
	if i == len(t.packets) || t.packets[i].First() != first {
		return nil
	}
	return t.packets[i]
}

// commit checks what the sequencer made, and keeps it.
func (l *ledger) commit(p wire.Packet) {
	t := l.terms[len(l.terms)-1]
	if _, err := wire.Parse(p); err != nil {
		l.w.fail("I6 packets are sound: %d does not parse: %v", p.First(), err)
		return
	}
	if p.Epoch() != t.epoch || p.First() != l.next || p.Count() == 0 || p.Chain() != l.chain {
		l.w.fail("I1 one order: committed epoch %d first %d chain %x, want epoch %d first %d chain %x",
			p.Epoch(), p.First(), p.Chain(), t.epoch, l.next, l.chain)
		return
	}
	for c := p.Cursor(); c.Next(); {
		if !l.message(&c) {
			return
		}
	}
	if p.CloseStamp() < l.stamp {
		l.w.fail("I5 stamps: packet %d closed before its last message", p.First())
	}
	l.next, l.chain = p.Next(), wire.ChainAfter(p)
	t.packets = append(t.packets, l.w.keep(p))
	l.w.messages += uint64(p.Count())
}

// message checks one message: an input made it so, it is the input's next, and its
// stamp does not go back.
func (l *ledger) message(c *wire.Cursor) bool {
	i, seq, ok := identify(c.Message())
	if !ok || i >= len(l.inputs) {
		l.w.fail("I4 nothing invented: message %d is of no input", c.Sequence())
		return false
	}
	l.text = l.w.makeMessage(l.text[:0], i, seq)
	if !sameMessage(c.Message(), l.text) {
		l.w.fail("I4 nothing invented: message %d is not what input %d sent as %d", c.Sequence(), i, seq)
		return false
	}
	if seq != l.inputs[i]+1 {
		l.w.fail("inputs: message %d is %d of input %d, after %d: lost or doubled", c.Sequence(), seq, i, l.inputs[i])
		return false
	}
	l.inputs[i] = seq
	if len(l.put) == 0 || c.Stamp() != l.put[0] {
		l.w.fail("I5 stamps: message %d is stamped %d, and was put at %v", c.Sequence(), c.Stamp(), l.put[:min(1, len(l.put))])
		return false
	}
	l.put = l.put[1:]
	if c.Stamp() < l.stamp {
		l.w.fail("I5 stamps: that of message %d goes back by %d ns", c.Sequence(), l.stamp-c.Stamp())
		return false
	}
	l.stamp = c.Stamp()
	return true
}

// sending checks a packet that is about to leave, and returns the ledger's copy.
func (l *ledger) sending(p wire.Packet) wire.Packet {
	own := l.find(p.Epoch(), p.First())
	if own == nil || !bytes.Equal(own, p) {
		l.w.fail("I6 wire = history: packet %d is sent with other bytes than were committed", p.First())
		return p
	}
	if p.First() != l.unsent {
		l.w.fail("I6 wire = history: packet %d is sent, %d is the next", p.First(), l.unsent)
	}
	l.sent, l.unsent = max(l.sent, p.Next()-1), p.Next()
	return own
}

// advertise notes what a control packet or a server's state promises.
func (l *ledger) advertise(durable, oldest uint64) {
	if durable > l.durable {
		l.durable = durable
		if durable >= l.next {
			l.w.fail("I7 durable: %d is advertised as durable, but only %d exist", durable, l.next-1)
		}
	}
	l.oldest = max(l.oldest, oldest)
}
