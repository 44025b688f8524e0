package tally

import (
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Report is what the receive loop tells another goroutine: between Ask and
// Reports it belongs to the loop.
type Report struct {
	Latency *Latency // since the report before
	Message []byte   // the newest message
	Number  uint64   // its sequence
	Stamp   wire.Nanos
}

// NewReport returns a report to lend, with room for any message.
func NewReport() *Report {
	return &Report{Latency: NewLatency(), Message: make([]byte, 0, wire.MaxMessage)}
}

// Ask lends r to the receive loop, until Reports gives it back. r.Latency must be
// empty. Only one report may be lent at a time.
func (t *Tally) Ask(r *Report) { t.lent.Store(r) }

// Reports gives back the lent report after the next packet.
func (t *Tally) Reports() <-chan *Report { return t.filled }

// Finish gives the loop's last latencies, once the loop has ended.
func (t *Tally) Finish() *Latency { return t.latency }

// fill swaps the histograms, so that the loop goes on with an empty one, and
// copies the last message of d.
func (t *Tally) fill(r *Report, d recovery.Delivery) {
	r.Latency, t.latency = t.latency, r.Latency
	c := d.Cursor()
	for c.Next() {
		r.Number, r.Stamp = c.Sequence(), c.Stamp()
		r.Message = append(r.Message[:0], c.Message()...)
	}
	t.filled <- r
}
