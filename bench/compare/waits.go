package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

// waitRates are in messages a second; the first is next to none.
var waitRates = []float64{1, 1e3, 100e3}

const (
	waitFrom    = time.Second // after the word to go, when processor time is counted from
	waitSeconds = 2.0         // and how long
)

// waits measures what each way to wait costs and gives, and that busy polling gives
// nothing where it gives nothing.
func (b *bench) waits() *rig.Experiment {
	e := &rig.Experiment{Name: "waits", Title: "Processor time of each way to wait, both loops alike, two lines, journal on; and round trips one at a time, pinned"}
	cs := []candidate{b.limitPing(1, limit.Block), b.limitPing(1, limit.Busy)}
	for _, w := range []daemon.Wait{daemon.Spin, daemon.Yield, daemon.Block} {
		cs = append(cs, b.waitPing(w))
	}
	for _, rate := range waitRates {
		for _, w := range []daemon.Wait{daemon.Spin, daemon.Yield, daemon.Block} {
			cs = append(cs, b.waitLoad(w, rate))
		}
	}
	e.Runs = b.compare(b.rounds(1, 3), cs)
	return e
}

func waitColumns() []rig.Column {
	return append(rig.LatencyColumns(), rig.Column{Head: "CPU % of serve", Metric: rig.Value("serve_cpu"), Scale: 100},
		rig.Column{Head: "of listen", Metric: rig.Value("listen_cpu"), Scale: 100})
}

// waitPing makes round trips.
func (b *bench) waitPing(w daemon.Wait) candidate {
	return candidate{fmt.Sprintf("tapecast, 2 lines, round trip, %s", w), func(ctx context.Context, r *rig.Run) error {
		c := path.Channels(2, 2, b.ports())
		s := path.Settings{Interface: b.network, Wait: w, Journal: b.folder()}
		a := path.Ping{Settings: s, There: c[0], Back: c[1], Size: pingSize, Count: pick(b, 20_000, 100_000), Warmup: 2000}
		z := a
		z.CPU, z.Journal = 1, b.folder()
		r.Settings = a
		var out path.Pinged
		err := b.pair(ctx, "path-pong", "path-ping", z, a, nil, &out)
		r.Latency = out.Latency
		return err
	}}
}

// waitLoad sends at a rate, and counts the processor time of both processes in the
// middle of it.
func (b *bench) waitLoad(w daemon.Wait, rate float64) candidate {
	return candidate{fmt.Sprintf("%6.0f messages/s, one way, %s", rate, w), func(ctx context.Context, r *rig.Run) error {
		c := path.Channels(1, 2, b.ports())[0]
		s := path.Settings{Interface: b.network, Wait: w, CPU: -1}
		listen := path.Listen{Settings: s, Channel: c, Every: true}
		s.Journal = b.folder()
		defer os.RemoveAll(s.Journal)
		serve := path.Serve{Settings: s, Load: rig.Load{Rate: rate, Seconds: waitFrom.Seconds() + waitSeconds + 1}, Channel: c, Size: 40, Receivers: 1}
		r.Settings = serve
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		crew, err := b.crew(ctx, "path-serve", "path-listen", serve, listen, 1)
		if err != nil {
			return err
		}
		if err := busy(ctx, r, crew.sender, crew.receivers[0]); err != nil {
			return err
		}
		var got path.Heard
		if err := crew.receivers[0].Result(&got); err != nil {
			return err
		}
		return heard(r, crew.sender, &got)
	}}
}

// busy counts the processor time of two children for waitSeconds.
func busy(ctx context.Context, r *rig.Run, serve, listen *rig.Process) error {
	if err := pass(ctx, waitFrom); err != nil {
		return err
	}
	began, err := used(serve, listen)
	if err != nil {
		return err
	}
	if err := pass(ctx, time.Duration(waitSeconds*1e9)); err != nil {
		return err
	}
	ended, err := used(serve, listen)
	if err != nil {
		return err
	}
	took := float64(ended[0] - began[0])
	r.Set("serve_cpu", float64(ended[1]-began[1])/took)
	r.Set("listen_cpu", float64(ended[2]-began[2])/took)
	return nil
}

// used gives the time, and the processor time that each child has taken until then.
func used(serve, listen *rig.Process) (v [3]int64, err error) {
	v[0] = rig.Nanotime()
	if v[1], err = serve.CPU(); err == nil {
		v[2], err = listen.CPU()
	}
	return v, err
}

func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
