package main

import (
	"context"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/rig"
)

// sends compares ways to hand full datagrams to the kernel, those that tapecast has and
// some that it could have.
func (b *bench) sends() *rig.Experiment {
	e := &rig.Experiment{Name: "sends", Title: "Full datagrams of 1,384 bytes, batches of 46, one line, to nobody: bare Go"}
	var cs []candidate
	for _, method := range limit.SendMethods() {
		cs = append(cs, candidate{method, func(ctx context.Context, r *rig.Run) error {
			a := limit.Sends{Net: limit.Net{Interface: b.network, Port: b.ports(), Lines: 1}, Method: method, Count: pick(b, 500_000, 2_000_000)}
			r.Settings = a
			var out limit.SendsTook
			if err := b.alone(ctx, "limit-sends", a, &out); err != nil {
				return err
			}
			r.Set("ns", out.Nanos)
			r.Set("cpu_ns", out.CPU)
			return nil
		}})
	}
	e.Runs = b.compare(b.rounds(3, 9), cs)
	return e
}

func sendsColumns() []rig.Column {
	return []rig.Column{{Head: "ns/datagram", Metric: rig.Value("ns")}, {Head: "of processor time", Metric: rig.Value("cpu_ns")}}
}
