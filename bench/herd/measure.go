package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// observer is the receiver that lost nothing. It keeps every latency.
type observer struct {
	utc  int64 // of the host's clock at 0 of the monotonic one, ns
	last atomic.Uint64
	seen []sample // the receive loop's until it is over
	lost uint64
}

// sample is one message: when it was due, and how much later it had left the sender,
// by the kernel's stamp, and was delivered here, ns. sent is 0 where it was repaired.
type sample struct{ due, sent, delivered int64 }

// Packet implements recovery.Handler.
func (o *observer) Packet(d recovery.Delivery) {
	at := rig.Nanotime()
	var m wire.Opaque
	c := d.Cursor()
	for c.Next() {
		if c.Kind() == wire.KindOpaque && m.Decode(c.Message()) == nil {
			due := int64(binary.LittleEndian.Uint64(m.Data))
			s := sample{due: due, delivered: at - due}
			if d.Received != 0 {
				s.sent = int64(d.Received) - o.utc - due
			}
			o.seen = append(o.seen, s)
		}
	}
	o.last.Store(d.Next() - 1)
}

// Event implements recovery.Handler.
func (o *observer) Event(e recovery.Event) {
	if e.Kind == recovery.EventLost {
		o.lost += e.Last - e.First + 1
	}
}

// span is a window of time, ns.
type span struct{ from, to int64 }

// turn is one window of each kind; during is the part of the one with the herd in
// which it was being served.
type turn struct{ without, with, during span }

// measure runs all of it and prints what it found.
func measure(ctx context.Context, s settings) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	debug.SetGCPercent(-1) // a collection here is no latency of what is measured
	var err error
	if s.Journal, err = os.MkdirTemp("", "tapecast-herd-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.Journal)
	self, err := rig.Self()
	if err != nil {
		return err
	}
	server, err := self.Start(ctx, "serve", s)
	if err != nil {
		return err
	}
	defer server.Stop()
	var addr string
	if err := server.Ready(&addr); err != nil {
		return err
	}
	o := &observer{utc: time.Now().UnixNano() - rig.Nanotime(), seen: make([]sample, 0, int(s.Rate*(2*s.Window.Seconds()*float64(s.Turns)+10)))}
	heard := make(chan error, 1)
	listening, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		heard <- multicast.Subscribe(listening, multicast.Config{Retransmit: []string{addr}, Interface: "lo", Name: "observer"}, o)
	}()
	for o.last.Load() < 2*s.Range && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	turns, took, bytes, err := takeTurns(ctx, s, self[0], addr, o)
	if err != nil {
		return err
	}
	stop()
	<-heard
	if o.lost > 0 {
		return fmt.Errorf("the observer lost %d messages: no measurement", o.lost)
	}
	report(s, o, turns, took, bytes)
	return nil
}

// takeTurns lets windows with and without a herd alternate.
func takeTurns(ctx context.Context, s settings, self, addr string, o *observer) (turns []turn, took []float64, bytes int64, err error) {
	args, err := json.Marshal(struct {
		Server string
		settings
	}{addr, s})
	if err != nil {
		return nil, nil, 0, err
	}
	cmd := exec.CommandContext(ctx, self, "herd", string(args))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, 0, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, 0, err
	}
	defer cmd.Wait()
	defer in.Close()
	answers := bufio.NewReader(out)
	ask := func(first, last uint64) (st stampede, err error) {
		if err := json.NewEncoder(in).Encode(stampede{First: first, Last: last}); err != nil {
			return st, err
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			return st, fmt.Errorf("the herd ended: %w", err)
		}
		return st, json.Unmarshal(line, &st)
	}
	for i := range s.Turns + 1 {
		if err := ctx.Err(); err != nil {
			return nil, nil, 0, err
		}
		var t turn
		for k := range 2 {
			if _, err := ask(0, 0); err != nil { // alive, and behind us
				return nil, nil, 0, err
			}
			time.Sleep(200 * time.Millisecond)
			from := rig.Nanotime()
			if (k == 0) == (i%2 == 0) { // who is first changes, too
				t.without = span{from, from + int64(s.Window)}
			} else {
				t.with = span{from, from + int64(s.Window)}
				if !s.Control {
					last := o.last.Load()
					st, err := ask(last-s.Range+1, last)
					if err != nil {
						return nil, nil, 0, err
					}
					t.during = span{from, rig.Nanotime()}
					took, bytes = append(took, float64(st.Took)/1e6), st.Bytes
				}
			}
			time.Sleep(time.Duration(from + int64(s.Window) - rig.Nanotime()))
		}
		if i > 0 { // the first one warms up
			turns = append(turns, t)
		}
	}
	return turns, took, bytes, nil
}

// sent and delivered are what a quantile is taken of.
func sent(s sample) int64      { return s.sent }
func delivered(s sample) int64 { return s.delivered }

// quantile is that of what was due in a window, µs.
func (o *observer) quantile(of func(sample) int64, w span, q float64) float64 {
	var ls []int64
	for _, s := range o.seen {
		if s.due >= w.from && s.due < w.to {
			ls = append(ls, of(s))
		}
	}
	if len(ls) == 0 {
		return 0
	}
	slices.Sort(ls)
	return float64(ls[min(int(q*float64(len(ls))), len(ls)-1)]) / 1000
}

func report(s settings, o *observer, turns []turn, took []float64, bytes int64) {
	fmt.Println(rig.ThisMachine())
	fmt.Printf("%.0f messages a second, %d clients ask for %d messages at once, %d turns of 2 windows of %v, herd at nice %d\n", s.Rate, s.Clients, s.Range, len(turns), s.Window, s.Nice)
	for _, m := range []struct {
		name string
		of   func(sample) int64
		q    float64
	}{
		{"published p50", sent, 0.5}, {"published p99", sent, 0.99}, {"published p99.9", sent, 0.999},
		{"delivered p50", delivered, 0.5}, {"delivered p99", delivered, 0.99}, {"delivered p99.9", delivered, 0.999},
	} {
		var without, with, during, ratio []float64
		for _, t := range turns {
			a, b := o.quantile(m.of, t.without, m.q), o.quantile(m.of, t.with, m.q)
			without, with, during, ratio = append(without, a), append(with, b), append(during, o.quantile(m.of, t.during, m.q)), append(ratio, b/a)
		}
		fmt.Printf("%-15s  without %v µs; with %v µs; ratio %v; while the herd is served %v µs\n", m.name,
			rig.SpreadOf(without), rig.SpreadOf(with), rig.SpreadOf(ratio), rig.SpreadOf(during))
	}
	if len(took) > 0 {
		fmt.Printf("the last client had everything after %v ms; %.1f MB in all\n", rig.SpreadOf(took), float64(bytes)/1e6)
	}
}
