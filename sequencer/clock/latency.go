package clock

import "github.com/tapecast/tapecast/feed/wire"

// A Latency is a one-way delay between two stamps, as an interval that holds the
// true delay if both clocks keep their promise.
type Latency struct {
	Delay     wire.Nanos // the difference of the stamps, ns
	Low, High wire.Nanos // ns, where Known; Low is at least 0 unless Impossible
	Known     bool       // both clocks promise something, or are one clock
	// Impossible is proof that a clock lies: even with both errors added, the
	// message arrived before it was sent.
	Impossible bool
}

// sameRate is how far two readings of one clock can be from true time between them:
// its rate is wrong by at most a thousandth.
const sameRate = 1000

// OneWay is the delay of what was stamped sent by clock a and received by clock b. The
// stamp of arrival is within slack ns of that clock's reading. The same clock id on
// both ends cancels the error: what remains is its rate.
func OneWay(sent wire.Nanos, a wire.Clock, received wire.Nanos, b wire.Clock, slack wire.Nanos) Latency {
	delay := received - sent
	if a.ID == b.ID && a.ID != 0 {
		return within(delay, slack+max(delay, -delay)/sameRate+2*rounding)
	}
	if !Promises(a.State) || !Promises(b.State) || a.Bound == wire.BoundUnknown || b.Bound == wire.BoundUnknown {
		return Latency{Delay: delay}
	}
	return within(delay, slack+wire.Nanos(a.Bound)+wire.Nanos(b.Bound))
}

func within(delay, slack wire.Nanos) Latency {
	l := Latency{Delay: delay, Low: delay - slack, High: delay + slack, Known: true}
	if l.High < 0 {
		l.Impossible = true
		return l
	}
	l.Low = max(l.Low, 0)
	return l
}
