package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/multicast"
)

// benchResult is what a benchmark ends with. Latencies are in ns.
type benchResult struct {
	Command  string       `json:"command"`
	Machine  rig.Machine  `json:"machine"`
	Settings any          `json:"settings,omitempty"`
	What     string       `json:"what"` // is timed
	Latency  *rig.Latency `json:"latency_ns,omitempty"`
	Bare     *rig.Latency `json:"bare_latency_ns,omitempty"` // of bare sockets, for the same
	Messages uint64       `json:"messages"`
	Rate     float64      `json:"messages_per_second,omitempty"`
	Late     float64      `json:"late_seconds"` // the last message was put so late
	Lag      float64      `json:"journal_lag_seconds"`
	Repaired uint64       `json:"repaired"`
	Lost     uint64       `json:"lost"`
	Drops    uint64       `json:"kernel_drops"`
}

func (r *benchResult) rows(t *table) {
	t.row("machine", r.Machine)
	t.row("messages", grouped(r.Messages))
	if r.Rate > 0 {
		t.row("rate", fmt.Sprintf("%s a second", grouped(uint64(r.Rate))))
	}
	t.row("repaired", fmt.Sprintf("%s, lost %s, dropped by the kernel %s", grouped(r.Repaired), grouped(r.Lost), grouped(r.Drops)))
	if r.Latency != nil && r.Latency.Count > 0 {
		t.row(r.What, r.Latency)
	}
	if r.Bare != nil {
		t.row("bare sockets", r.Bare)
	}
	if r.Late > 0.01 {
		t.row("late", fmt.Sprintf("%.3f s: this host cannot offer that rate", r.Late))
	}
}

// benchRun is one run.
type benchRun struct {
	*benchConfig
	self rig.Launcher
	dir  string // of the journals, "" without
	out  *benchResult
}

// runBench runs one benchmark, or one end of it.
func (a *app) runBench(ctx context.Context, c *benchConfig, name string, run func(b *benchRun, ctx context.Context) error) error {
	if err := c.check(); err != nil {
		return err
	}
	self, err := benchLauncher()
	if err != nil {
		return err
	}
	b := &benchRun{benchConfig: c, self: self, out: &benchResult{Command: name, Machine: rig.ThisMachine()}}
	if c.journal != "" {
		if b.dir, err = os.MkdirTemp(c.journal, "tapecast-bench-"); err != nil {
			return &settings.Error{Place: "--journal", Problem: err.Error() + "; name a folder that can be written"}
		}
		defer os.RemoveAll(b.dir)
	}
	if err := b.alone(ctx, run); err != nil || c.serve {
		return err
	}
	if err := a.finish(b.out, c.json); err != nil {
		return err
	}
	if b.out.Lost > 0 {
		return fmt.Errorf("%w: %d messages lost", errData, b.out.Lost)
	}
	return nil
}

// check finds what cannot be measured before anything starts.
func (c *benchConfig) check() error {
	switch {
	case c.serve && c.peer == "":
		return &settings.Error{Place: "--serve", Problem: "needs --peer, the host that measures"}
	case c.rate <= 0:
		return &settings.Error{Place: "--rate", Problem: "nothing is sent at 0 messages a second; give more"}
	case c.seconds <= 0:
		return &settings.Error{Place: "--seconds", Problem: "nothing is sent in 0 seconds; give more"}
	}
	if _, err := multicast.FindInterface(c.iface); err != nil {
		return &settings.Error{Place: "--interface", Problem: err.Error()}
	}
	return nil
}

