package wire

import "math"

// Prices (signed) and quantities (unsigned) of one message are all 32 bits wide,
// or all 64 under FlagWide. The writer takes the narrow form when all of them fit.

func narrowPrice(p int64) bool { return int64(int32(p)) == p }
func narrowQty(q uint64) bool  { return q <= math.MaxUint32 }

// width returns the flag of wide numbers or 0, and the length of one in bytes.
func width(wide bool) (flag uint8, size int) {
	if wide {
		return FlagWide, 8
	}
	return 0, 4
}

// putQty writes q at the head of b, and returns what is behind it.
func putQty(b []byte, wide bool, q uint64) []byte {
	if wide {
		le.PutUint64(b, q)
		return b[8:]
	}
	le.PutUint32(b, uint32(q))
	return b[4:]
}

func putPrice(b []byte, wide bool, p int64) []byte { return putQty(b, wide, uint64(p)) }

// qty reads a quantity at the head of b, and returns what is behind it too.
func qty(b []byte, wide bool) (q uint64, rest []byte) {
	if wide {
		return le.Uint64(b), b[8:]
	}
	return uint64(le.Uint32(b)), b[4:]
}

func price(b []byte, wide bool) (p int64, rest []byte) {
	if wide {
		return int64(le.Uint64(b)), b[8:]
	}
	return int64(int32(le.Uint32(b))), b[4:]
}

func sideFlag(s Side) uint8 { return uint8(s&1) * FlagSell }

func sideOf(flags uint8) Side { return Side(flags & FlagSell / FlagSell) }
