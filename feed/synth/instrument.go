package synth

import "github.com/tapecast/tapecast/feed/wire"

const (
	priceExponent = -4
	cent          = 100 // in price mantissas
	dollar        = 100 * cent
)

// instrument is one book and what its prices move around.
type instrument struct {
	sides [2]side
	fair  int32 // level that new orders are placed around
	low   int32 // fair stays between low and high
	high  int32
	level int32 // price mantissa of one level: a whole number of cents
	lot   uint32
}

// list makes an instrument: its price is 2 to 1,024 dollars, as likely in each
// doubling; dear instruments move in larger levels and smaller lots.
func list(r uint64) (in instrument) {
	least := int32(2*dollar) << below(r, 9)
	price := least + int32(below(r>>32, uint32(least)))
	in.level = cent * (1 + price/(128*dollar))
	in.fair = price / in.level
	in.low, in.high = in.fair/2, in.fair*2
	in.lot = 100
	if price > 250*dollar {
		in.lot = 40 // as in the United States since 2025
	}
	in.sides = [2]side{empty(), empty()}
	return in
}

// move takes fair one level up or down, inside its bounds.
func (in *instrument) move(up bool) {
	if up && in.fair < in.high || in.fair <= in.low {
		in.fair++
	} else {
		in.fair--
	}
}

// place chooses the key of a new order: close to fair more often than far.
func (in *instrument) place(s wire.Side, r uint64) int32 {
	away := 1 + int32(halvings(r, 12))
	if r>>16&7 == 0 {
		away += int32(r >> 20 & 31)
	}
	return sign(s)*in.fair + away
}

// price is the price mantissa of a key on side s.
func (in *instrument) price(s wire.Side, key int32) int64 {
	return int64(sign(s)*key) * int64(in.level)
}

// quantity is a few round lots, now and then many, or one odd lot in four.
func (in *instrument) quantity(r uint64) uint32 {
	switch {
	case r&3 == 0:
		return 1 + below(r>>32, in.lot-1)
	case r>>2&31 == 0:
		return in.lot * (10 + uint32(r>>8&63))
	}
	return in.lot * (1 + uint32(halvings(r>>8, 7)))
}

// Symbols look like tickers: consonant, vowel, consonant, and one letter more for
// all but one in 26. The stride is prime to their number, so that all are different.
const (
	consonants   = "BCDFGHJKLMNPRSTVWXYZ"
	vowels       = "AEIOU"
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	symbols      = len(consonants) * len(vowels) * len(consonants) * len(letters)
	symbolStride = 31_337
)

func appendSymbol(b []byte, i int) []byte {
	n := (i + 1) * symbolStride % symbols
	for _, set := range [...]string{consonants, vowels, consonants} {
		b = append(b, set[n%len(set)])
		n /= len(set)
	}
	if n > 0 {
		b = append(b, letters[n])
	}
	return b
}
