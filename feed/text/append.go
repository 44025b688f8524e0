package text

import (
	"encoding/hex"
	"strconv"
)

func appendUint(b []byte, v uint64) []byte { return strconv.AppendUint(b, v, 10) }
func appendInt(b []byte, v int64) []byte   { return strconv.AppendInt(b, v, 10) }
func appendHex(b, v []byte) []byte         { return hex.AppendEncode(b, v) }

// magnitude is v without its sign, also of the lowest integer.
func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// appendRight appends v, right-aligned.
func appendRight(b []byte, v uint64, width int) []byte {
	var digits [20]byte
	d := appendUint(digits[:0], v)
	return append(appendSpaces(b, width-len(d)), d...)
}

// appendPadded appends v with zeros before it.
func appendPadded(b []byte, v uint64, width int) []byte {
	var digits [20]byte
	d := appendUint(digits[:0], v)
	for range width - len(d) {
		b = append(b, '0')
	}
	return append(b, d...)
}

// appendDecimal appends v * 10^exponent with all its digits.
func appendDecimal(b []byte, v uint64, exponent int8) []byte {
	if exponent >= 0 {
		b = appendUint(b, v)
		for range exponent {
			if v != 0 {
				b = append(b, '0')
			}
		}
		return b
	}
	decimals := -int(exponent)
	b = appendPadded(b, v, decimals+1)
	point := len(b) - decimals
	b = append(b, 0)
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b
}

// appendClock appends ns since midnight as hh:mm:ss.nnnnnnnnn.
func appendClock(b []byte, ns uint64) []byte {
	s := ns / 1e9
	b = append(appendPadded(b, s/3600, 2), ':')
	b = append(appendPadded(b, s/60%60, 2), ':')
	b = append(appendPadded(b, s%60, 2), '.')
	return appendPadded(b, ns%1e9, 9)
}

// appendPlain appends bytes as they are where they are visible ASCII, so that
// columns stay columns and a terminal is not at their mercy.
func appendPlain[T string | []byte](b []byte, v T) []byte {
	for i := range len(v) {
		if c := v[i]; c > ' ' && c < 0x7f && c != '\\' {
			b = append(b, c)
		} else {
			b = append(b, '\\', 'x', digit(c>>4), digit(c&15))
		}
	}
	return b
}

// appendQuoted appends bytes as a JSON string, each as the character of its number.
func appendQuoted[T string | []byte](b []byte, v T) []byte {
	b = append(b, '"')
	for i := range len(v) {
		switch c := v[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\', 'u', '0', '0', digit(c>>4), digit(c&15))
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func digit(n byte) byte { return "0123456789abcdef"[n] }
