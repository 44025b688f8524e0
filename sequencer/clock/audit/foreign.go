package audit

import (
	"errors"
	"fmt"
)

// other is what the readings of sources other than NTP servers say.
type other struct {
	last  *Reading // the last one used
	said  apart    // by the last one: UTC less the counter at it
	zero  apart    // CLOCK_MONOTONIC less the counter, by all
	facts []factSet
	tai   int  // TAI - UTC as the last anchor tells it
	leaps bool // one was announced
}

// read derives the interval of a reading.
func (c *checker) read(r *Record) error {
	x, o := r.Reading, &c.other
	if x.PTP != nil && !x.PTP.UTC {
		o.zero = x.monotonic(o.zero)
	}
	if !x.Used {
		return nil
	}
	if c.assume.Samples == 0 {
		return unsound(r, "nothing was declared before it")
	}
	if !c.shifted(x.Shift) {
		return unsound(r, "it is moved by %d ns onto the scale without leap seconds: so many have not been", x.Shift)
	}
	said, err := c.word(x)
	if err != nil {
		return unsound(r, "%v", err)
	}
	o.last, o.said = x, said
	if c.base == 0 {
		c.base = said.low
	}
	if x.PTP == nil {
		return nil
	}
	if x.Restart || o.facts == nil {
		o.facts = []factSet{{probation: x.Restart}}
	}
	o.facts[0].hold(bound{x.Counter, float64(said.high - c.base)}, bound{x.Counter, float64(said.low - c.base)}, c.assume)
	return nil
}

func (c *checker) word(x *Reading) (apart, error) {
	if x.PTP != nil {
		return x.hardware(c.other.zero, c.assume.PTPError, c.assume.PTPTAI)
	}
	return x.host(c.assume.HostDrift)
}

// shifted reports whether UTC may be so far from the scale without leap seconds: by those
// that passed since the start, and by one that was announced.
func (c *checker) shifted(by int64) bool {
	off := by - int64(c.other.tai-c.assume.TAI)*1e9
	return off == 0 || c.other.leaps && (off == 1e9 || off == -1e9)
}

var errUnread = errors.New("no reading of that source is in the trail, or a later one is of another")

// foreign is the interval of an anchor that names another source than the servers.
func (c *checker) foreign(u *Update) (held, error) {
	o := &c.other
	if o.last == nil || o.last.From != u.From {
		return held{}, fmt.Errorf("%q: %w", u.From, errUnread)
	}
	if o.last.PTP != nil {
		one := checker{assume: c.assume, facts: o.facts}
		one.assume.Servers, one.assume.Faulty, one.assume.Poll = 1, 0, c.assume.MaxAge // how old they are is looked at there
		return one.region(u.Counter)
	}
	if u.Counter != o.last.Counter {
		return held{}, fmt.Errorf("%q was read at counter %d", u.From, o.last.Counter)
	}
	drift := c.assume.HostDrift
	return held{u.Counter, float64(o.said.low - c.base), float64(o.said.high - c.base), -drift, drift, true}, nil
}
