package clock

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

func TestOneWay(t *testing.T) {
	good := func(id, bound uint32) wire.Clock {
		return wire.Clock{State: wire.ClockSynchronised, ID: id, Bound: bound}
	}
	bad := wire.Clock{State: wire.ClockUnsynchronised, ID: 7, Bound: wire.BoundUnknown}
	for _, c := range []struct {
		name  string
		a, b  wire.Clock
		delay wire.Nanos
		slack wire.Nanos
		want  Latency
	}{
		{name: "two clocks", a: good(1, 100), b: good(2, 50), delay: 400, slack: 10, want: Latency{Delay: 400, Low: 240, High: 560, Known: true}},
		{name: "cut at 0", a: good(1, 300), b: good(2, 300), delay: 400, want: Latency{Delay: 400, Low: 0, High: 1000, Known: true}},
		{name: "holdover", a: wire.Clock{State: wire.ClockHoldover, ID: 1, Bound: 100}, b: good(2, 50), delay: 400, want: Latency{Delay: 400, Low: 250, High: 550, Known: true}},
		{name: "early within the errors", a: good(1, 100), b: good(2, 50), delay: -150, want: Latency{Delay: -150, Low: 0, High: 0, Known: true}},
		{name: "proof of a lie", a: good(1, 100), b: good(2, 50), delay: -151, want: Latency{Delay: -151, Low: -301, High: -1, Known: true, Impossible: true}},
		{name: "slack excuses it", a: good(1, 100), b: good(2, 50), delay: -151, slack: 1, want: Latency{Delay: -151, Low: 0, High: 0, Known: true}},
		{name: "no promise there", a: bad, b: good(2, 50), delay: -151, want: Latency{Delay: -151}},
		{name: "no promise here", a: good(1, 100), b: bad, delay: 400, want: Latency{Delay: 400}},
		{name: "disrupted", a: wire.Clock{State: wire.ClockDisrupted, ID: 1, Bound: 5}, b: good(2, 50), delay: 400, want: Latency{Delay: 400}},
		{name: "unknown bound", a: good(1, wire.BoundUnknown), b: good(2, 50), delay: 400, want: Latency{Delay: 400}},
		{name: "one clock", a: good(7, 1e6), b: good(7, 1e6), delay: 5000, want: Latency{Delay: 5000, Low: 4989, High: 5011, Known: true}},
		{name: "one clock without a promise", a: bad, b: bad, delay: 5000, slack: 100, want: Latency{Delay: 5000, Low: 4889, High: 5111, Known: true}},
		{name: "one clock against itself", a: bad, b: bad, delay: -1000, want: Latency{Delay: -1000, Low: -1007, High: -993, Known: true, Impossible: true}},
		{name: "no identity", a: wire.Clock{}, b: wire.Clock{}, delay: 400, want: Latency{Delay: 400}},
	} {
		if got := OneWay(1e18, c.a, 1e18+c.delay, c.b, c.slack); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
