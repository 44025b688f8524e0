package clock

import "github.com/tapecast/tapecast/feed/wire"

// A Latency is a one-way delay between two stamps, as an interval that holds the
// true delay if both clocks keep their promise.
type Latency struct {
	Low, High wire.Nanos // ns; Low is at least 0 unless Impossible
	Known     bool       // both clocks promise something, or are one clock
	// Impossible is proof that a clock lies: even with both errors added, the
	// message arrived before it was sent.
	Impossible bool
}

// OneWay is the delay of what was stamped sent by clock a and received by clock b.
// The same clock id on both ends cancels the error: what remains is its rate.
func OneWay(sent wire.Nanos, a wire.Clock, received wire.Nanos, b wire.Clock) Latency {
	delay := received - sent
	if a.ID == b.ID && a.ID != 0 {
		slack := max(delay, -delay)/1000 + 2*rounding // two clocks' rates differ by at most 1000 ppm
		return within(delay, slack)
	}
	if !Promises(a.State) || !Promises(b.State) || a.Bound == wire.BoundUnknown || b.Bound == wire.BoundUnknown {
		return Latency{Low: delay, High: delay}
	}
	return within(delay, wire.Nanos(a.Bound)+wire.Nanos(b.Bound))
}

func within(delay, slack wire.Nanos) Latency {
	l := Latency{Low: delay - slack, High: delay + slack, Known: true}
	if l.High < 0 {
		l.Impossible = true
		return l
	}
	l.Low = max(l.Low, 0)
	return l
}
