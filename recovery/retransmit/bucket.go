package retransmit

import "github.com/tapecast/tapecast/feed/wire"

// A bucket limits a rate. It keeps the time at which all that was taken is paid
// for, at rate a second; as far ahead as burst may be borrowed. Rate 0 is unlimited.
type bucket struct {
	rate  uint64
	burst wire.Nanos
	paid  wire.Nanos
}

// cost is the time that n take at the bucket's rate. n is at most a few MB.
func (b *bucket) cost(n int) wire.Nanos {
	if b.rate == 0 {
		return 0
	}
	return wire.Nanos(uint64(n) * uint64(second) / b.rate)
}

// wait is how long to wait before n may be taken, 0 not at all.
func (b *bucket) wait(now wire.Nanos, n int) wire.Nanos {
	if b.rate == 0 {
		return 0
	}
	return max(b.paid+b.cost(n)-b.burst-now, 0)
}

// take takes n, whether or not it had to wait.
func (b *bucket) take(now wire.Nanos, n int) {
	b.paid = max(b.paid, now) + b.cost(n)
}
