// Command nats plays the roles of a NATS server and its clients for the benchmarks.
// It is a module of its own, so that who uses tapecast does not inherit NATS.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/tapecast/tapecast/bench/peers"
	"github.com/tapecast/tapecast/bench/rig"
)

func main() {
	roles := rig.Roles{"nats-server": serve, "nats-ping": ping, "nats-pong": pong, "nats-send": send, "nats-receive": receive}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: nats ROLE ARGUMENTS; the benchmarks start it")
		os.Exit(2)
	}
	if err := roles.Play(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

// Subjects.
const (
	there = "bench.there"
	back  = "bench.back"
)

// startLimit is how long the server may take to start.
const startLimit = 10 * time.Second

func serve(ctx context.Context, p *rig.Part) (any, error) {
	var a peers.NATSArgs
	if err := p.Args(&a); err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: a.Port, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(startLimit) {
		return nil, fmt.Errorf("the server did not start")
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	<-ctx.Done()
	return nil, nil
}

// connect reads the arguments and connects.
func connect(p *rig.Part) (a peers.NATSArgs, c *nats.Conn, err error) {
	if err := p.Args(&a); err != nil {
		return a, nil, err
	}
	c, err = nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", a.Port))
	return a, c, err
}

// subscribe has the server know of it before it returns.
func subscribe(c *nats.Conn, subject string) (*nats.Subscription, error) {
	s, err := c.SubscribeSync(subject)
	if err != nil {
		return nil, err
	}
	if err := s.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	return s, c.Flush()
}

func ping(ctx context.Context, p *rig.Part) (any, error) {
	a, c, err := connect(p)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s, err := subscribe(c, back)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	if err := p.Go(ctx); err != nil {
		return nil, err
	}
	b, h := make([]byte, a.Size), rig.NewHistogram()
	for i := range a.Warmup + a.Count {
		t := rig.Nanotime()
		if err := c.Publish(there, b); err != nil {
			return nil, err
		}
		if _, err := s.NextMsgWithContext(ctx); err != nil {
			return nil, err
		}
		if i >= a.Warmup {
			h.Add(rig.Nanotime() - t)
		}
	}
	return peers.NATSResult{Latency: h.Latency()}, nil
}

func pong(ctx context.Context, p *rig.Part) (any, error) {
	_, c, err := connect(p)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s, err := subscribe(c, there)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	for {
		m, err := s.NextMsgWithContext(ctx)
		if err != nil {
			return nil, nil // the end
		}
		if err := c.Publish(back, m.Data); err != nil {
			return nil, err
		}
	}
}

func receive(ctx context.Context, p *rig.Part) (any, error) {
	a, c, err := connect(p)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s, err := subscribe(c, there)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	if err := p.Go(ctx); err != nil {
		return nil, err
	}
	var first int64
	for i := range a.Count {
		if _, err := s.NextMsgWithContext(ctx); err != nil {
			return nil, err
		}
		if i == 0 {
			first = rig.Nanotime()
		}
	}
	return peers.NATSResult{Rate: float64(a.Count-1) / float64(rig.Nanotime()-first) * 1e9}, nil
}

func send(_ context.Context, p *rig.Part) (any, error) {
	a, c, err := connect(p)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := p.Ready(nil); err != nil {
		return nil, err
	}
	b := make([]byte, a.Size)
	for range a.Count {
		if err := c.Publish(there, b); err != nil {
			return nil, err
		}
	}
	return nil, c.Flush()
}
