package main

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/tapecast/tapecast/feed/wire"
)

// Addresses on the network. Receivers follow.
const (
	hostServer = iota
	hostAlias  // the sequencer's other address
	hostStranger
	hostGuest
	hostRelay
	hostReceivers
)

// network carries datagrams and connections between hosts, badly.
type network struct {
	w     *world
	rand  *random
	hosts int
	apart []bool // from*hosts+to: nothing gets through
	dark  [2]bool

	swallow func(b []byte) bool // of tests: what reaches nobody; nil: everything goes on
	changed wire.Nanos          // when a partition last began or ended
	lines   [2][]lineState      // by receiver
}

// lineState is one line as one receiver gets it.
type lineState struct {
	burst int // datagrams still to be lost
	last  wire.Nanos
}

func newNetwork(w *world) *network {
	n := &network{w: w, rand: newRandom(w.seed, 2), hosts: hostReceivers + w.o.Receivers}
	n.apart = make([]bool, n.hosts*n.hosts)
	for i := range n.lines {
		n.lines[i] = make([]lineState, w.o.Receivers)
	}
	return n
}

func (n *network) cut(from, to int) bool { return n.apart[from*n.hosts+to] }

func (n *network) part(from, to int, apart bool) {
	n.apart[from*n.hosts+to], n.changed = apart, n.w.k.now
}

// heal ends all faults.
func (n *network) heal() {
	clear(n.apart)
	n.changed = n.w.k.now
	n.dark = [2]bool{}
}

// multicast sends one datagram on a line to everybody who has joined it.
func (n *network) multicast(line int, b []byte) {
	if n.swallow != nil && n.swallow(b) {
		return
	}
	for i, r := range n.w.receivers {
		if !r.joined || n.w.o.OneLine && line == 1 {
			continue
		}
		if n.dark[line] {
			n.w.cover("line dark")
			continue
		}
		if n.cut(hostServer, hostReceivers+i) {
			n.w.cover("datagram parted")
			continue
		}
		n.carry(line, r, b)
	}
}

// carry brings one datagram to one receiver, or does not.
func (n *network) carry(line int, r *receiver, b []byte) {
	o, s, rnd := &n.w.o.Lines[line], &n.lines[line][r.index], n.rand
	if n.w.calm {
		n.w.k.after(o.Latency, r, tagDatagram, line, b)
		return
	}
	if rnd.chance(o.Forge) { // and it comes first
		n.w.k.after(o.Latency, r, tagDatagram, line, n.forge(b))
	}
	if s.burst == 0 && rnd.chance(o.Loss/max(o.Burst, 1)+btoi(o.Loss > 0)) {
		s.burst = rnd.between(1, 2*o.Burst-1)
	}
	if s.burst > 0 {
		s.burst--
		n.w.cover("datagram lost")
		return
	}
	at := max(n.w.k.now+rnd.span(o.Latency, 2*o.Latency), s.last)
	if rnd.chance(o.Reorder) {
		n.w.cover("datagram reordered")
		n.w.k.at(at+rnd.span(0, o.Delay), r, tagDatagram, line, n.spoil(o, b))
		return
	}
	s.last = at
	n.w.k.at(at, r, tagDatagram, line, n.spoil(o, b))
	if rnd.chance(o.Duplicate) {
		n.w.cover("datagram duplicated")
		n.w.k.at(at+rnd.span(0, o.Delay+o.Latency), r, tagDatagram, line, b)
	}
}

// spoil returns b, or a damaged copy.
func (n *network) spoil(o *LineOptions, b []byte) []byte {
	rnd := n.rand
	switch {
	case rnd.chance(o.Truncate):
		n.w.cover("datagram truncated")
		return b[:rnd.n(len(b))]
	case rnd.chance(o.Corrupt):
		return n.corrupt(append([]byte(nil), b...))
	}
	return b
}

// corrupt damages b so that its checksum does not match.
func (n *network) corrupt(b []byte) []byte {
	rnd := n.rand
	switch rnd.n(4) {
	case 0:
		n.w.cover("datagram bit flipped")
		b[rnd.n(len(b))] ^= 1 << rnd.n(8)
	case 1:
		n.w.cover("datagram zeroed")
		at := rnd.n(len(b))
		clear(b[at:min(len(b), at+rnd.between(1, 64))])
	case 2:
		n.w.cover("datagram garbage")
		rnd.fill(b)
	default:
		n.w.cover("datagram trailed")
		tail := make([]byte, rnd.between(1, 200))
		rnd.fill(tail)
		b = append(b, tail...)
	}
	return b
}

// forge makes a datagram that is valid and not true. It is one that a receiver can
// tell from the chain, the session or the server; the others are for
// authentication.
func (n *network) forge(b []byte) []byte {
	rnd, f := n.rand, append([]byte(nil), b...)
	p := wire.Packet(f)
	if len(f) > wire.HeaderLen {
		if q, err := wire.Parse(f); err == nil {
			p = q
		}
	}
	const offChannel, offSession, offSequence, offChain = 8, 16, 32, 56
	switch rnd.n(4) {
	case 0:
		n.w.cover("forged channel")
		binary.LittleEndian.PutUint16(p[offChannel:], uint16(rnd.n(1<<16-2)))
	case 1:
		n.w.cover("forged session")
		p[offSession] ^= 1
	case 2: // too far ahead to be kept
		n.w.cover("forged sequence")
		binary.LittleEndian.PutUint64(p[offSequence:], p.First()+1<<20+uint64(rnd.n(1<<30)))
	default: // what it speaks of does not exist
		n.w.cover("forged heartbeat")
		c := &n.w.node.cut
		st := wire.Status{Journal: wire.JournalAlive, Previous: c.Previous, Cut: c.Cut, CutChain: c.Chain}
		h := p.Header()
		h.Type, h.Sequence, h.Chain = wire.TypeHeartbeat, p.Next()+uint64(rnd.n(5000)), rnd.next()
		return st.AppendControl(nil, h)
	}
	return reseal(f, p)
}

// usurp makes a datagram with the place of p, other contents and another past: only
// the chain tells, where the receiver knows it.
func (n *network) usurp(p wire.Packet) []byte {
	const offChain = 56
	if n.rand.n(2) == 0 {
		n.w.cover("forged end")
		h, c := p.Header(), &n.w.node.cut
		h.Type, h.Chain = wire.TypeEnd, p.Chain()^1
		st := wire.Status{Journal: wire.JournalAlive, Previous: c.Previous, Cut: c.Cut, CutChain: c.Chain, Last: p.First() - 1}
		return st.AppendControl(nil, h)
	}
	n.w.cover("forged chain")
	q := append(wire.Packet(nil), p...)
	q[offChain] ^= 1 << n.rand.n(8)
	q[len(q)-1] ^= 1
	return reseal(q, q)
}

// reseal makes the checksum of p, at the head of b, right.
func reseal(b []byte, p wire.Packet) []byte {
	end := len(p)
	if p.Flags()&wire.FlagTag != 0 {
		end -= wire.TagLen
	}
	binary.LittleEndian.PutUint32(p, crc32.Checksum(p[4:end], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
