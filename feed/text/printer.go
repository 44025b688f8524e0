package text

import (
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/itch"
	"github.com/tapecast/tapecast/feed/wire"
)

// Printer renders messages, and learns the instruments that they declare: one
// entry for each id. It belongs to one goroutine.
type Printer struct {
	instruments map[uint32]instrument
	fields      []itch.Field // room for those of one message
}

// instrument is what a definition said; known is false for one not declared.
type instrument struct {
	known  bool
	price  int8 // exponents
	qty    int8
	symbol string
}

// NewPrinter returns a Printer that knows no instruments.
func NewPrinter() *Printer {
	return &Printer{instruments: map[uint32]instrument{}, fields: make([]itch.Field, 0, 16)}
}

// Learn takes in msg if it is an instrument definition, without printing it: for
// those from before the first message printed.
func (p *Printer) Learn(msg []byte) {
	var m wire.InstrumentDefinition
	if m.Decode(msg) != nil {
		return
	}
	was := p.instruments[m.Instrument]
	symbol := was.symbol
	if symbol != string(m.Symbol) {
		symbol = string(m.Symbol)
	}
	p.instruments[m.Instrument] = instrument{true, m.PriceExponent, m.QtyExponent, symbol}
}

// AppendText appends one line for people, its line feed included. msg is one whole
// message, with or without its stamp offset, lent until AppendText returns; bytes
// that are no message give a line that says so.
func (p *Printer) AppendText(dst []byte, seq uint64, stamp wire.Nanos, msg []byte) []byte {
	w, h := p.open(dst, msg, false)
	w.textHead(seq, stamp, h)
	w.message(h, msg)
	w.clock("source", h.Source)
	return append(w.b, '\n')
}

// AppendJSON appends one JSON object, its line feed included. See AppendText for
// msg and the package for the names.
func (p *Printer) AppendJSON(dst []byte, seq uint64, stamp wire.Nanos, msg []byte) []byte {
	w, h := p.open(dst, msg, true)
	w.jsonHead(seq, stamp, h)
	w.message(h, msg)
	return append(w.b, '}', '\n')
}

// head is what all messages begin with.
type head struct {
	wire.Head
	kind wire.Kind // 0 where msg is too short to have one
	body []byte    // behind head and stamp offset
}

// Offsets in a message, as the protocol has them.
const (
	offKind       = 2
	offFlags      = 3
	offInstrument = 4
	offSource     = 8
	stampLen      = 4
)

func headOf(msg []byte) (h head) {
	if len(msg) < wire.HeadLen {
		return head{body: msg}
	}
	h.kind = wire.Kind(msg[offKind])
	h.Instrument = binary.LittleEndian.Uint32(msg[offInstrument:])
	h.Source = uint64(binary.LittleEndian.Uint32(msg[offSource:])) |
		uint64(binary.LittleEndian.Uint16(msg[offSource+4:]))<<32
	h.body = msg[wire.HeadLen:]
	if msg[offFlags]&wire.FlagStamp != 0 {
		h.body = h.body[min(stampLen, len(h.body)):]
	}
	return h
}

// open learns from msg and returns a writer that knows its instrument.
func (p *Printer) open(dst, msg []byte, json bool) (writer, head) {
	h := headOf(msg)
	if h.kind == wire.KindInstrumentDefinition {
		p.Learn(msg)
	}
	return writer{b: dst, json: json, instrument: p.instruments[h.Instrument], fields: p.fields}, h
}

// Widths of the columns of a text line, in characters.
const (
	seqWidth    = 10
	symbolWidth = 8
	kindWidth   = 14
)

func (w *writer) textHead(seq uint64, stamp wire.Nanos, h head) {
	w.b = stamp.Time().AppendFormat(w.b, "2006-01-02T15:04:05.000000000Z")
	w.b = append(w.b, ' ')
	w.b = appendRight(w.b, seq, seqWidth)
	w.b = append(w.b, ' ')
	n := len(w.b)
	switch {
	case w.instrument.symbol != "":
		w.b = appendPlain(w.b, w.instrument.symbol)
	case h.Instrument != 0:
		w.b = appendUint(append(w.b, '#'), uint64(h.Instrument))
	default:
		w.b = append(w.b, '-')
	}
	w.b = appendSpaces(w.b, symbolWidth-(len(w.b)-n))
	w.b = append(w.b, ' ')
	n = len(w.b)
	w.b = append(w.b, h.kind.String()...)
	w.b = appendSpaces(w.b, kindWidth-(len(w.b)-n))
}

func (w *writer) jsonHead(seq uint64, stamp wire.Nanos, h head) {
	w.b = append(w.b, '{')
	w.uint("seq", seq)
	w.int("stamp", int64(stamp))
	w.name("kind")
	w.b = appendQuoted(w.b, h.kind.String())
	w.uint("instrument", uint64(h.Instrument))
	w.name("symbol")
	w.b = appendQuoted(w.b, w.instrument.symbol)
	w.uint("source", h.Source)
}