// alone runs run, whose children end with it. What the user interrupts has no result,
// whatever its children say of their end.
func (b *benchRun) alone(signals context.Context, run func(b *benchRun, ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(signals)
	defer cancel()
	err := run(b, ctx)
	if err != nil && signals.Err() != nil {
		return errors.New("interrupted before the end, so there is no result")
	}
	return err
}

// channel is the one that is published on this side (mine) or on the other; step
// sets the one back apart from the one there.
func (b *benchRun) channel(step int, mine bool) path.Channel {
	host := "127.0.0.1"
	if b.peer != "" && mine {
		host = "0.0.0.0"
	} else if b.peer != "" {
		host = b.peer
	}
	c := path.Channel{Retransmit: fmt.Sprintf("%s:%d", host, b.port+step)}
	for _, g := range []netip.AddrPort{b.lineA, b.lineB}[:b.lines()] {
		c.Groups = append(c.Groups, netip.AddrPortFrom(g.Addr(), g.Port()+uint16(step)))
	}
	return c
}

func (b *benchRun) lines() int {
	if b.oneLine {
		return 1
	}
	return 2
}

// end is the settings of one process, number 0 or 1.
func (b *benchRun) end(n int, publishes bool) path.Settings {
	s := path.Settings{Interface: b.iface, Receive: b.receive, Send: b.send, Wait: b.wait, CPU: -1}
	if b.cpu >= 0 && b.peer == "" {
		s.CPU = b.cpu + n
	} else {
		s.CPU = b.cpu
	}
	if publishes && b.dir != "" {
		s.Journal = filepath.Join(b.dir, fmt.Sprint(n))
	}
	return s
}

// ends runs the first role, the second, or both, as --peer and --serve have it.
// The first is the end that --serve is; it is told to go at once.
func (b *benchRun) ends(ctx context.Context, first, second string, argsFirst, argsSecond, intoFirst, into any) error {
	var p *rig.Process
	var err error
	if b.peer == "" || b.serve {
		if p, err = b.self.Start(ctx, first, argsFirst); err != nil {
			return err
		}
		if err := p.Ready(nil); err != nil {
			return err
		}
		if err := p.Go(); err != nil {
			return err
		}
	}
	if !b.serve {
		q, err := b.self.Start(ctx, second, argsSecond)
		if err != nil {
			return err
		}
		if err := q.Result(into); err != nil {
			return err
		}
	}
	if p == nil {
		return nil
	}
	return p.Result(intoFirst)
}

// warmup is how many round trips before those are not counted.
func (b *benchRun) warmup() int { return min(b.count, 2000) }

func (b *benchRun) ping(ctx context.Context) error {
	a := path.Ping{Settings: b.end(1, true), There: b.channel(0, !b.serve), Back: b.channel(1, b.serve), Size: b.size, Count: b.count, Warmup: b.warmup()}
	z := a
	z.Settings = b.end(0, true)
	var out path.Pinged
	if err := b.ends(ctx, "path-pong", "path-ping", z, a, nil, &out); err != nil || b.serve {
		return err
	}
	b.out.Settings, b.out.What, b.out.Latency = a, "round trip", out.Latency
	b.out.Messages, b.out.Repaired, b.out.Lost, b.out.Drops = uint64(b.count), out.Repaired, out.Lost, out.Drops
	if b.peer == "" && b.wait == daemon.Spin {
		return b.bare(ctx)
	}
	return nil
}

// bare makes the same round trips with bare sockets.
func (b *benchRun) bare(ctx context.Context) error {
	a := limit.Ping{
		Net:    limit.Net{Interface: b.iface, Port: int(b.lineA.Port()), Lines: b.lines()},
		Method: limit.Sockets, Size: b.size, Count: b.count, Warmup: b.warmup(), CPU: b.end(1, false).CPU,
	}
	if b.receive == multicast.ReceiveRing {
		a.Method = limit.Ring
	}
	z := a
	z.CPU = b.end(0, false).CPU
	pong, err := b.self.Start(ctx, "limit-pong", z)
	if err != nil {
		return err
	}
	if err := pong.Ready(nil); err != nil {
		return err
	}
	ping, err := b.self.Start(ctx, "limit-ping", a)
	if err != nil {
		return err
	}
	var out limit.Pinged
	if err := ping.Result(&out); err != nil {
		return err
	}
	b.out.Bare = out.Latency
	return pong.Stop()
}

// offered is what the publishing end does, and the subscribing end's part.
func (b *benchRun) offered() (path.Serve, path.Listen) {
	c := b.channel(0, b.serve)
	load := rig.Load{Rate: b.benchConfig.rate, Seconds: b.seconds}
	serve := path.Serve{Settings: b.end(0, true), Load: load, Channel: c, Size: b.size, Receivers: 1}
	listen := path.Listen{Settings: b.end(1, false), Channel: c, Every: b.benchConfig.rate <= 1e6, Remote: b.peer != ""}
	return serve, listen
}

func (b *benchRun) rate(ctx context.Context) error {
	serve, listen := b.offered()
	var served path.Served
	var heard path.Heard
	err := b.ends(ctx, "path-serve", "path-listen", serve, listen, &served, &heard)
	b.heard(&served, &heard)
	b.out.Settings, b.out.What, b.out.Latency = serve, "one way", heard.Latency
	return err
}

func (b *benchRun) heard(served *path.Served, heard *path.Heard) {
	b.out.Messages, b.out.Repaired, b.out.Lost, b.out.Drops = heard.Messages, heard.Repaired, heard.Lost, heard.Drops
	b.out.Late, b.out.Lag = served.Late, served.Lag
	if d := heard.Last - heard.First; d > 0 {
		b.out.Rate = float64(heard.Messages) / float64(d) * 1e9
	}
}

func (b *benchRun) repair(ctx context.Context) error {
	serve, listen := b.offered()
	args := path.Repair{Listen: listen, Every: uint64(b.lose), Grace: path.DefaultGrace}
	var served path.Served
	var got path.Repaired
	err := b.ends(ctx, "path-serve", "path-repair", serve, args, &served, &got)
	b.heard(&served, &got.Heard)
	b.out.Settings, b.out.What, b.out.Latency = args, "repair", got.Took
	return err
}
