package text

import (
	"bytes"

	"github.com/tapecast/tapecast/feed/itch"
)

// writer appends named values in one of the two forms.
type writer struct {
	b          []byte
	json       bool
	instrument instrument // whose prices and quantities are written
	fields     []itch.Field
}

// name begins a value.
func (w *writer) name(name string) {
	if !w.json {
		w.b = append(w.b, ' ')
		w.b = append(w.b, name...)
		w.b = append(w.b, '=')
		return
	}
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// open begins an object of values; in text its name is left out.
func (w *writer) open(name string) {
	if w.json {
		w.name(name)
		w.b = append(w.b, '{')
	}
}

func (w *writer) close() {
	if w.json {
		w.b = append(w.b, '}')
	}
}

func (w *writer) uint(name string, v uint64) {
	w.name(name)
	w.b = appendUint(w.b, v)
}

func (w *writer) int(name string, v int64) {
	w.name(name)
	w.b = appendInt(w.b, v)
}

// price writes v at the instrument's price exponent.
func (w *writer) price(name string, v int64) {
	w.name(name)
	w.decimal(v < 0, magnitude(v), w.instrument.price)
}

// qty writes v at the instrument's quantity exponent.
func (w *writer) qty(name string, v uint64) {
	w.name(name)
	w.decimal(false, v, w.instrument.qty)
}

func (w *writer) decimal(minus bool, v uint64, exponent int8) {
	if minus {
		w.b = append(w.b, '-')
	}
	switch {
	case w.json:
		w.b = appendUint(w.b, v)
	case !w.instrument.known:
		w.b = append(appendUint(w.b, v), "e?"...)
	default:
		w.b = appendDecimal(w.b, v, exponent)
	}
}

// word writes one of our own words.
func (w *writer) word(name, v string) {
	w.name(name)
	if w.json {
		w.b = appendQuoted(w.b, v)
	} else {
		w.b = append(w.b, v...)
	}
}

// text writes the source's bytes, without padding.
func (w *writer) text(name string, v []byte) {
	v = bytes.TrimRight(v, " \x00")
	switch {
	case w.json:
		w.name(name)
		w.b = appendQuoted(w.b, v)
	case len(v) > 0:
		w.name(name)
		w.b = appendPlain(w.b, v)
	}
}

// code writes one byte of the source, as a character.
func (w *writer) code(name string, c byte) {
	one := [1]byte{c}
	switch {
	case w.json && c != 0:
		w.name(name)
		w.b = appendQuoted(w.b, one[:])
	case w.json:
		w.word(name, "")
	case c != 0 && c != ' ':
		w.name(name)
		w.b = appendPlain(w.b, one[:])
	}
}

// flag writes a boolean; in text its name alone, when true.
func (w *writer) flag(name string, v bool) {
	switch {
	case w.json && v:
		w.name(name)
		w.b = append(w.b, "true"...)
	case w.json:
		w.name(name)
		w.b = append(w.b, "false"...)
	case v:
		w.b = append(w.b, ' ')
		w.b = append(w.b, name...)
	}
}

// hex writes bytes that nobody understands.
func (w *writer) hex(name string, v []byte) {
	w.name(name)
	if w.json {
		w.b = append(w.b, '"')
	}
	w.b = appendHex(w.b, v)
	if w.json {
		w.b = append(w.b, '"')
	}
}

// error writes a message's error, a sentence with spaces.
func (w *writer) error(err error) {
	w.name("error")
	w.b = appendQuoted(w.b, err.Error())
}

// clock writes a time of day, in text only.
func (w *writer) clock(name string, ns uint64) {
	w.name(name)
	w.b = appendClock(w.b, ns)
}
