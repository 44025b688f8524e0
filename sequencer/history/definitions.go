package history

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// compactAt is the length of the log, in bytes, from which it is compacted when
// it has doubled since the last time.
const compactAt = 4 << 20

// definitions is an append-only log of instrument definitions. A value is never
// changed once it is published; the next one may share its memory, behind the end.
type definitions struct {
	msgs  []byte
	marks []mark
	size  int // length after the last compaction
}

// mark says that the first length bytes of the log are the definitions up to seq.
type mark struct {
	seq    uint64 // the last one of a packet
	length int
}

// AppendDefinitions appends the instrument definitions in p to dst, as AppendTo
// makes them: without stamp offsets, fit to be sequenced or put into a snapshot.
func AppendDefinitions(dst []byte, p wire.Packet) []byte {
	c := p.Cursor()
	for c.Next() {
		if c.Kind() == wire.KindInstrumentDefinition {
			dst = appendPlain(dst, c.Message())
		}
	}
	return dst
}

// appendPlain appends msg without its stamp offset.
func appendPlain(dst, msg []byte) []byte {
	const length, flags, stampLen = 0, 3, 4 // of wire's message head
	if msg[flags]&wire.FlagStamp == 0 || len(msg) < wire.HeadLen+stampLen {
		return append(dst, msg...)
	}
	n := len(dst)
	dst = append(dst, msg[:wire.HeadLen]...)
	dst = append(dst, msg[wire.HeadLen+stampLen:]...)
	binary.LittleEndian.PutUint16(dst[n+length:], uint16(len(msg)-stampLen))
	dst[n+flags] &^= wire.FlagStamp
	return dst
}

// Definitions returns the instrument definitions of all visible packets, whole
// messages one behind the other, oldest first: a later one of an instrument
// replaces an earlier one. They are complete up to the sequence asOf. Nobody ever
// changes msgs; it is the caller's to read for as long as it likes.
func (h *History) Definitions() (msgs []byte, asOf uint64) {
	end := h.visible() // before the log: what is visible is in it
	d := h.definitions.Load()
	i := len(d.marks)
	for i > 0 && d.marks[i-1].seq >= end {
		i--
	}
	if i == 0 {
		return nil, end - 1
	}
	n := d.marks[i-1].length
	return d.msgs[:n:n], end - 1
}

// SeedDefinitions begins the log with what the journal recovered, before the
// first packet. msgs is copied.
func (h *History) SeedDefinitions(msgs []byte) {
	if len(msgs) == 0 {
		return
	}
	h.definitions.Store(&definitions{
		msgs:  slices.Clone(msgs),
		marks: []mark{{0, len(msgs)}},
		size:  len(msgs),
	})
}

// define logs the definitions in p before p becomes visible.
func (h *History) define(p wire.Packet) {
	d := *h.definitions.Load()
	d.msgs = AppendDefinitions(d.msgs, p)
	d.marks = append(d.marks, mark{p.Next() - 1, len(d.msgs)})
	if len(d.msgs) > max(compactAt, 2*d.size) {
		d = d.compacted(min(h.visible(), h.oldest.Load()))
	}
	h.definitions.Store(&d)
}

// forget drops the definitions past last.
func (h *History) forget(last uint64) {
	d := *h.definitions.Load()
	i := len(d.marks)
	for i > 0 && d.marks[i-1].seq > last {
		i--
	}
	n := 0
	if i > 0 {
		n = d.marks[i-1].length
	}
	// Clipped: what is appended next must not change what a reader holds.
	d.msgs, d.marks = d.msgs[:n:n], d.marks[:i:i]
	h.definitions.Store(&d)
}

// compacted keeps, of what lies before end, the last definition of each instrument, so
// that the log is bounded by twice the instruments and what memory holds, and not by the
// day. End is where memory begins: an epoch may still cut what is in it, and then those
// before count again.
func (d definitions) compacted(end uint64) definitions {
	i, _ := slices.BinarySearchFunc(d.marks, end, func(m mark, end uint64) int { return cmp.Compare(m.seq, end) })
	if i == 0 {
		return d
	}
	head, tail := d.msgs[:d.marks[i-1].length], d.msgs[d.marks[i-1].length:]
	msgs := append(make([]byte, 0, len(d.msgs)), lastOfEach(head)...)
	shift := len(head) - len(msgs)
	marks := []mark{{d.marks[i-1].seq, len(msgs)}}
	for _, m := range d.marks[i:] {
		marks = append(marks, mark{m.seq, m.length - shift})
	}
	msgs = append(msgs, tail...)
	return definitions{msgs, marks, len(msgs)}
}

// lastOfEach returns the last message of each instrument in msgs, in order.
func lastOfEach(msgs []byte) (out []byte) {
	last := map[uint32]int{}
	walk(msgs, func(at int, m []byte) { last[binary.LittleEndian.Uint32(m[4:])] = at })
	walk(msgs, func(at int, m []byte) {
		if last[binary.LittleEndian.Uint32(m[4:])] == at {
			out = append(out, m...)
		}
	})
	return out
}

func walk(msgs []byte, fn func(at int, m []byte)) {
	for at := 0; at+wire.HeadLen <= len(msgs); {
		n := int(binary.LittleEndian.Uint16(msgs[at:]))
		if n < wire.HeadLen || at+n > len(msgs) {
			return
		}
		fn(at, msgs[at:at+n])
		at += n
	}
}
