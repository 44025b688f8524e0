package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

const (
	liveHeap    = 1 << 30   // bytes that the program keeps
	garbage     = 256 << 20 // bytes a second that it uses once
	heapRate    = 20_000    // messages a second
	heapNone    = "a program that keeps nothing"
	heapDefault = "1 GiB of objects, GOGC=100"
	heapSpin    = "the same, the receive loop spinning"
	heapOff     = "1 GiB of objects, GOGC=off with GOMEMLIMIT"
	heapOutside = "1 GiB outside the heap, GOGC=100"
	heapApart   = "receiving in a process of its own"
	heapBehind  = "1 GiB of objects, GOGC=100, following that"
)

// heap measures what a subscriber suffers from the garbage collections of the
// program around it, and each way out.
func (b *bench) heap() *rig.Experiment {
	e := &rig.Experiment{Name: "heap", Title: "One way, 20,000 messages a second, loops blocking, into a program that keeps 1 GiB and makes 256 MiB of garbage a second"}
	objects := path.Heap{Live: liveHeap, Garbage: garbage, Percent: 100}
	none, spin, off, outside := objects, objects, objects, objects
	none.Live = 0
	spin.Wait = daemon.Spin
	off.Percent, off.Limit = -1, liveHeap+int64((b.heapSeconds()+5)*garbage)
	outside.Outside = true
	e.Runs = b.compare(b.rounds(1, 3), []candidate{
		{heapNone, b.heapOf(none, 1)}, {heapDefault, b.heapOf(objects, 1)}, {heapSpin, b.heapOf(spin, 1)},
		{heapOff, b.heapOf(off, 0)}, {heapOutside, b.heapOf(outside, 1)},
		{heapApart, b.heapApart(objects, false)}, {heapBehind, b.heapApart(objects, true)},
	})
	for _, way := range []string{heapOff, heapOutside, heapApart} {
		e.Marks = append(e.Marks, rig.Mark{What: "p99 over a program that keeps nothing: " + way, Want: 1.5, AtMost: true, Got: e.Runs.Ratio(way, heapNone, rig.P99)})
	}
	return e
}

func heapColumns() []rig.Column {
	return append(rig.LatencyColumns(), rig.Column{Head: "collections", Metric: rig.Value("collections")}, rig.Column{Head: "paused ms", Metric: rig.Value("paused"), Scale: 1e-6})
}

func (b *bench) heapSeconds() float64 { return pick(b, 10.0, 20) }

// heapServe is the publishing side of c.
func (b *bench) heapServe(c path.Channel) path.Serve {
	s := path.Settings{Interface: b.network, Wait: daemon.Block, CPU: -1, Journal: b.folder(), Linger: time.Second}
	return path.Serve{Settings: s, Load: rig.Load{Rate: heapRate, Seconds: b.heapSeconds()}, Channel: c, Size: 40, Receivers: 1}
}

// heapListen is the receiving side of c.
func (b *bench) heapListen(c path.Channel, wait daemon.Wait) path.Listen {
	if wait == "" {
		wait = daemon.Block
	}
	return path.Listen{Settings: path.Settings{Interface: b.network, Wait: wait, CPU: -1}, Channel: c, Every: true, Warm: heapRate / 2}
}

// heapOf subscribes inside the program.
func (b *bench) heapOf(h path.Heap, collections int64) func(ctx context.Context, r *rig.Run) error {
	return func(ctx context.Context, r *rig.Run) error {
		serve := b.heapServe(path.Channels(1, 2, b.ports())[0])
		defer os.RemoveAll(serve.Journal)
		h := h
		h.Listen = b.heapListen(serve.Channel, h.Wait)
		r.Settings = h
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		crew, err := b.crew(ctx, "path-serve", "path-heap", serve, h, 1)
		if err != nil {
			return err
		}
		return heaped(r, crew.sender, crew.receivers[0], collections)
	}
}

// heaped reads what came of a program and its sender.
func heaped(r *rig.Run, sender, receiver *rig.Process, collections int64) error {
	var got path.Heaped
	if err := receiver.Result(&got); err != nil {
		return err
	}
	r.Set("collections", float64(got.Collected))
	r.Set("paused", float64(got.Paused))
	if got.Collected < collections || collections == 0 && got.Collected > 0 {
		r.Fail("%d collections: this measured something else", got.Collected)
	}
	return heard(r, sender, &got.Heard)
}

func heard(r *rig.Run, sender *rig.Process, got *path.Heard) error {
	var sent path.Served
	if err := sender.Result(&sent); err != nil {
		return err
	}
	r.Latency = got.Latency
	r.Set("repaired", float64(got.Repaired))
	r.Set("memory", float64(got.Memory))
	if got.Lost > 0 || got.Messages != sent.Messages || got.Chain != sent.Chain {
		r.Fail("%d of %d messages, %d lost", got.Messages, sent.Messages, got.Lost)
	}
	if sent.Late > late {
		r.Fail("the sender was %.2f s late", sent.Late)
	}
	return nil
}

// heapApart receives in a process of its own, which the program follows. behind gives
// the program's latency, otherwise that process's.
func (b *bench) heapApart(h path.Heap, behind bool) func(ctx context.Context, r *rig.Run) error {
	return func(ctx context.Context, r *rig.Run) error {
		port := b.ports()
		serve := b.heapServe(path.Channels(1, 2, port)[0])
		relay := path.Relay{Listen: b.heapListen(serve.Channel, ""), Serve: path.Channels(1, 2, port+portsOf/2)[0].Retransmit}
		relay.Journal = b.folder()
		defer os.RemoveAll(serve.Journal)
		defer os.RemoveAll(relay.Journal)
		h := h
		h.Listen = b.heapListen(serve.Channel, "")
		h.Channel.Retransmit, h.TCP = relay.Serve, true
		r.Settings = h
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var ps [3]*rig.Process // sender, process of its own, program: each is ready before the next starts
		for i, child := range []struct {
			role string
			args any
		}{{"path-serve", serve}, {"path-relay", relay}, {"path-heap", h}} {
			var err error
			if ps[i], err = b.self.Start(ctx, child.role, child.args); err != nil {
				return err
			}
			if err := ps[i].Ready(nil); err != nil {
				return err
			}
		}
		if err := ps[0].Go(); err != nil {
			return err
		}
		return followed(r, ps[0], ps[1], ps[2], behind)
	}
}

// followed reads what came of a program that follows, and of the process before it.
func followed(r *rig.Run, sender, apart, program *rig.Process, behind bool) error {
	var of path.Heard
	if behind {
		return errors.Join(heaped(r, sender, program, 1), apart.Result(&of))
	}
	var got path.Heaped
	if err := errors.Join(program.Result(&got), apart.Result(&of)); err != nil {
		return err
	}
	r.Set("collections", float64(got.Collected))
	if got.Collected == 0 {
		r.Fail("no collections: this measured something else")
	}
	return heard(r, sender, &of)
}
