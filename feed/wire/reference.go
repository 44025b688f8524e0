package wire

// Class is what sort of thing an instrument is.
type Class uint8

// Instrument classes.
const (
	ClassUnknown Class = 0
	ClassEquity  Class = 1
	ClassFuture  Class = 2
	ClassOption  Class = 3
	ClassSpot    Class = 4
	ClassIndex   Class = 5
)

// Format says whose bytes an opaque message or an attribute holds.
type Format uint8

// Formats. FormatApplication and above belong to programs.
const (
	FormatNone        Format = 0
	FormatITCH50      Format = 1 // TotalView-ITCH 5.0: type byte, then what follows the timestamp
	FormatITCH50Raw   Format = 2 // TotalView-ITCH 5.0: a whole message that was not understood
	FormatApplication Format = 128
)

const definitionLen = 28 // of the fixed part of the body, in bytes

// InstrumentDefinition declares an instrument id, before any message names it.
// A later definition of the same id replaces it.
type InstrumentDefinition struct {
	Head
	PriceExponent int8 // price = mantissa * 10^PriceExponent
	QtyExponent   int8
	Class         Class
	Lot           uint32 // round lot, 0 unknown
	TimeBase      Nanos  // UTC of the source's midnight, 0 unknown
	Currency      [4]byte
	Venue         [4]byte // ISO 10383 MIC
	Symbol        []byte  // at most 255 bytes
	Format        Format  // of Attributes
	Attributes    []byte  // the source's own bytes, at most 1,000
}

// AppendTo appends the encoded message to b. A Symbol or Attributes above its
// bound is cut.
func (m *InstrumentDefinition) AppendTo(b []byte) []byte {
	sym, att := m.Symbol[:min(len(m.Symbol), 255)], m.Attributes[:min(len(m.Attributes), 1000)]
	n := len(b)
	b = extend(b, HeadLen+definitionLen+len(sym)+len(att))
	room := putHead(b[n:], KindInstrumentDefinition, 0, m.Head)
	room[0], room[1], room[2], room[3] = uint8(m.PriceExponent), uint8(m.QtyExponent), uint8(m.Class), uint8(len(sym))
	le.PutUint32(room[4:], m.Lot)
	le.PutUint64(room[8:], uint64(m.TimeBase))
	copy(room[16:], m.Currency[:])
	copy(room[20:], m.Venue[:])
	room[24], room[25] = uint8(m.Format), 0
	le.PutUint16(room[26:], uint16(len(att)))
	copy(room[definitionLen:], sym)
	copy(room[definitionLen+len(sym):], att)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage. Symbol and
// Attributes alias msg.
func (m *InstrumentDefinition) Decode(msg []byte) error {
	_, body, err := open(msg, KindInstrumentDefinition, &m.Head, definitionLen, definitionLen)
	if err != nil {
		return err
	}
	sym, att := int(body[3]), int(le.Uint16(body[26:]))
	if len(body) < definitionLen+sym+att {
		return ErrMessage
	}
	m.PriceExponent, m.QtyExponent, m.Class = int8(body[0]), int8(body[1]), Class(body[2])
	m.Lot, m.TimeBase, m.Format = le.Uint32(body[4:]), Nanos(le.Uint64(body[8:])), Format(body[24])
	copy(m.Currency[:], body[16:20])
	copy(m.Venue[:], body[20:24])
	m.Symbol = body[definitionLen : definitionLen+sym]
	m.Attributes = body[definitionLen+sym : definitionLen+sym+att]
	return nil
}

const opaqueLen = 4 // of the fixed part of the body, in bytes

// MaxOpaque is the most bytes that an opaque message can carry.
const MaxOpaque = MaxMessage - HeadLen - opaqueLen

// Opaque carries a source's own bytes, so that any feed can be carried without loss.
type Opaque struct {
	Head
	Format Format
	Data   []byte // at most MaxOpaque bytes
}

// AppendTo appends the encoded message to b. Data above MaxOpaque is cut; sources
// refuse such input before.
func (m *Opaque) AppendTo(b []byte) []byte {
	data := m.Data[:min(len(m.Data), MaxOpaque)]
	n := len(b)
	b = extend(b, HeadLen+opaqueLen+len(data))
	room := putHead(b[n:], KindOpaque, 0, m.Head)
	room[0], room[1] = uint8(m.Format), 0
	le.PutUint16(room[2:], uint16(len(data)))
	copy(room[opaqueLen:], data)
	return b
}

// Decode reads m from one whole message: ErrKind or ErrMessage. Data aliases msg.
func (m *Opaque) Decode(msg []byte) error {
	_, body, err := open(msg, KindOpaque, &m.Head, opaqueLen, opaqueLen)
	if err != nil {
		return err
	}
	n := int(le.Uint16(body[2:]))
	if len(body) < opaqueLen+n {
		return ErrMessage
	}
	m.Format, m.Data = Format(body[0]), body[opaqueLen:opaqueLen+n]
	return nil
}
