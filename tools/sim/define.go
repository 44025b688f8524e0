package main

import (
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/wire"
)

// snapshot holds definitions against what inputs submitted.
func (v *view) snapshot(p wire.Packet) {
	v.w.cover("snapshot delivered")
	v.follow(0)
	v.asOf = max(v.asOf, p.First()-1)
	if v.defined == nil {
		v.defined = map[uint64]bool{}
	}
	for c := p.Cursor(); c.Next(); {
		i, seq, ok := identify(c.Message())
		if !ok || i >= len(v.w.ledger.inputs) || c.Kind() != wire.KindInstrumentDefinition {
			v.fail("I4 nothing invented: a definition of no input")
			return
		}
		v.w.text = v.w.makeMessage(v.w.text[:0], i, seq)
		if !sameMessage(c.Message(), v.w.text) {
			v.fail("I4 nothing invented: a definition that input %d did not send as %d", i, seq)
			return
		}
		if v.w.o.Durability == wire.JournalStrict && v.w.ledger.defines(i, seq) > v.w.ledger.durableNow() {
			v.fail("I7 strict: a definition is told before it is durable")
			return
		}
		v.defined[definitionOf(i, seq)] = true
	}
}

func definitionOf(input int, seq uint64) uint64 { return uint64(input)<<48 | seq }

// checkDefined looks, at the first delivery and at the first after an epoch that cut what
// the definitions were as of, whether all instruments are known: the last definition of
// each before first must have come.
func (v *view) checkDefined(first uint64) {
	v.checked = true
	last := map[uint32]uint64{}
	v.w.ledger.known(v.saw.epoch, func(p wire.Packet) {
		if p.Flags()&wire.FlagDefinitions == 0 {
			return
		}
		for c := p.Cursor(); c.Next(); {
			if c.Kind() == wire.KindInstrumentDefinition && c.Sequence() < first {
				i, seq, _ := identify(c.Message())
				last[binary.LittleEndian.Uint32(c.Message()[4:])] = definitionOf(i, seq)
			}
		}
	})
	for instrument, d := range last {
		if !v.defined[d] {
			v.fail("I11 snapshot: %d is delivered and instrument %d is not defined", first, instrument)
			return
		}
	}
	if len(last) > 0 {
		v.w.cover("instruments defined")
	}
}

// defines is the sequence that a definition has in the session; 0: none.
func (l *ledger) defines(input int, inputSeq uint64) (at uint64) {
	l.walk(func(p wire.Packet) {
		if p.Flags()&wire.FlagDefinitions == 0 {
			return
		}
		for c := p.Cursor(); c.Next(); {
			if i, seq, _ := identify(c.Message()); i == input && seq == inputSeq {
				at = c.Sequence()
			}
		}
	})
	return at
}
