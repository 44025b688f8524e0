package sequencer

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// TestClockOfOpenPacket: a packet that is open over turns promises for all its stamps.
func TestClockOfOpenPacket(t *testing.T) {
	synchronised := wire.Clock{State: wire.ClockSynchronised, TAI: 37, ID: 5, Bound: 400}
	with := func(change func(*wire.Clock)) wire.Clock {
		c := synchronised
		change(&c)
		return c
	}
	for _, c := range []struct {
		name string
		then wire.Clock
		want []wire.Clock // of the packets
	}{
		{"narrower", with(func(c *wire.Clock) { c.Bound = 100 }), []wire.Clock{synchronised}},
		{"wider", with(func(c *wire.Clock) { c.Bound = 900 }), []wire.Clock{with(func(c *wire.Clock) { c.Bound = 900 })}},
		{"holdover", with(func(c *wire.Clock) { c.State = wire.ClockHoldover }),
			[]wire.Clock{synchronised, with(func(c *wire.Clock) { c.State = wire.ClockHoldover })}},
		{"disrupted", wire.Clock{State: wire.ClockDisrupted, TAI: 37, ID: 6, Bound: wire.BoundUnknown},
			[]wire.Clock{synchronised, {State: wire.ClockDisrupted, TAI: 37, ID: 6, Bound: wire.BoundUnknown}}},
		{"another", with(func(c *wire.Clock) { c.ID, c.Bound = 6, 100 }),
			[]wire.Clock{synchronised, with(func(c *wire.Clock) { c.ID, c.Bound = 6, 100 })}},
	} {
		s, h := newTest(t, wire.JournalAlive)
		s.Register("in")
		s.Turn(1e18, synchronised)
		put(t, s, 1)
		s.Turn(1e18+1000, c.then)
		put(t, s, 2)
		s.Flush()
		if len(h.packets) != len(c.want) {
			t.Errorf("%s: %d packets, want %d", c.name, len(h.packets), len(c.want))
			continue
		}
		for i, p := range h.packets {
			if p.Clock() != c.want[i] {
				t.Errorf("%s, packet %d: %+v, want %+v", c.name, i, p.Clock(), c.want[i])
			}
		}
	}
}

// TestBoundOfLiftedStamp: stamps never fall, so one can lie after the time that the
// clock told. It is off by that much more.
func TestBoundOfLiftedStamp(t *testing.T) {
	for _, c := range []struct {
		late  wire.Nanos
		bound uint32
		want  wire.Clock
	}{
		{0, 400, wire.Clock{State: wire.ClockSynchronised, Bound: 400}},
		{250, 400, wire.Clock{State: wire.ClockSynchronised, Bound: 650}},
		{wire.BoundUnknown - 401, 400, wire.Clock{State: wire.ClockSynchronised, Bound: wire.BoundUnknown - 1}},
		{wire.BoundUnknown - 400, 400, wire.Clock{State: wire.ClockUnsynchronised, Bound: wire.BoundUnknown}},
		{3600e9, 400, wire.Clock{State: wire.ClockUnsynchronised, Bound: wire.BoundUnknown}},
	} {
		s, h := newTest(t, wire.JournalAlive)
		s.Register("in")
		s.Turn(1e18+c.late, wire.Clock{})
		s.Turn(1e18, wire.Clock{State: wire.ClockSynchronised, Bound: c.bound})
		put(t, s, 1)
		s.Flush()
		p := h.packets[0]
		if p.Clock() != c.want || p.Stamp() != 1e18+c.late {
			t.Errorf("%d ns late: stamp %d, %+v, want %+v", c.late, p.Stamp(), p.Clock(), c.want)
		}
	}
}
