package itch

import (
	"bytes"
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/wire"
)

// Decoder turns ITCH messages of one day into tapecast messages. It remembers
// which stock locates were declared. The zero Decoder has seen none.
type Decoder struct {
	listings []listing // by stock locate, so at most 65,536
}

// listing is what was last declared for a stock locate.
type listing struct {
	declared bool
	stock    [stockLen]byte // as in the message, padded with spaces
}

// Append appends the tapecast message for the ITCH message m to dst. Where m names
// an instrument that is not declared yet, or under another symbol, it appends the
// definition instead, and done is false: call again with the same m. m is 1 to
// wire.MaxOpaque bytes long, and lent until Append returns.
func (d *Decoder) Append(dst, m []byte) (out []byte, done bool) {
	known, h := understood(m), headOf(m)
	if known && m[offType] == 'R' {
		d.declare(h.Instrument, stockOf(m))
		return appendDirectory(dst, h, m), true
	}
	if h.Instrument != 0 {
		if stock, missing := d.missing(h.Instrument, m, known); missing {
			d.declare(h.Instrument, stock)
			return appendDefinition(dst, h, stock), false
		}
	}
	if !known {
		raw := wire.Opaque{Head: h, Format: wire.FormatITCH50Raw, Data: m}
		return raw.AppendTo(dst), true
	}
	return appendKnown(dst, h, m), true
}

// missing reports whether a definition must come before m, and with which symbol.
func (d *Decoder) missing(id uint32, m []byte, known bool) (stock [stockLen]byte, missing bool) {
	var was listing
	if int(id) < len(d.listings) {
		was = d.listings[id]
	}
	stock = blank
	if known && stocks[m[offType]] != 0 {
		stock = stockOf(m)
	}
	return stock, !was.declared || stock != blank && stock != was.stock
}

func (d *Decoder) declare(id uint32, stock [stockLen]byte) {
	if more := int(id) + 1 - len(d.listings); more > 0 {
		d.listings = append(d.listings, make([]listing, more)...)
	}
	d.listings[id] = listing{declared: true, stock: stock}
}

// blank is the symbol of a message that names none.
var blank = [stockLen]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}

func stockOf(m []byte) [stockLen]byte {
	return [stockLen]byte(m[stocks[m[offType]]:])
}

// headOf reads what all messages begin with; from one too short, nothing.
func headOf(m []byte) (h wire.Head) {
	if len(m) < offBody {
		return h
	}
	h.Instrument = uint32(binary.BigEndian.Uint16(m[offLocate:]))
	h.Source = u64(m[offTime-2:]) & wire.MaxSource
	return h
}

// understood reports whether m has the length of its type, and no code or locate
// that its tapecast message could not carry.
func understood(m []byte) bool {
	if len(m) == 0 || len(m) != int(sizes[m[offType]]) {
		return false
	}
	named := m[offLocate] != 0 || m[offLocate+1] != 0
	switch m[offType] {
	case 'A', 'F', 'P':
		return named && (m[19] == 'B' || m[19] == 'S')
	case 'C':
		return m[31] == 'Y' || m[31] == 'N'
	case 'R', 'H', 'Q', 'I':
		return named
	}
	return true
}

// appendDefinition appends all that can be said of an instrument by its symbol.
func appendDefinition(dst []byte, h wire.Head, stock [stockLen]byte) []byte {
	def := wire.InstrumentDefinition{
		Head: h, PriceExponent: -4, Class: wire.ClassEquity, Symbol: bytes.TrimRight(stock[:], " "),
	}
	return def.AppendTo(dst)
}

// appendDirectory appends the definition that a stock directory message gives.
func appendDirectory(dst []byte, h wire.Head, m []byte) []byte {
	stock := m[offBody : offBody+stockLen]
	def := wire.InstrumentDefinition{
		Head: h, PriceExponent: -4, Class: wire.ClassEquity, Symbol: bytes.TrimRight(stock, " "),
		Lot: u32(m[21:]), Format: wire.FormatITCH50, Attributes: m[offBody+stockLen:],
	}
	return def.AppendTo(dst)
}
