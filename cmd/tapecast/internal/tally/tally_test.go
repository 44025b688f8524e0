package tally

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// packet makes one whose messages have the given stamps.
func packet(first uint64, stamps ...wire.Nanos) wire.Packet {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	msg := (&wire.OrderDelete{Order: 7}).AppendTo(nil)
	for _, s := range stamps {
		b.Add(msg, s)
	}
	session, _ := wire.ParseSession("test")
	p, _ := b.Close(wire.Header{Type: wire.TypeSequenced, Session: session, Epoch: 3, Sequence: first}, stamps[len(stamps)-1])
	return p
}

func delivery(p wire.Packet, from recovery.Provenance, received, now wire.Nanos) recovery.Delivery {
	return recovery.Delivery{Packet: p, From: from, Received: received, Now: now}
}

func TestCounts(t *testing.T) {
	a := New(host{})
	d := delivery(packet(1, 10, 10, 20), recovery.LineA, 120, 1000)
	d.Skip = 1
	a.Packet(d)
	a.Packet(delivery(packet(4, 30), recovery.Repair, 0, 2000))
	a.Event(recovery.Event{Kind: recovery.EventLost, First: 5, Last: 6, Cause: recovery.CauseAttempts})
	a.Event(recovery.Event{Kind: recovery.EventLost, First: 7, Last: 7, Cause: recovery.CauseAttempts})
	a.Packet(delivery(packet(8, 40, 50), recovery.LineB, 150, 3000))
	a.Event(recovery.Event{Kind: recovery.EventOrphaned, First: 7, Last: 9})
	a.Event(recovery.Event{Kind: recovery.EventEpoch, Epoch: 4, Last: 6})

	got := [...]uint64{a.First, a.Messages(), a.Last(), a.Kept(), uint64(a.Epoch), uint64(a.Latest - a.Begun)}
	want := [...]uint64{2, 5, 6, 3, 4, 2000}
	if got != want {
		t.Errorf("first, messages, last, kept, epoch, time: got %v, want %v", got, want)
	}
	if d := cmp.Diff([]Range{{5, 7, "attempts exhausted"}}, a.Lost.List); d != "" {
		t.Error(d)
	}
	if a.Orphaned.Messages != 3 || a.Orphaned.List[0].First != 7 {
		t.Errorf("orphaned %+v", a.Orphaned)
	}
	q := a.Finish().Quantiles()
	if q.Count != 4 || q.Min != 100 || q.Max != 110 {
		t.Errorf("latencies %+v", q)
	}
}

func TestLatencyBounds(t *testing.T) {
	l := NewLatency()
	if q := l.Quantiles(); q != nil {
		t.Errorf("an empty histogram has quantiles: %+v", q)
	}
	l.add(delivery(packet(1, 1000, 2000), recovery.LineA, 1500, 0), host{})
	l.add(delivery(packet(1, 1000), recovery.LineA, 1000+2*longest, 0), host{})
	q := l.Quantiles()
	if q.Count != 3 || q.Negative != 1 || q.Min != 0 || q.Max < longest || q.Low != nil || q.Unknown != 3 {
		t.Errorf("%+v", q)
	}
}

// Each latency has the interval that both clocks' errors leave it, and one that ends
// before 0 is an alarm.
func TestIntervals(t *testing.T) {
	sender := wire.Clock{State: wire.ClockSynchronised, ID: 1, Bound: 1000}
	l, receiver := NewLatency(), host{Clock: wire.Clock{State: wire.ClockSynchronised, ID: 2, Bound: 500}, ahead: 70, slack: 30}
	l.add(delivery(said(sender, packet(1, 10_000, 10_000, 12_000)), recovery.LineA, 14_930, 0), receiver) // 5000, 5000, 3000
	q := l.Quantiles()
	if q.P50/10 != 500 || q.Low.P50/10 != 347 || q.High.P50/10 != 653 || q.Low.Min/10 != 147 || q.Impossible != 0 || q.Unknown != 0 {
		t.Errorf("%+v, low %+v, high %+v", q, q.Low, q.High)
	}
	l.add(delivery(said(sender, packet(4, 20_000)), recovery.LineA, 18_930-600, 0), receiver) // -1600: proof
	l.add(delivery(said(wire.Clock{ID: 1, Bound: wire.BoundUnknown}, packet(5, 20_000)), recovery.LineA, 0, 0), receiver)
	if q = l.Quantiles(); q.Impossible != 1 || q.Worst != 70 || q.Unknown != 1 || q.Negative != 2 {
		t.Errorf("%+v", q)
	}
	other := NewLatency()
	other.Merge(l)
	if q := other.Quantiles(); q.Impossible != 1 || q.Worst != 70 || q.Low.Count != 4 || l.Quantiles() != nil || l.impossible != 0 {
		t.Errorf("merged %+v", q)
	}
}

