package wire

import "math"

// Prices (signed) and quantities (unsigned) of one message are all 32 bits wide,
// or all 64 under FlagWide. The writer takes the narrow form when all of them fit.

func narrowPrice(p int64) bool { return int64(int32(p)) == p }
func narrowQty(q uint64) bool  { return q <= math.MaxUint32 }

// width returns FlagWide or 0, and the length of one number in bytes.
func width(narrow bool) (flag uint8, size int) {
	if narrow {
		return 0, 4
	}
	return FlagWide, 8
}

// numbers reads or writes numbers of one width, one behind the other.
type numbers struct {
	b    []byte
	wide bool
}

func (n *numbers) putQty(q uint64) {
	if n.wide {
		le.PutUint64(n.b, q)
		n.b = n.b[8:]
		return
	}
	le.PutUint32(n.b, uint32(q))
	n.b = n.b[4:]
}

func (n *numbers) putPrice(p int64) { n.putQty(uint64(p)) }

func (n *numbers) qty() (q uint64) {
	if n.wide {
		q, n.b = le.Uint64(n.b), n.b[8:]
		return q
	}
	q, n.b = uint64(le.Uint32(n.b)), n.b[4:]
	return q
}

func (n *numbers) price() (p int64) {
	if n.wide {
		p, n.b = int64(le.Uint64(n.b)), n.b[8:]
		return p
	}
	p, n.b = int64(int32(le.Uint32(n.b))), n.b[4:]
	return p
}

func sideFlag(s Side) uint8 { return uint8(s&1) * FlagSell }

func sideOf(flags uint8) Side { return Side(flags & FlagSell / FlagSell) }
