package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/peers"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

// loadRates are in messages a second.
var loadRates = []float64{10e3, 50e3, 100e3, 500e3, 1e6}

// Families of the open-loop experiment.
const (
	oursSockets = "tapecast, sockets"
	oursRing    = "tapecast, ring"
	rawSockets  = "raw Go, sockets"
	rawRing     = "raw Go, ring"
	sockperf    = "sockperf under-load"
)

func atRate(family string, rate float64) string {
	return fmt.Sprintf("%4.0f k/s  %s", rate/1e3, family)
}

// evenLoad measures one-way latency of evenly spaced messages.
func (b *bench) evenLoad() *rig.Experiment {
	e := b.load("load", "One way, 40-byte messages evenly spaced, open loop, spinning, two lines, journal on", "")
	return e
}

// burstLoad does with the gaps of a real feed.
func (b *bench) burstLoad() *rig.Experiment {
	data := os.Getenv("TAPECAST_DATA")
	if data == "" {
		data = filepath.Join("..", "shared", "data")
	}
	file := filepath.Join(data, "binance-btcusdt-20240808", "usdm_btcusdt_20240808.gz")
	if _, err := os.Stat(file); err != nil {
		return &rig.Experiment{Name: "bursts", Title: "One way, in real bursts", Skipped: []string{fmt.Sprintf("%v: set TAPECAST_DATA", err)}}
	}
	return b.load("bursts", "One way, 40-byte messages in the bursts of Binance BTCUSDT futures (stretched to the rate), open loop, spinning, two lines, journal on", file)
}

func (b *bench) load(name, title, bursts string) *rig.Experiment {
	e := &rig.Experiment{Name: name, Title: title}
	sp, missing := peers.FindSockperf()
	if missing != nil {
		e.Skipped = append(e.Skipped, missing.Error())
	}
	var cs []candidate
	for _, rate := range loadRates {
		l := load{Load: rig.Load{Rate: rate, Seconds: pick(b, 1.5, 5), Warmup: 0.3, Bursts: bursts}, size: 40, lines: 2, receivers: 1, wait: daemon.Spin, journal: true, fresh: true, every: true}
		ring := l
		ring.receive = "ring"
		raw := l
		raw.journal, raw.send, raw.receive = false, "gso", "gro"
		rawToRing := raw
		rawToRing.send, rawToRing.receive = "mmsg", limit.Ring
		cs = append(cs,
			b.limitLoad(atRate(rawSockets, rate), raw), b.pathLoad(atRate(oursSockets, rate), l),
			b.limitLoad(atRate(rawRing, rate), rawToRing), b.pathLoad(atRate(oursRing, rate), ring))
		if missing == nil && bursts == "" {
			cs = append(cs, b.sockperfLoad(sp, rate, l.Seconds))
		}
	}
	e.Runs = b.compare(b.rounds(1, 5), cs)
	e.Marks = loadMarks(name, e.Runs)
	e.Plots = []rig.Plot{loadPlot(name+"-p50", title+": p50", e.Runs, rig.P50), loadPlot(name+"-p99", title+": p99", e.Runs, rig.P99)}
	return e
}

func (b *bench) sockperfLoad(sp peers.Sockperf, rate, seconds float64) candidate {
	return candidate{atRate(sockperf, rate), func(ctx context.Context, r *rig.Run) (err error) {
		r.Latency, err = sp.UnderLoad(ctx, b.ports(), 40, rate, seconds)
		return err
	}}
}

// loadMarks compares with the raw program at the same rate, where that keeps up.
func loadMarks(name string, rs rig.Runs) (ms []rig.Mark) {
	for _, rate := range loadRates {
		for _, pair := range [][2]string{{oursSockets, rawSockets}, {oursRing, rawRing}} {
			for _, p := range []struct {
				word string
				of   rig.Metric
			}{{"p50", rig.P50}, {"p99", rig.P99}} {
				got := rs.Ratio(atRate(pair[0], rate), atRate(pair[1], rate), p.of)
				ms = append(ms, rig.Mark{What: fmt.Sprintf("%s %s %s over raw", name, atRate(pair[0], rate), p.word), Want: 1.3, AtMost: true, Got: got})
			}
		}
		if got := rs.Ratio(atRate(oursSockets, rate), atRate(sockperf, rate), rig.P50); name == "load" {
			ms = append(ms, rig.Mark{What: fmt.Sprintf("%s %s p50 over sockperf", name, atRate(oursSockets, rate)), Want: 1, AtMost: true, Got: got})
		}
	}
	return ms
}

func loadPlot(name, title string, rs rig.Runs, m rig.Metric) rig.Plot {
	p := rig.Plot{Name: name, Title: title, X: rig.Axis{Label: "messages a second", Log: true, Text: rateText}, Y: rig.Axis{Label: "µs", Log: true}}
	for _, family := range []string{oursSockets, rawSockets, oursRing, rawRing, sockperf} {
		c := rig.Curve{Name: family}
		for _, rate := range loadRates {
			if s := rs.Spread(atRate(family, rate), m); s.N > 0 {
				c.Points = append(c.Points, [2]float64{rate, s.Median / 1e3})
			}
		}
		if len(c.Points) > 0 {
			p.Lines = append(p.Lines, c)
		}
	}
	return p
}

func rateText(v float64) string {
	if v >= 1e6 {
		return fmt.Sprintf("%.0f M", v/1e6)
	}
	return fmt.Sprintf("%.0f k", v/1e3)
}
