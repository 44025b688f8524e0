package main

import (
	"context"
	"fmt"
	"io"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/peers"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

// A rival is somebody who carries messages, and what it does for each.
type rival struct {
	name   string
	does   string
	ping   func(ctx context.Context, r *rig.Run) error
	stream func(ctx context.Context, r *rig.Run) error
}

// rivals are those installed here, and why the others are not.
func (b *bench) rivals(e *rig.Experiment) (rs []rival) {
	pings := pick(b, 10_000, 50_000)
	skip := func(err error) bool {
		if err != nil {
			e.Skipped = append(e.Skipped, err.Error())
		}
		return err != nil
	}
	if sp, err := peers.FindSockperf(); !skip(err) {
		rs = append(rs, rival{"sockperf", "bare datagrams: nothing else", func(ctx context.Context, r *rig.Run) (err error) {
			r.Latency, err = sp.Ping(ctx, b.ports(), pingSize, pick(b, 2.0, 5))
			return err
		}, rate(func(ctx context.Context) (float64, error) {
			return sp.Send(ctx, b.ports(), 40, pick(b, 2.0, 5))
		})})
	}
	if z, err := peers.CompileZeroMQ(b.ctx, b.dir); !skip(err) {
		rs = append(rs, rival{"ZeroMQ, tcp", "TCP's order, to one receiver at a time; no numbering, stamp, history or repair across a reconnect", func(ctx context.Context, r *rig.Run) (err error) {
			r.Latency, err = z.Ping(ctx, b.ports(), pingSize, pings, 1000)
			return err
		}, rate(func(ctx context.Context) (float64, error) {
			return z.Stream(ctx, b.ports(), 40, pick(b, 3_000_000, 10_000_000))
		})})
	}
	if n, err := peers.BuildNATS(b.ctx, ".", b.dir); !skip(err) {
		rs = append(rs, rival{"NATS", "subjects, a broker between; core NATS keeps nothing and repairs nothing", func(ctx context.Context, r *rig.Run) (err error) {
			r.Latency, err = n.Ping(ctx, peers.NATSArgs{Port: b.ports(), Size: pingSize, Count: pings, Warmup: 1000})
			return err
		}, rate(func(ctx context.Context) (float64, error) {
			return n.Stream(ctx, peers.NATSArgs{Port: b.ports(), Size: 40, Count: pick(b, 1_500_000, 5_000_000)})
		})})
	}
	return rs
}

func rate(of func(ctx context.Context) (float64, error)) func(ctx context.Context, r *rig.Run) error {
	return func(ctx context.Context, r *rig.Run) error {
		v, err := of(ctx)
		r.Set("rate", v)
		return err
	}
}

// Names in the comparison with peers.
const (
	streamOf = "stream: "
	oursPing = "tapecast"
	ringPing = "tapecast, ring"
	blocked  = "tapecast, blocking"
)

// peers compares round trips and throughput with what others use.
func (b *bench) peers() *rig.Experiment {
	e := &rig.Experiment{Name: "peers", Title: "Peers side by side: 64-byte round trips, then 40-byte messages a second (ours: two lines, journal on in round trips)"}
	rivals := b.rivals(e)
	cs := []candidate{
		{oursPing, b.pathPing(2, limit.Sockets).run}, {ringPing, b.pathPing(2, limit.Ring).run}, {blocked, b.pathPing(2, limit.Block).run},
	}
	for _, v := range rivals {
		cs = append(cs, candidate{v.name, v.ping})
	}
	l := load{Load: rig.Load{Seconds: pick(b, 2.0, 5)}, size: 40, lines: 2, receivers: 1, wait: daemon.Block}
	cs = append(cs, b.highest(streamOf+oursPing, ladder(30e6, 4e6, 0.8), func(rate float64) candidate { return b.pathLoad("", l.at(rate)) }))
	for _, v := range rivals {
		cs = append(cs, candidate{streamOf + v.name, v.stream})
	}
	e.Runs = b.compare(b.rounds(1, 5), cs)
	for _, v := range rivals {
		e.Marks = append(e.Marks,
			rig.Mark{What: "round trip p50 over " + v.name, Want: 1, AtMost: true, Got: e.Runs.Ratio(oursPing, v.name, rig.P50), Note: v.does},
			rig.Mark{What: "round trip p50, ring, over " + v.name, Want: 1, AtMost: true, Got: e.Runs.Ratio(ringPing, v.name, rig.P50)},
			rig.Mark{What: "round trip p50, blocking, over " + v.name, Want: 1, AtMost: true, Got: e.Runs.Ratio(blocked, v.name, rig.P50)},
			rig.Mark{What: "messages a second over " + v.name, Want: 1, Got: e.Runs.Ratio(streamOf+oursPing, streamOf+v.name, rig.Value("rate"))},
		)
	}
	return e
}

// markdown writes the marks of a report as a table.
func markdown(w io.Writer, r *rig.Report) {
	fmt.Fprintf(w, "%s\n\n| what | wanted | measured: median (min to max) | |\n|---|---|---|---|\n", r.Machine)
	for _, e := range r.Experiments {
		for i := range e.Marks {
			m := &e.Marks[i]
			sign := "≥"
			if m.AtMost {
				sign = "≤"
			}
			fmt.Fprintf(w, "| %s | %s %s %s | %s | %s |\n", m.What, sign, rig.Digits(m.Want), m.Unit, m.Got, m.Met())
		}
	}
}
