package itch

import (
	"bytes"

	"github.com/tapecast/tapecast/feed/wire"
)

// Form says how the bytes of a field are read.
type Form uint8

// Forms.
const (
	FormNumber Form = 1 // an unsigned integer, big-endian
	FormPrice4 Form = 2 // the same, with 4 decimals
	FormPrice8 Form = 3 // the same, with 8 decimals
	FormCode   Form = 4 // one ASCII character
	FormText   Form = 5 // ASCII, padded with spaces
)

// Field is one named field of an ITCH message that has no tapecast kind of its own.
type Field struct {
	Name  string
	Form  Form
	Bytes []byte // at most 8, but for FormText
}

// Number is the integer of a number or price.
func (f Field) Number() uint64 {
	var n uint64
	for _, c := range f.Bytes {
		n = n<<8 | uint64(c)
	}
	return n
}

// Text is the field without its padding. It aliases Bytes.
func (f Field) Text() []byte { return bytes.TrimRight(f.Bytes, " ") }

// Fields appends the fields of an opaque message to dst, in their order in the
// message. It reports false where it does not know them: they are known for
// FormatITCH50 and the types that TypeName names. Bytes alias data.
func Fields(dst []Field, format wire.Format, data []byte) ([]Field, bool) {
	if format != wire.FormatITCH50 || len(data) == 0 {
		return dst, false
	}
	return appendFields(dst, opaque[data[0]].fields, data[1:])
}

// Attributes appends the fields of an instrument definition's attributes to dst,
// those of a stock directory message, in their order. It reports false where it
// does not know them. Bytes alias data.
func Attributes(dst []Field, format wire.Format, data []byte) ([]Field, bool) {
	if format != wire.FormatITCH50 {
		return dst, false
	}
	return appendFields(dst, directory[:], data)
}

// TypeName is what a type of FormatITCH50 is called, empty for one that does not
// travel as an opaque message.
func TypeName(t byte) string { return opaque[t].name }

// appendFields cuts data into fields, which must fit it exactly.
func appendFields(dst []Field, specs []spec, data []byte) ([]Field, bool) {
	size := 0
	for _, s := range specs {
		size += int(s.size)
	}
	if size == 0 || size != len(data) {
		return dst, false
	}
	for _, s := range specs {
		dst = append(dst, Field{s.name, s.form, data[:s.size]})
		data = data[s.size:]
	}
	return dst, true
}

// spec is a field's name, form, and size in bytes; fields follow one another
// without a space between.
type spec struct {
	name string
	form Form
	size uint8
}

// directory is what follows the symbol in a stock directory message.
var directory = [...]spec{
	{"market_category", FormCode, 1}, {"financial_status", FormCode, 1},
	{"round_lot_size", FormNumber, 4}, {"round_lots_only", FormCode, 1},
	{"issue_classification", FormCode, 1}, {"issue_sub_type", FormText, 2},
	{"authenticity", FormCode, 1}, {"short_sale_threshold", FormCode, 1}, {"ipo_flag", FormCode, 1},
	{"luld_reference_price_tier", FormCode, 1}, {"etp_flag", FormCode, 1},
	{"etp_leverage_factor", FormNumber, 4}, {"inverse_indicator", FormCode, 1},
}

// opaque is what follows the timestamp in the messages that travel as Opaque.
var opaque = [256]struct {
	name   string
	fields []spec
}{
	'Y': {"reg_sho", []spec{{"stock", FormText, 8}, {"action", FormCode, 1}}},
	'L': {"participant_position", []spec{{"mpid", FormText, 4}, {"stock", FormText, 8},
		{"primary_market_maker", FormCode, 1}, {"market_maker_mode", FormCode, 1}, {"participant_state", FormCode, 1}}},
	'V': {"mwcb_decline", []spec{{"level_1", FormPrice8, 8}, {"level_2", FormPrice8, 8}, {"level_3", FormPrice8, 8}}},
	'W': {"mwcb_status", []spec{{"breached_level", FormCode, 1}}},
	'K': {"quoting_period", []spec{{"stock", FormText, 8}, {"release_time", FormNumber, 4},
		{"release_qualifier", FormCode, 1}, {"ipo_price", FormPrice4, 4}}},
	'J': {"luld_collar", []spec{{"stock", FormText, 8}, {"reference_price", FormPrice4, 4},
		{"upper_price", FormPrice4, 4}, {"lower_price", FormPrice4, 4}, {"extension", FormNumber, 4}}},
	'h': {"operational_halt", []spec{{"stock", FormText, 8}, {"market_code", FormCode, 1}, {"action", FormCode, 1}}},
	'N': {"retail_interest", []spec{{"stock", FormText, 8}, {"interest_flag", FormCode, 1}}},
	'O': {"direct_listing", []spec{{"stock", FormText, 8}, {"open_eligibility", FormCode, 1},
		{"minimum_price", FormPrice4, 4}, {"maximum_price", FormPrice4, 4}, {"near_execution_price", FormPrice4, 4},
		{"near_execution_time", FormNumber, 8}, {"lower_collar", FormPrice4, 4}, {"upper_collar", FormPrice4, 4}}},
}
