package itch

import "encoding/binary"

// Offsets in bytes of what all messages begin with, and of what follows.
const (
	offType   = 0
	offLocate = 1  // u16
	offTime   = 5  // u48, ns since midnight; the tracking number is before it
	offBody   = 11 // everything else
)

const stockLen = 8 // of a symbol, in bytes, padded with spaces

// sizes are the lengths of all messages in bytes, type byte included; 0 is no type.
var sizes = [256]uint8{
	'S': 12, 'R': 39, 'H': 25, 'Y': 20, 'L': 26, 'V': 35, 'W': 12, 'K': 28, 'J': 35, 'h': 21,
	'A': 36, 'F': 40, 'E': 31, 'C': 36, 'X': 23, 'D': 19, 'U': 35,
	'P': 44, 'Q': 40, 'B': 19, 'I': 50, 'N': 20, 'O': 48,
}

// stocks are the offsets of the symbol; 0 where a message carries none.
var stocks = [256]uint8{
	'R': 11, 'H': 11, 'Y': 11, 'L': 15, 'K': 11, 'J': 11, 'h': 11, 'N': 11, 'O': 11,
	'A': 24, 'F': 24, 'P': 24, 'Q': 19, 'I': 28,
}

func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
