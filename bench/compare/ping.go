package main

import (
	"context"
	"fmt"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/multicast"
)

// pingSize is the datagram of the raw programs and the message of ours, in bytes.
const pingSize = 64

// Names of candidates that marks refer to.
func rawPing(lines int, method string) string {
	return fmt.Sprintf("raw Go, %s, %s", count(lines), method)
}
func pathPing(lines int, method string) string {
	return fmt.Sprintf("tapecast, %s, %s", count(lines), method)
}

func count(lines int) string {
	if lines == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", lines)
}

// rawC is the bare ping-pong in C.
const rawC = "raw C, 1 line, sockets"

// ping compares round trips.
func (b *bench) ping() *rig.Experiment {
	e := &rig.Experiment{Name: "ping", Title: "Round trip, one at a time; ours whole: put, stamp, history, journal, send; receive, arbitrate, order, handler; and back"}
	var cs []candidate
	if c, err := limit.CompileC(b.ctx, b.dir); err != nil {
		e.Skipped = append(e.Skipped, rawC+": "+err.Error())
	} else {
		cs = append(cs, b.cPing(c))
	}
	for _, lines := range []int{1, 2} {
		for _, method := range []string{limit.Sockets, limit.Ring} {
			cs = append(cs, b.limitPing(lines, method), b.pathPing(lines, method))
		}
	}
	cs = append(cs, b.limitPing(1, limit.Block), b.pathPing(2, limit.Block))
	e.Runs = b.compare(b.rounds(3, 9), cs)
	e.Marks = pingMarks(e.Runs)
	e.Plots = []rig.Plot{rig.PercentilePlot("ping", "Round trip by percentile", e.Runs)}
	return e
}

// pingMarks are what the round trip must reach.
func pingMarks(rs rig.Runs) (ms []rig.Mark) {
	for _, method := range []string{limit.Sockets, limit.Ring} {
		ours, raw := pathPing(2, method), rawPing(2, method)
		ms = append(ms,
			rig.Mark{What: "round trip p50 over raw, " + method, Want: 1.2, AtMost: true, Got: rs.Ratio(ours, raw, rig.P50)},
			rig.Mark{What: "round trip p99 over raw, " + method, Want: 1.2, AtMost: true, Got: rs.Ratio(ours, raw, rig.P99)})
	}
	return append(ms,
		rig.Mark{What: "round trip p50, ring, two lines, over raw C sockets", Want: 1, AtMost: true, Got: rs.Ratio(pathPing(2, limit.Ring), rawC, rig.P50)},
		rig.Mark{What: "round trip p50, ring, one line, over raw C sockets", Want: 0.85, AtMost: true, Got: rs.Ratio(pathPing(1, limit.Ring), rawC, rig.P50)})
}

func (b *bench) cPing(c limit.C) candidate {
	return candidate{rawC, func(ctx context.Context, r *rig.Run) (err error) {
		a := b.rawArgs(1)
		r.Settings = a
		r.Latency, err = c.Ping(ctx, a)
		return err
	}}
}

// rawArgs are those of a raw ping.
func (b *bench) rawArgs(lines int) limit.Ping {
	return limit.Ping{
		Net:  limit.Net{Interface: b.network, Port: b.ports(), Lines: lines},
		Size: pingSize, Count: pick(b, 50_000, 200_000), Warmup: 5000,
	}
}

func (b *bench) limitPing(lines int, method string) candidate {
	return candidate{rawPing(lines, method), func(ctx context.Context, r *rig.Run) error {
		a := b.rawArgs(lines)
		a.Method = method
		z := a
		z.CPU = 1
		r.Settings = a
		var out limit.Pinged
		if err := b.pair(ctx, "limit-pong", "limit-ping", z, a, nil, &out); err != nil {
			return err
		}
		r.Latency = out.Latency
		if out.Lost > 0 {
			r.Fail("%d round trips lost", out.Lost)
		}
		return nil
	}}
}

func (b *bench) pathPing(lines int, method string) candidate {
	return candidate{pathPing(lines, method), func(ctx context.Context, r *rig.Run) error {
		s := path.Settings{Interface: b.network, Wait: daemon.Spin, Journal: b.folder()}
		switch method {
		case limit.Ring:
			s.Receive = multicast.ReceiveRing
		case limit.Block:
			s.Wait = daemon.Block
		}
		c := path.Channels(2, lines, b.ports())
		a := path.Ping{Settings: s, There: c[0], Back: c[1], Size: pingSize, Count: pick(b, 50_000, 200_000), Warmup: 5000}
		z := a
		z.CPU, z.Journal = 1, b.folder()
		r.Settings = a
		var out path.Pinged
		if err := b.pair(ctx, "path-pong", "path-ping", z, a, nil, &out); err != nil {
			return err
		}
		r.Latency = out.Latency
		r.Set("repaired", float64(out.Repaired))
		if out.Lost > 0 {
			r.Fail("%d messages lost", out.Lost)
		}
		return nil
	}}
}
