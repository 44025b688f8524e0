package wire

// Kind says what a message is. 0 is invalid. A kind is fixed when its first
// source exists; until then its number is reserved.
type Kind uint8

// Message kinds.
const (
	KindInstrumentDefinition Kind = 1
	KindTradingStatus        Kind = 2
	KindQuote                Kind = 3 // reserved
	KindTrade                Kind = 4
	KindTradeCancel          Kind = 5
	KindTradeCorrection      Kind = 6 // reserved
	KindPriceLevel           Kind = 7 // reserved
	KindOrderAdd             Kind = 8
	KindOrderModify          Kind = 9
	KindOrderExecute         Kind = 10
	KindOrderDelete          Kind = 11
	KindOrderReplace         Kind = 12
	KindBookClear            Kind = 13 // reserved
	KindImbalance            Kind = 14
	KindStatistics           Kind = 15 // reserved
	KindSourceGap            Kind = 16 // reserved
	KindStateDigest          Kind = 17 // reserved
	KindOpaque               Kind = 18
)

// kindNames are the words that tools print.
var kindNames = [...]string{
	KindInstrumentDefinition: "instrument_definition", KindTradingStatus: "trading_status",
	KindQuote: "quote", KindTrade: "trade", KindTradeCancel: "trade_cancel",
	KindTradeCorrection: "trade_correction", KindPriceLevel: "price_level",
	KindOrderAdd: "order_add", KindOrderModify: "order_modify", KindOrderExecute: "order_execute",
	KindOrderDelete: "order_delete", KindOrderReplace: "order_replace", KindBookClear: "book_clear",
	KindImbalance: "imbalance", KindStatistics: "statistics", KindSourceGap: "source_gap",
	KindStateDigest: "state_digest", KindOpaque: "opaque",
}

// String gives the kind's name as tools print it, "unknown" for one not known.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// HeadLen is the length of the head that every message begins with, in bytes,
// without the stamp offset that may follow it.
const HeadLen = 14

// stampLen is the length of the stamp offset behind the head, under FlagStamp.
const stampLen = 4

// MaxMessage bounds a message in bytes: one must fit a default packet, stamped.
const MaxMessage = DefaultPacket - HeaderLen - stampLen

// Offsets in a message's head, in bytes.
const (
	offLength     = 0 // u16, of the whole message, these two bytes included
	offKind       = 2 // u8
	offFlags      = 3 // u8
	offInstrument = 4 // u32, 0 is none
	offSource     = 8 // u48, ns since the source's midnight
)

var _ [HeadLen]byte = [offSource + 6]byte{} // the source time ends the head

// Message flags. FlagA and FlagB mean what the kind says.
const (
	FlagStamp = 0x01 // a u32 follows the head: ns from the packet's stamp to this message's
	FlagWide  = 0x02 // prices and quantities are 64 bits wide, not 32
	FlagSell  = 0x04 // the sell or ask side
	FlagA     = 0x08
	FlagB     = 0x10
)

// MaxSource is the largest source time that a message can carry, in ns.
const MaxSource = 1<<48 - 1

// Side is the side of an order or trade.
type Side uint8

// Sides.
const (
	Buy  Side = 0
	Sell Side = 1
)

// Head is what all messages have in common.
type Head struct {
	Instrument uint32
	Source     uint64 // ns since the source's midnight, at most MaxSource
}

// messageLen returns the length of the message at the head of b, or 0 where
// there is none that fits.
func messageLen(b []byte) int {
	if len(b) < HeadLen {
		return 0
	}
	n := int(le.Uint16(b))
	if n > len(b) || n < HeadLen+int(b[offFlags]&FlagStamp)*stampLen || b[offKind] == 0 {
		return 0
	}
	return n
}

// CheckMessage says whether msg is one whole message as AppendTo makes it, fit to
// be sequenced: ErrMessage when it is not. It does not look into the body.
func CheckMessage(msg []byte) error {
	if n := messageLen(msg); n == 0 || n != len(msg) || n > MaxMessage || msg[offFlags]&FlagStamp != 0 {
		return ErrMessage
	}
	return nil
}

// KindOf returns the kind of a message that CheckMessage accepts.
func KindOf(msg []byte) Kind { return Kind(msg[offKind]) }

// extend makes b longer by size bytes, which hold anything.
func extend(b []byte, size int) []byte {
	if cap(b)-len(b) < size {
		return grow(b, size)
	}
	return b[:len(b)+size]
}

// grow is extend's rare half, apart so that extend is inlined.
//
//go:noinline
func grow(b []byte, size int) []byte { return append(b, make([]byte, size)...) }

// putHead writes the head of a message that fills msg, and returns its body. The
// fields before the source time are one store.
func putHead(msg []byte, k Kind, flags uint8, h Head) []byte {
	le.PutUint64(msg, uint64(len(msg))|uint64(k)<<(8*offKind)|uint64(flags)<<(8*offFlags)|uint64(h.Instrument)<<(8*offInstrument))
	le.PutUint32(msg[offSource:], uint32(h.Source))
	le.PutUint16(msg[offSource+4:], uint16(h.Source>>32))
	return msg[HeadLen:]
}

// open checks that msg is a message of kind k with at least size bytes of body
// (wide bytes under FlagWide), fills h and returns flags and body.
func open(msg []byte, k Kind, h *Head, size, wide int) (flags uint8, body []byte, err error) {
	if len(msg) < HeadLen {
		return 0, nil, ErrMessage
	}
	if Kind(msg[offKind]) != k {
		return 0, nil, ErrKind
	}
	flags = msg[offFlags]
	h.Instrument = le.Uint32(msg[offInstrument:])
	h.Source = SourceOf(msg)
	skip := HeadLen + int(flags&FlagStamp)*stampLen
	if flags&FlagWide != 0 {
		size = wide
	}
	if len(msg) < skip+size {
		return 0, nil, ErrMessage
	}
	return flags, msg[skip:], nil
}

// SourceOf returns the source time of a message, ns since the source's midnight;
// 0 of bytes too short for one.
func SourceOf(msg []byte) uint64 {
	if len(msg) < HeadLen {
		return 0
	}
	return uint64(le.Uint32(msg[offSource:])) | uint64(le.Uint16(msg[offSource+4:]))<<32
}
