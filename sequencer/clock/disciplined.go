package clock

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Disciplined is a clock whose time and bound follow the anchors that a control
// loop publishes. Reads are safe from any thread; one loop publishes.
//
// # Why no lock is needed
//
// A thread may hold an old anchor for any time while others read a newer one, and
// still time must not fall between them. A new anchor starts at or after the old
// one's End, on its line; before its own Start it reads as the old one. So two
// readings within segments are in order whoever was interrupted where. Only past
// the End, when the control loop is late, can an old anchor run ahead of a newer
// one. Whoever reads there leaves its time in mark, and nobody reads less than
// mark. The mark is written only then, so it stays in every processor's cache.
type Disciplined struct {
	base   time.Time // the counter's zero
	anchor atomic.Pointer[Anchor]
	mark   atomic.Int64
}

// NewDisciplined begins like Local, with the host's word for the time and without a
// promise, until the first Publish.
func NewDisciplined() *Disciplined {
	c := &Disciplined{base: time.Now()}
	c.anchor.Store(Undisciplined(c.base.UnixNano()))
	return c
}

// Undisciplined is the anchor of a clock that knows nothing yet: utc at counter 0.
// As long as nobody reads it, it may be replaced by any other.
func Undisciplined(utc int64) *Anchor {
	return &Anchor{
		Segment: Segment{UTC: utc},
		Ahead:   math.MaxInt64, Behind: math.MaxInt64,
		State: wire.ClockUnsynchronised, TAI: wire.TAIUnknown, ID: bootID(),
		virgin: true, plain: nobody,
	}
}

// Counter reads the counter that anchors map, ns. It is Go's monotonic clock,
// which no step of the host's clock moves.
func (c *Disciplined) Counter() int64 { return int64(time.Since(c.base)) }

// Base is the host's reading of time at counter 0, with the monotonic reading that
// counts from there.
func (c *Disciplined) Base() time.Time { return c.base }

// Read gives a stamp, never less than any read before, and its state and bound.
func (c *Disciplined) Read() (wire.Nanos, wire.Clock) {
	a, counter := c.anchor.Load(), int64(time.Since(c.base))
	if counter < a.Start || counter > a.plain {
		return c.readSlow()
	}
	utc := a.At(counter)
	if utc < c.mark.Load() {
		return c.readSlow()
	}
	return wire.Nanos(utc), a.state(a.Bound(counter))
}

// readSlow is for readings outside of a segment. The counter is read again after
// the anchor is loaded: an anchor and the one before it know nothing of older lines.
func (c *Disciplined) readSlow() (wire.Nanos, wire.Clock) {
	a := c.claim()
	counter := int64(time.Since(c.base))
	line, inside := a.time(counter)
	utc := c.ordered(line, inside)
	return wire.Nanos(utc), a.state(a.Bound(counter) + utc - line)
}

// Now is nanoseconds UTC, never less than any read before.
func (c *Disciplined) Now() wire.Nanos {
	a, counter := c.anchor.Load(), int64(time.Since(c.base))
	if counter >= a.Start && counter <= a.plain {
		if utc := a.At(counter); utc >= c.mark.Load() {
			return wire.Nanos(utc)
		}
	}
	utc, _ := c.readSlow()
	return utc
}

// State is what a stamp made now would say.
func (c *Disciplined) State() wire.Clock {
	_, s := c.anchor.Load().Read(int64(time.Since(c.base)))
	return s
}

func (c *Disciplined) ordered(utc int64, inside bool) int64 {
	mark := c.mark.Load()
	if utc < mark {
		return mark
	}
	if inside {
		return utc
	}
	return c.raise(utc, mark)
}

// raise lifts the mark to utc, unless it is higher.
func (c *Disciplined) raise(utc, mark int64) int64 {
	for utc > mark {
		if c.mark.CompareAndSwap(mark, utc) {
			return utc
		}
		mark = c.mark.Load()
	}
	return mark
}

// claim marks that time has been read: it may not step any more.
func (c *Disciplined) claim() *Anchor {
	for {
		a := c.anchor.Load()
		if !a.virgin {
			return a
		}
		read := *a
		read.virgin, read.plain = false, read.End
		if c.anchor.CompareAndSwap(a, &read) {
			return &read
		}
	}
}

// Anchor is the one in force. It must not be changed.
func (c *Disciplined) Anchor() *Anchor { return c.anchor.Load() }

// Unread reports whether a step is still allowed.
func (c *Disciplined) Unread() bool { return c.anchor.Load().virgin }

// Publish puts a in force; the clock owns a from then on. It returns ErrOrder, and
// changes nothing, when time could fall for some reader: unless nobody has read the
// time yet, a must begin at or after the End of the anchor in force, on or above
// its line, and carry it as Before; and the one in force must have begun.
func (c *Disciplined) Publish(a *Anchor) error {
	old := c.anchor.Load()
	if old.virgin {
		a.virgin, a.plain = true, nobody
		if c.anchor.CompareAndSwap(old, a) {
			return nil
		}
		old = c.anchor.Load()
	}
	if !a.Follows(old) || a.Segment != old.Segment && c.Counter() < old.Start {
		return ErrOrder
	}
	a.virgin, a.plain = false, a.End
	c.anchor.Store(a)
	return nil
}
