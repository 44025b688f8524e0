package settings

import (
	"math"
	"strconv"
	"strings"
)

// units of sizes, larger first, so that a size shows in the largest that fits it.
var units = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

// Size is a number of bytes, such as 64MiB.
func Size(to *int64) Value { return Parsed(to, "SIZE", parseSize, showSize) }

func parseSize(s string) (int64, error) {
	number, factor := s, int64(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			number, factor = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err == nil && (n < 0 || n > math.MaxInt64/factor) {
		err = strconv.ErrRange
	}
	return n * factor, orWant(err, "a size such as 64MiB, 512KiB or 1000000 (bytes)")
}

func showSize(n int64) string {
	for _, u := range units[:3] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// Share is a part of the whole: 1%, or 0.01.
func Share(to *float64) Value {
	return Parsed(to, "SHARE", parseShare, func(f float64) string {
		if f == 0 {
			return "0"
		}
		return strconv.FormatFloat(f*100, 'g', 6, 64) + "%"
	})
}

func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err == nil && !(f >= 0 && f <= 1) {
		err = strconv.ErrRange
	}
	return f, orWant(err, "a share from 0% to 100%, such as 1% or 0.01")
}
