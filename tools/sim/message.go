package main

import (
	"encoding/binary"
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
)

// Messages can be made again from the seed, the input and its sequence alone: so
// what somebody delivers can be compared with what was submitted without keeping it.
//
// A message's instrument is its input's number + 1 (plus a thousand for each
// definition), its source time the input's sequence.

// makeMessage appends message seq of input i, as its program encodes it.
func (w *world) makeMessage(b []byte, i int, seq uint64) []byte {
	x := mix(w.seed ^ uint64(i)<<56 ^ seq)
	head := wire.Head{Instrument: uint32(i + 1), Source: seq}
	if x>>40%64 == 0 {
		d := wire.InstrumentDefinition{Head: head, Lot: uint32(x), Symbol: fmt.Appendf(nil, "S%d", x%100)}
		d.Instrument += uint32(1+x>>48%16) * 1000
		return d.AppendTo(b)
	}
	n := 1 + int(x%uint64(w.o.BodyMax))
	if w.body == nil {
		w.body = make([]byte, w.o.BodyMax+8)
	}
	for j := 0; j < n; j += 8 {
		x = x*0x9e3779b97f4a7c15 + 1
		binary.LittleEndian.PutUint64(w.body[j:], x)
	}
	m := wire.Opaque{Head: head, Format: 1, Data: w.body[:n]}
	return m.AppendTo(b)
}

// identify says which message of which input m is.
func identify(m []byte) (input int, seq uint64, ok bool) {
	if len(m) < wire.HeadLen {
		return 0, 0, false
	}
	input = int(binary.LittleEndian.Uint32(m[4:])%1000) - 1
	return input, wire.SourceOf(m), input >= 0
}

// sameMessage compares a message of a packet, which may carry a stamp offset, with
// the one that was submitted.
func sameMessage(got, want []byte) bool {
	const flags, stampLen = 3, 4
	if got[flags]&wire.FlagStamp == 0 {
		return string(got) == string(want)
	}
	return len(got) == len(want)+stampLen && got[2] == want[2] && got[flags]&^wire.FlagStamp == want[flags] &&
		string(got[4:wire.HeadLen]) == string(want[4:wire.HeadLen]) &&
		string(got[wire.HeadLen+stampLen:]) == string(want[wire.HeadLen:])
}

// input is a program that submits messages, one after the other, and goes on behind
// the last one taken when the sequencer comes back.
type input struct {
	index int
	label string
	total uint64
	acked uint64 // the last one acknowledged
	id    uint16 // at the sequencer of this epoch
	next  uint64 // to be submitted
	due   wire.Nanos
	left  int // of the burst
	rand  *random
}

func (in *input) finished() bool { return in.next > in.total }

// pace says when the next message is due, after one was taken at now.
func (in *input) pace(now wire.Nanos, o *Options) {
	in.next++
	if in.left--; in.left > 0 {
		return
	}
	in.left = in.rand.between(1, 2*o.Burst)
	in.due = now + in.rand.span(0, 2*wire.Nanos(in.left)*second/wire.Nanos(o.Rate))
}