// host is a receiver's clock.
type host struct {
	wire.Clock
	ahead, slack wire.Nanos
}

func (h host) Stamp(rx wire.Nanos) (wire.Nanos, wire.Clock, wire.Nanos) {
	return rx + h.ahead, h.Clock, h.slack
}

// said is p with another clock. Nothing here looks at the checksum.
func said(c wire.Clock, p wire.Packet) wire.Packet {
	h := p.Header()
	h.Clock = c
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	m := p.Cursor()
	for m.Next() {
		b.Add(m.Message(), m.Stamp())
	}
	q, _ := b.Close(h, p.CloseStamp())
	return q
}

// The state, bound and identity that packets state are counted and shown.
func TestClocks(t *testing.T) {
	a := New(host{})
	for i, c := range []wire.Clock{
		{State: wire.ClockSynchronised, TAI: 37, ID: 5, Bound: 900}, {State: wire.ClockHoldover, TAI: 37, ID: 5, Bound: 1200},
		{State: wire.ClockDisrupted, TAI: -128, ID: 6, Bound: wire.BoundUnknown},
	} {
		a.Packet(delivery(said(c, packet(uint64(2*i+1), 10, 20)), recovery.LineA, 0, 0))
		if got, ok := a.Clocks.Latest(); !ok || got != c {
			t.Errorf("%+v, want %+v", got, c)
		}
	}
	if a.Clocks.Messages != [4]uint64{0, 2, 2, 2} || a.Clocks.Widest != 1200 {
		t.Errorf("%+v", a.Clocks.Messages)
	}
}

// A lent report comes back filled after the next packet, and the loop goes on with
// an empty histogram.
func TestReport(t *testing.T) {
	a := New(host{})
	r := NewReport()
	a.Packet(delivery(packet(1, 10), recovery.LineA, 20, 0))
	a.Ask(r)
	select {
	case <-a.Reports():
		t.Fatal("filled before a packet came")
	default:
	}
	a.Packet(delivery(packet(2, 30, 40), recovery.LineA, 50, 0))
	a.Packet(delivery(packet(4, 60), recovery.LineA, 60, 0))
	got := <-a.Reports()
	if got != r || got.Number != 3 || got.Stamp != 40 || len(got.Message) < wire.HeadLen {
		t.Errorf("report %+v", got)
	}
	if n := got.Latency.Quantiles().Count; n != 3 {
		t.Errorf("the report has %d latencies, want 3", n)
	}
	if n := a.Finish().Quantiles().Count; n != 1 {
		t.Errorf("the loop goes on with %d latencies, want 1", n)
	}
}

func TestRangesAreBounded(t *testing.T) {
	var r Ranges
	for i := range uint64(MaxRanges + 10) {
		r.Add(2*i, 2*i, "x")
	}
	if len(r.List) != MaxRanges || r.Messages != MaxRanges+10 {
		t.Errorf("%d ranges of %d messages", len(r.List), r.Messages)
	}
}

func TestAllocations(t *testing.T) {
	a := New(host{})
	d := delivery(packet(1, 10, 20, 30), recovery.LineA, 100, 0)
	if n := testing.AllocsPerRun(100, func() { a.Packet(d) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	r := NewReport()
	if n := testing.AllocsPerRun(100, func() {
		a.Ask(r)
		a.Packet(d)
		r = <-a.Reports()
	}); n != 0 {
		t.Errorf("%v allocations a report", n)
	}
}
