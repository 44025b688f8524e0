package estimate

import (
	"math"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Leaps turns UTC, which repeats or skips a second at a leap, into a scale without
// leaps, and back. It knows of one leap ahead. It belongs to one loop.
//
// On the scale without leaps an inserted second is [at, at+1 s).
type Leaps struct {
	tai   int   // TAI - UTC now, seconds
	shift int64 // the scale less UTC now, ns
	at    int64 // scale, ns: where the next leap begins
	delta int64 // +1 s for an inserted second, -1 s for a left out one, 0 for none
}

// second in ns.
const second = int64(1e9)

// NewLeaps starts with the published TAI - UTC.
func NewLeaps(tai int) *Leaps { return &Leaps{tai: tai} }

// Announce tells of the leap at the UTC midnight given, ns: a second is inserted
// before it, or left out.
func (l *Leaps) Announce(midnight int64, insert bool) {
	l.delta, l.at = second, midnight+l.shift
	if !insert {
		l.delta, l.at = -second, midnight+l.shift-second
	}
}

// Month takes the word, at utc, for a leap at the end of that UTC month: it counts on the
// month's last day, unless one is announced already.
func (l *Leaps) Month(utc int64, insert bool) {
	now := wire.Nanos(utc).Time()
	end := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	if !l.Ahead() && end.Sub(now) < 24*time.Hour {
		l.Announce(end.UnixNano(), insert)
	}
}

// Ahead reports whether a leap is announced and has not passed.
func (l *Leaps) Ahead() bool { return l.delta != 0 }

// TAI is TAI - UTC in seconds, as packets say it.
func (l *Leaps) TAI() int { return l.tai }

// guard is how near to a leap a server's stamp is not believed.
const guard = 2 * second

// Scale gives the place of a UTC time on the scale without leaps; ok is false near
// a leap, where UTC means two times.
func (l *Leaps) Scale(utc int64) (scale int64, ok bool) {
	scale = utc + l.shift
	if l.delta == 0 {
		return scale, true
	}
	if scale > l.at-guard && scale < l.at+guard {
		return 0, false
	}
	if scale > l.at {
		scale += l.delta
	}
	return scale, true
}

// near reports whether some of the scale from a to b is within a second of a leap.
func (l *Leaps) near(a, b int64) bool {
	return l.delta != 0 && b >= l.at-second && a <= l.at+max(l.delta, 0)+second
}

// pass moves on when the leap is over at scale.
func (l *Leaps) pass(scale int64) {
	if l.delta != 0 && scale >= l.at+guard+second {
		l.shift, l.tai, l.delta = l.shift+l.delta, l.tai+int(l.delta/second), 0
	}
}

// utc is the UTC to publish for a scale time, and where on the scale the line that
// begins there must end. Inside an inserted second time stands still.
func (l *Leaps) utc(scale int64) (utc, until int64, still bool) {
	switch {
	case l.delta == 0:
		return scale - l.shift, math.MaxInt64, false
	case scale < l.at:
		return scale - l.shift, l.at, false
	case scale < l.at+l.delta:
		return l.at - l.shift, l.at + l.delta, true
	}
	return scale - l.shift - l.delta, math.MaxInt64, false
}
