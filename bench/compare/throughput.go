package main

import (
	"context"
	"fmt"

	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

func throughputColumns() []rig.Column {
	return []rig.Column{
		{Head: "M messages/s", Metric: rig.Value("rate"), Scale: 1e-6},
		{Head: "late s", Metric: rig.Value("late")},
		{Head: "journal lag s", Metric: rig.Value("journal_lag")},
		{Head: "repaired", Metric: rig.Value("repaired")},
		{Head: "p50 µs", Metric: rig.P50, Scale: 1e-3},
	}
}

// load is one open-loop run.
type load struct {
	rig.Load
	size      int
	lines     int
	receivers int
	send      string
	receive   string
	wait      daemon.Wait
	journal   bool
	every     bool
}

func (b *bench) throughput() *rig.Experiment {
	seconds := pick(b, 4.0, 10)
	var cs []candidate
	for _, rate := range pick(b, []float64{5e6, 10e6, 20e6}, []float64{5e6, 10e6, 15e6, 20e6, 30e6}) {
		l := load{Load: rig.Load{Rate: rate, Seconds: seconds}, size: 40, lines: 2, receivers: 1, wait: daemon.Spin, journal: true}
		name := fmt.Sprintf("%.0f M/s", rate/1e6)
		cs = append(cs, b.pathLoad("tapecast "+name, l))
		l.send, l.receive = "gso", "gro"
		cs = append(cs, b.limitLoad("raw Go "+name, l))
	}
	return &rig.Experiment{Name: "throughput", Title: "40-byte messages, both lines, journal on, open loop", Runs: b.compare(b.rounds(1, 3), cs)}
}

// history is what the daemon keeps in memory where much is sent, in bytes.
const history = 1 << 30

func (b *bench) pathLoad(name string, l load) candidate {
	return candidate{name, func(ctx context.Context, r *rig.Run) error {
		c := path.Channels(1, l.lines, b.ports())[0]
		s := path.Settings{Interface: b.network, Send: l.send, Wait: l.wait, CPU: 0}
		_ = s.Receive.UnmarshalText([]byte(l.receive))
		listen := path.Listen{Settings: s, Channel: c, Warm: l.Warm(), Every: l.every}
		listen.CPU = 1
		if l.journal {
			s.Journal, s.History = b.folder(), history
		}
		serve := path.Serve{Settings: s, Load: l.Load, Channel: c, Size: l.size, Receivers: l.receivers}
		r.Settings = serve
		return b.pathStream(ctx, r, serve, listen)
	}}
}
