package rig

import (
	"fmt"
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// longest is what longer latencies count as, in ns.
const longest = 60_000_000_000

// Histogram counts latencies, 1 ns to a minute, three digits.
type Histogram struct{ h *hdr.Histogram }

// NewHistogram returns an empty one.
func NewHistogram() Histogram { return Histogram{hdr.New(1, longest, 3)} }

// Add counts one latency in ns.
func (h Histogram) Add(ns int64) { _ = h.h.RecordValue(min(max(ns, 1), longest)) } // cannot fail inside its bounds

// Latency is a distribution in ns.
type Latency struct {
	Count    int64        `json:"count"`
	Min      int64        `json:"min"`
	P50      int64        `json:"p50"`
	P90      int64        `json:"p90"`
	P99      int64        `json:"p99"`
	P999     int64        `json:"p99_9"`
	P9999    int64        `json:"p99_99"`
	Max      int64        `json:"max"`
	Mean     float64      `json:"mean"`
	Spectrum [][2]float64 `json:"spectrum,omitempty"` // share at or below, ns; for plots
}

// Latency gives what was counted.
func (h Histogram) Latency() *Latency {
	q := h.h.ValueAtQuantile
	l := &Latency{
		Count: h.h.TotalCount(), Min: h.h.Min(), P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), P9999: q(99.99),
		Max: h.h.Max(), Mean: h.h.Mean(),
	}
	// Eight points for each halving of what lies above, as far as there are counts.
	for i := 0; l.Count > 0; i++ {
		above := math.Pow(0.5, float64(i)/8)
		l.Spectrum = append(l.Spectrum, [2]float64{1 - above, float64(q(100 * (1 - above)))})
		if above*float64(l.Count) < 1 {
			break
		}
	}
	return l
}

// Less gives l with every latency that much shorter, ns: what was waited on purpose.
func (l *Latency) Less(ns int64) *Latency {
	if l == nil {
		return nil
	}
	m := *l
	for _, p := range []*int64{&m.Min, &m.P50, &m.P90, &m.P99, &m.P999, &m.P9999, &m.Max} {
		*p -= ns
	}
	m.Mean, m.Spectrum = l.Mean-float64(ns), nil
	for _, p := range l.Spectrum {
		m.Spectrum = append(m.Spectrum, [2]float64{p[0], p[1] - float64(ns)})
	}
	return &m
}

// String gives the usual percentiles in µs.
func (l *Latency) String() string {
	if l == nil || l.Count == 0 {
		return "no latencies"
	}
	return fmt.Sprintf("p50 %s  p99 %s  p99.9 %s  max %s µs", Micros(l.P50), Micros(l.P99), Micros(l.P999), Micros(l.Max))
}

// Micros writes ns in µs, three digits.
func Micros(ns int64) string {
	us := float64(ns) / 1000
	switch {
	case us < 10:
		return fmt.Sprintf("%.2f", us)
	case us < 100:
		return fmt.Sprintf("%.1f", us)
	}
	return fmt.Sprintf("%.0f", us)
}
