package rig

import (
	"fmt"
	"slices"
)

// Run is one run of one candidate.
type Run struct {
	Name     string             `json:"name"`              // of the candidate
	Turn     int                `json:"turn"`              // runs of one turn ran side by side in time
	Failed   string             `json:"failed,omitempty"`  // why it is no measurement
	Refused  []string           `json:"refused,omitempty"` // higher rates that were tried before, and why they failed
	Settings any                `json:"settings,omitempty"`
	Latency  *Latency           `json:"latency_ns,omitempty"`
	Values   map[string]float64 `json:"values,omitempty"`
}

// Fail keeps the first reason why r is no measurement.
func (r *Run) Fail(format string, args ...any) {
	if r.Failed == "" {
		r.Failed = fmt.Sprintf(format, args...)
	}
}

// Set keeps a value.
func (r *Run) Set(name string, v float64) {
	if r.Values == nil {
		r.Values = map[string]float64{}
	}
	r.Values[name] = v
}

// A Metric takes one number out of a run; ok is false where it has none.
type Metric func(r *Run) (v float64, ok bool)

// Value is the metric of that name.
func Value(name string) Metric {
	return func(r *Run) (float64, bool) {
		v, ok := r.Values[name]
		return v, ok
	}
}

// Percentiles of latency, in ns.
var (
	P50  Metric = percentile(func(l *Latency) int64 { return l.P50 })
	P99  Metric = percentile(func(l *Latency) int64 { return l.P99 })
	P999 Metric = percentile(func(l *Latency) int64 { return l.P999 })
)

func percentile(of func(*Latency) int64) Metric {
	return func(r *Run) (float64, bool) {
		if r.Latency == nil || r.Latency.Count == 0 {
			return 0, false
		}
		return float64(of(r.Latency)), true
	}
}

// Spread is a number measured several times.
type Spread struct {
	N      int     `json:"n"` // 0: never measured
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// SpreadOf sorts vs.
func SpreadOf(vs []float64) Spread {
	if len(vs) == 0 {
		return Spread{}
	}
	vs = slices.Sorted(slices.Values(vs))
	return Spread{len(vs), vs[0], vs[len(vs)/2], vs[len(vs)-1]}
}

// Scale multiplies by f.
func (s Spread) Scale(f float64) Spread { return Spread{s.N, s.Min * f, s.Median * f, s.Max * f} }

// String gives the median, and the others where there are.
func (s Spread) String() string {
	switch s.N {
	case 0:
		return "-"
	case 1:
		return Digits(s.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", Digits(s.Median), Digits(s.Min), Digits(s.Max))
}

// Digits writes v with three digits or so.
func Digits(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.1 && v > -0.1:
		return fmt.Sprintf("%.4f", v)
	case v < 10 && v > -10:
		return fmt.Sprintf("%.2f", v)
	case v < 100 && v > -100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// Runs are those of one experiment.
type Runs []Run

// Spread is m over the good runs of a candidate.
func (rs Runs) Spread(name string, m Metric) Spread {
	var vs []float64
	for i := range rs {
		if v, ok := m(&rs[i]); ok && rs[i].Name == name && rs[i].Failed == "" {
			vs = append(vs, v)
		}
	}
	return SpreadOf(vs)
}

// Ratio is m of candidate a over that of b, turn by turn.
func (rs Runs) Ratio(a, b string, m Metric) Spread {
	var vs []float64
	for i := range rs {
		for j := range rs {
			if rs[i].Name != a || rs[j].Name != b || rs[i].Turn != rs[j].Turn || rs[i].Failed+rs[j].Failed != "" {
				continue
			}
			va, oka := m(&rs[i])
			vb, okb := m(&rs[j])
			if oka && okb && vb != 0 {
				vs = append(vs, va/vb)
			}
		}
	}
	return SpreadOf(vs)
}

// Names are the candidates, in order of appearance.
func (rs Runs) Names() (names []string) {
	for i := range rs {
		if !slices.Contains(names, rs[i].Name) {
			names = append(names, rs[i].Name)
		}
	}
	return names
}

// Of are the runs of a candidate.
func (rs Runs) Of(name string) (out Runs) {
	for i := range rs {
		if rs[i].Name == name {
			out = append(out, rs[i])
		}
	}
	return out
}
