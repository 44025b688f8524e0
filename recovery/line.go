package recovery

import "github.com/tapecast/tapecast/feed/wire"

// lineReach is how far behind its head a line remembers what it carried, in
// messages. It is a power of two.
const lineReach = 1 << 18

// line is the account of one multicast line: what it carried, when it was heard.
type line struct {
	stats *LineStats
	epoch uint32
	edge  uint64     // follows the highest sequence that it carried or spoke of; 0 before the first
	doubt uint64     // follows a packet that jumped out of reach, until another one agrees
	heard wire.Nanos // when anything came
	alive bool       // heard, and not long ago

	carried []uint64 // a bit for the first sequence of each packet, modulo lineReach
}

func newLine(stats *LineStats) line {
	return line{stats: stats, carried: make([]uint64, lineReach/64)}
}

func (l *line) bit(seq uint64) (*uint64, uint64) {
	return &l.carried[seq%lineReach/64], 1 << (seq % 64)
}

// clear forgets low..high-1, a word at a time.
func (l *line) clear(low, high uint64) {
	if high-low >= lineReach {
		clear(l.carried)
		return
	}
	for low < high {
		w, b := l.bit(low)
		if n := high - low; n < 64-low%64 { // ends in this word
			*w &^= b<<n - b
			return
		}
		*w &^= -b // the bit and all above it
		low += 64 - low%64
	}
}

// packet accounts for a sequenced packet. It reports false for one that l had
// carried before, or that it cannot tell.
func (l *line) packet(p wire.Packet, now wire.Nanos) bool {
	l.heard, l.alive = now, true
	l.stats.Packets++
	l.stats.Messages += uint64(p.Count())
	if p.Epoch() != l.epoch && !l.turn(p.Epoch(), p.First()) {
		return false
	}
	first := p.First()
	switch {
	case first >= l.edge:
		return l.ahead(first, p.Next())
	case l.edge-first >= lineReach:
		l.stats.Reordered++
		return false
	}
	return l.behind(first, p.Count())
}

// has reports whether l has carried the packet of epoch that begins at first.
func (l *line) has(epoch uint32, first uint64) bool {
	if l.epoch != epoch || first >= l.edge || l.edge-first >= lineReach {
		return false
	}
	w, b := l.bit(first)
	return *w&b != 0
}

// turn makes l begin anew at first when epoch is higher than its own.
func (l *line) turn(epoch uint32, first uint64) bool {
	if epoch < l.epoch {
		return false
	}
	l.epoch, l.edge, l.doubt = epoch, first, 0
	clear(l.carried)
	return true
}

// ahead moves the edge. A jump out of reach is believed when the packet behind it
// comes too: a single forged one must not spoil the account.
func (l *line) ahead(first, next uint64) bool {
	if first-l.edge >= lineReach && first != l.doubt {
		l.doubt = next
		return false
	}
	l.stats.Missing += first - l.edge
	l.clear(l.edge, next)
	w, b := l.bit(first)
	*w |= b
	l.edge = next
	return true
}

// behind tells a duplicate from a packet that was overtaken.
func (l *line) behind(first uint64, count int) bool {
	w, b := l.bit(first)
	if *w&b != 0 {
		l.stats.Duplicates++
		return false
	}
	*w |= b
	l.stats.Reordered++
	l.stats.Missing -= min(uint64(count), l.stats.Missing)
	return true
}

// control accounts for a heartbeat and the like, which shows a lost tail.
func (l *line) control(p wire.Packet, now wire.Nanos) {
	l.heard, l.alive = now, true
	l.stats.Heartbeats++
	if p.Epoch() != l.epoch && !l.turn(p.Epoch(), p.First()) {
		return
	}
	if n := p.First(); n > l.edge && n-l.edge < lineReach {
		l.stats.Missing += n - l.edge
		l.clear(l.edge, n)
		l.edge = n
	}
}

// rewind makes l begin anew behind a cut.
func (l *line) rewind(epoch uint32, cut uint64) {
	if l.epoch < epoch && l.edge != 0 {
		l.turn(epoch, cut+1)
	}
}
