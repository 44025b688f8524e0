package feed

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/tapecast/tapecast/feed/wire"
)

// Pace says how fast messages are put: as fast as they are taken, at a multiple of
// the speed of their source times, or at a fixed rate. The zero Pace is max. Paces
// are comparable.
type Pace struct {
	unit   paceUnit
	amount uint64 // in millionths: of the source's speed, or of a message a second
}

type paceUnit uint8

const (
	paceMax   paceUnit = iota
	paceSpeed          // "x"
	paceRate           // "/s"
)

const (
	paceDecimals = 6
	million      = 1_000_000
	maxPace      = 1_000_000_000 * million // a thousand million x, or messages a second
)

// ParsePace reads "max", a speed such as "1x", "10x" or "0.5x", or a rate in
// messages a second such as "50000/s". Numbers are above 0, at most 1000000000, and
// have at most six decimals. The error says what is wrong and what would be right.
func ParsePace(s string) (Pace, error) {
	if s == "max" {
		return Pace{}, nil
	}
	unit, number := paceSpeed, strings.TrimSuffix(s, "x")
	if number == s {
		unit, number = paceRate, strings.TrimSuffix(s, "/s")
	}
	if number == s {
		return Pace{}, fmt.Errorf("pace %q: want max, a speed such as 1x or 0.5x, or a rate such as 50000/s", s)
	}
	amount, ok := millionths(number)
	if !ok {
		return Pace{}, fmt.Errorf("pace %q: %q is not a number with at most %d decimals", s, number, paceDecimals)
	}
	if amount == 0 || amount > maxPace {
		return Pace{}, fmt.Errorf("pace %q: want more than 0 and at most %d", s, maxPace/million)
	}
	return Pace{unit, amount}, nil
}

// millionths reads a decimal number. What is too large becomes MaxUint64.
func millionths(s string) (n uint64, ok bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(fraction) || len(fraction) > paceDecimals {
		return 0, false
	}
	fraction += strings.Repeat("0", paceDecimals-len(fraction))
	n, err := strconv.ParseUint(whole+fraction, 10, 64)
	if err != nil {
		return math.MaxUint64, true
	}
	return n, true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// String gives p as ParsePace reads it.
func (p Pace) String() string {
	switch p.unit {
	case paceSpeed:
		return p.number() + "x"
	case paceRate:
		return p.number() + "/s"
	}
	return "max"
}

func (p Pace) number() string {
	s := fmt.Sprintf("%d.%0*d", p.amount/million, paceDecimals, p.amount%million)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// MarshalText gives p as ParsePace reads it. It never fails.
func (p Pace) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePace, for flags and configuration files. After an error p
// is as it was.
func (p *Pace) UnmarshalText(text []byte) error {
	q, err := ParsePace(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// after is the time between the first message and one that is elapsed ns of source
// time (for a speed) or count messages (for a rate) behind it. It is computed from
// the first one each time, so that nothing adds up.
func (p Pace) after(elapsed, count uint64) wire.Nanos {
	switch p.unit {
	case paceSpeed:
		return mulDiv(elapsed, million, p.amount)
	case paceRate:
		return mulDiv(count, 1e9*million, p.amount)
	}
	return 0
}

// never is a time that does not come. It leaves room to add any real time to it.
const never = wire.Nanos(math.MaxInt64 / 2)

// mulDiv is a*b/c, at most never. c is not 0.
func mulDiv(a, b, c uint64) wire.Nanos {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return never
	}
	q, _ := bits.Div64(hi, lo, c)
	return wire.Nanos(min(q, uint64(never)))
}
