package tally

import (
	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/clock"
)

// longest is the latency beyond which all count as one, in ns.
const longest = 60_000_000_000

// Stamps says what a kernel receive stamp, ns of the host's UTC, is on some clock, what
// that clock promises, and what the stamp may be off its reading, ns. It must not wait
// or allocate.
type Stamps interface {
	Stamp(rx wire.Nanos) (utc wire.Nanos, c wire.Clock, slack wire.Nanos)
}

// Latency is histograms of one-way latencies, from the sequencer's stamp of a message
// to the kernel's receive stamp of the datagram that brought it, and of the ends of the
// intervals that hold the true ones. Messages that TCP brought are not in it.
type Latency struct {
	delay, low, high *hdr.Histogram
	counts
}

type counts struct {
	negative   int64
	unknown    int64 // messages whose latency has no interval
	impossible int64 // messages whose interval ends before 0
	worst      int64 // ns before it was sent, of the earliest of those, with both errors added
}

// NewLatency returns an empty one: 1 ns to 60 s, three digits.
func NewLatency() *Latency {
	return &Latency{delay: hdr.New(1, longest, 3), low: hdr.New(1, longest, 3), high: hdr.New(1, longest, 3)}
}

// add counts the new messages of d, those of equal stamp at once.
func (l *Latency) add(d recovery.Delivery, stamps Stamps) {
	rx, receiver, slack := stamps.Stamp(d.Received)
	sender := d.Clock()
	if d.CloseStamp() == d.Stamp() { // all were taken in one turn
		l.record(clock.OneWay(d.Stamp(), sender, rx, receiver, slack), int64(d.Messages()))
		return
	}
	var run int64
	var stamp wire.Nanos
	c := d.Cursor()
	for ; c.Next(); run++ {
		if s := c.Stamp(); s != stamp {
			l.record(clock.OneWay(stamp, sender, rx, receiver, slack), run)
			stamp, run = s, 0
		}
	}
	l.record(clock.OneWay(stamp, sender, rx, receiver, slack), run)
}

func (l *Latency) record(o clock.Latency, n int64) {
	if n == 0 {
		return
	}
	if o.Delay < 0 {
		l.negative += n
	}
	put(l.delay, o.Delay, n)
	switch {
	case !o.Known:
		l.unknown += n
		return
	case o.Impossible:
		l.impossible += n
		l.worst = max(l.worst, -int64(o.High))
	}
	put(l.low, o.Low, n)
	put(l.high, o.High, n)
}

func put(h *hdr.Histogram, ns wire.Nanos, n int64) {
	_ = h.RecordValues(min(max(int64(ns), 0), longest), n) // cannot fail inside its bounds
}

// Merge adds what from holds and empties it.
func (l *Latency) Merge(from *Latency) {
	for _, pair := range [...][2]*hdr.Histogram{{l.delay, from.delay}, {l.low, from.low}, {l.high, from.high}} {
		pair[0].Merge(pair[1])
		pair[1].Reset()
	}
	l.negative += from.negative
	l.unknown += from.unknown
	l.impossible += from.impossible
	l.worst = max(l.worst, from.worst)
	from.counts = counts{}
}

// Quantiles of latency, in ns.
type Quantiles struct {
	Count    int64 `json:"count"`
	Min      int64 `json:"min"`
	P50      int64 `json:"p50"`
	P90      int64 `json:"p90"`
	P99      int64 `json:"p99"`
	P999     int64 `json:"p99_9"`
	Max      int64 `json:"max"`
	Negative int64 `json:"negative,omitempty"` // counted as 0

	// The true quantiles lie between these, if both clocks keep their promise. nil
	// where no latency has an interval.
	Low  *Quantiles `json:"low,omitempty"`
	High *Quantiles `json:"high,omitempty"`

	Unknown    int64 `json:"unknown,omitempty"`    // without an interval: a clock promises nothing
	Impossible int64 `json:"impossible,omitempty"` // arrived before they were sent, even with both errors added: a clock lies
	Worst      int64 `json:"worst,omitempty"`      // by so much, at the most
}

// Quantiles gives those of all that was counted, or nil if nothing was.
func (l *Latency) Quantiles() *Quantiles {
	q := quantiles(l.delay)
	if q == nil {
		return nil
	}
	q.Negative, q.Low, q.High = l.negative, quantiles(l.low), quantiles(l.high)
	q.Unknown, q.Impossible, q.Worst = l.unknown, l.impossible, l.worst
	return q
}

func quantiles(h *hdr.Histogram) *Quantiles {
	if h.TotalCount() == 0 {
		return nil
	}
	return &Quantiles{
		Count: h.TotalCount(), Min: h.Min(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90),
		P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(),
	}
}
