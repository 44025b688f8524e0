package tally

import (
	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// longest is the latency beyond which all count as one, in ns.
const longest = 60_000_000_000

// Latency is a histogram of one-way latencies, from the sequencer's stamp of a
// message to the kernel's receive stamp of the datagram that brought it. Messages
// that TCP brought are not in it. It is as true as the two clocks agree.
type Latency struct {
	histogram *hdr.Histogram
	negative  int64
}

// NewLatency returns an empty histogram: 1 ns to 60 s, three digits.
func NewLatency() *Latency { return &Latency{histogram: hdr.New(1, longest, 3)} }

// add counts the new messages of d, those of equal stamp at once.
func (l *Latency) add(d recovery.Delivery) {
	var run int64
	var stamp wire.Nanos
	c := d.Cursor()
	for ; c.Next(); run++ {
		if s := c.Stamp(); s != stamp {
			l.record(int64(d.Received-stamp), run)
			stamp, run = s, 0
		}
	}
	l.record(int64(d.Received-stamp), run)
}

func (l *Latency) record(ns, n int64) {
	if n == 0 {
		return
	}
	if ns < 0 {
		l.negative += n
	}
	_ = l.histogram.RecordValues(min(max(ns, 0), longest), n) // cannot fail inside its bounds
}

// Merge adds what from holds and empties it.
func (l *Latency) Merge(from *Latency) {
	l.histogram.Merge(from.histogram)
	l.negative += from.negative
	from.histogram.Reset()
	from.negative = 0
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
	Negative int64 `json:"negative,omitempty"` // counted as 0: the clocks disagree
}

// Quantiles gives those of all that was counted, or nil if nothing was.
func (l *Latency) Quantiles() *Quantiles {
	h := l.histogram
	if h.TotalCount() == 0 {
		return nil
	}
	return &Quantiles{
		Count: h.TotalCount(), Min: h.Min(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90),
		P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), Max: h.Max(), Negative: l.negative,
	}
}
