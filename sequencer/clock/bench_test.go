package clock

import (
	"slices"
	"testing"
	"time"
)

func BenchmarkCounter(b *testing.B) {
	c := steady()
	for b.Loop() {
		_ = c.Counter()
	}
}

func BenchmarkNow(b *testing.B) {
	c := steady()
	for b.Loop() {
		_ = c.Now()
	}
}

func BenchmarkRead(b *testing.B) {
	c := steady()
	for b.Loop() {
		_, _ = c.Read()
	}
}

func BenchmarkLocal(b *testing.B) {
	c := NewLocal()
	for b.Loop() {
		_ = c.Now()
	}
}

// BenchmarkOverCounter tells what time, bound and state cost beyond the counter that
// every clock must read: blocks of both in turn, the median block of each.
func BenchmarkOverCounter(b *testing.B) {
	c := steady()
	const block = 1000
	var counter, read []float64
	for b.Loop() {
		begin := time.Now()
		for range block {
			c.Counter()
		}
		middle := time.Now()
		for range block {
			c.Read()
		}
		counter = append(counter, float64(middle.Sub(begin))/block)
		read = append(read, float64(time.Since(middle))/block)
	}
	raw, whole := median(counter), median(read)
	b.ReportMetric(raw, "counter-ns")
	b.ReportMetric(whole, "read-ns")
	b.ReportMetric(whole-raw, "over-ns")
	b.ReportMetric(whole/raw, "ratio")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
