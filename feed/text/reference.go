package text

import (
	"github.com/tapecast/tapecast/feed/itch"
	"github.com/tapecast/tapecast/feed/wire"
)

func (w *writer) definition(msg []byte) error {
	var m wire.InstrumentDefinition
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.int("price_exponent", int64(m.PriceExponent))
	w.int("qty_exponent", int64(m.QtyExponent))
	w.word("class", className(m.Class))
	w.uint("lot", uint64(m.Lot))
	if w.json || m.TimeBase != 0 {
		w.int("time_base", int64(m.TimeBase))
	}
	w.text("currency", m.Currency[:])
	w.text("venue", m.Venue[:])
	w.format(m.Format)
	w.attributes(m.Format, m.Attributes)
	return nil
}

func (w *writer) attributes(f wire.Format, data []byte) {
	if fields, ok := itch.Attributes(w.fields[:0], f, data); ok {
		w.open("attributes")
		w.itchFields(fields)
		w.close()
		return
	}
	if w.json || len(data) > 0 {
		w.hex("data", data)
	}
}

func (w *writer) opaque(msg []byte) error {
	var m wire.Opaque
	if err := m.Decode(msg); err != nil {
		return err
	}
	w.format(m.Format)
	if (m.Format == wire.FormatITCH50 || m.Format == wire.FormatITCH50Raw) && len(m.Data) > 0 {
		w.code("type", m.Data[0])
	}
	fields, ok := itch.Fields(w.fields[:0], m.Format, m.Data)
	if !ok {
		w.hex("data", m.Data)
		return nil
	}
	w.word("name", itch.TypeName(m.Data[0]))
	w.open("fields")
	w.itchFields(fields)
	w.close()
	return nil
}

func (w *writer) itchFields(fields []itch.Field) {
	for i := range fields {
		w.itchField(&fields[i])
	}
}

// itchField writes f; its prices have the decimals of ITCH, whatever the
// instrument's definition says.
func (w *writer) itchField(f *itch.Field) {
	switch {
	case f.Form == itch.FormCode:
		w.code(f.Name, f.Bytes[0])
	case f.Form == itch.FormText:
		w.text(f.Name, f.Bytes)
	case f.Form == itch.FormPrice4 && !w.json:
		w.name(f.Name)
		w.b = appendDecimal(w.b, f.Number(), -4)
	case f.Form == itch.FormPrice8 && !w.json:
		w.name(f.Name)
		w.b = appendDecimal(w.b, f.Number(), -8)
	default:
		w.uint(f.Name, f.Number())
	}
}

// format writes a format's name, or its number where it has none.
func (w *writer) format(f wire.Format) {
	switch {
	case int(f) < len(formatNames):
		w.word("format", formatNames[f])
	case w.json:
		w.name("format")
		w.b = append(appendUint(append(w.b, '"'), uint64(f)), '"')
	default:
		w.uint("format", uint64(f))
	}
}

// formatNames are the words for formats, by number.
var formatNames = [...]string{
	wire.FormatNone: "none", wire.FormatITCH50: "itch50", wire.FormatITCH50Raw: "itch50_raw",
}

// classNames are the words for instrument classes, by number.
var classNames = [...]string{
	wire.ClassUnknown: "unknown", wire.ClassEquity: "equity", wire.ClassFuture: "future",
	wire.ClassOption: "option", wire.ClassSpot: "spot", wire.ClassIndex: "index",
}

func className(c wire.Class) string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}
