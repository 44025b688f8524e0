package main

import (
	"context"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
)

// A crew is the children of one open-loop run.
type crew struct {
	sender    *rig.Process
	receivers []*rig.Process
}

// crew starts a sender and receivers, and says go when all are ready.
func (b *bench) crew(ctx context.Context, serve, listen string, argsServe, argsListen any, receivers int) (c crew, err error) {
	if c.sender, err = b.self.Start(ctx, serve, argsServe); err != nil {
		return c, err
	}
	if err := c.sender.Ready(nil); err != nil {
		return c, err
	}
	for range receivers {
		p, err := b.self.Start(ctx, listen, argsListen)
		if err != nil {
			return c, err
		}
		c.receivers = append(c.receivers, p)
	}
	for _, p := range c.receivers {
		if err := p.Ready(nil); err != nil {
			return c, err
		}
	}
	return c, c.sender.Go()
}

// late is how late a sender may be with its last message and still have kept its
// rate, in s.
const late = 0.05

func (b *bench) pathStream(ctx context.Context, r *rig.Run, serve path.Serve, listen path.Listen) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := b.crew(ctx, "path-serve", "path-listen", serve, listen, serve.Receivers)
	if err != nil {
		return err
	}
	var slowest float64
	var heard []path.Heard
	for i, p := range c.receivers {
		var h path.Heard
		if err := p.Result(&h); err != nil {
			return err
		}
		if i == 0 {
			r.Latency = h.Latency
		}
		slowest = max(slowest, float64(h.Last-h.First)/1e9)
		r.Set("repaired", r.Values["repaired"]+float64(h.Repaired))
		r.Set("drops", r.Values["drops"]+float64(h.Drops))
		r.Set("receiver_ns", float64(h.CPU)/float64(max(h.Messages, 1)))
		r.Set("behind", max(r.Values["behind"], h.Behind))
		r.Set("receiver_memory", float64(h.Memory))
		heard = append(heard, h)
	}
	var s path.Served
	if err := c.sender.Result(&s); err != nil {
		return err
	}
	r.Set("rate", float64(s.Messages)/slowest)
	r.Set("late", s.Late)
	r.Set("journal_lag", s.Lag)
	r.Set("journal_behind", float64(s.Behind))
	r.Set("sender_ns", float64(s.CPU)/float64(max(s.Messages, 1)))
	r.Set("sender_own_ns", float64(s.User)/float64(max(s.Messages, 1)))
	r.Set("packets", float64(s.Packets))
	r.Set("sends", float64(s.Sends))
	if s.Late > late {
		r.Fail("the sender was %.2f s late", s.Late)
	}
	for _, h := range heard {
		if h.Messages != s.Messages || h.Lost > 0 || h.Chain != s.Chain {
			r.Fail("%d of %d messages delivered, %d lost, chain %s of %s", h.Messages, s.Messages, h.Lost, h.Chain, s.Chain)
		}
	}
	if s.Lag > mostLag {
		r.Fail("the journal was %.1f s behind at the end", s.Lag)
	}
	if n := r.Values["repaired"]; n > float64(serve.Receivers) { // the first message may come before who joins
		r.Fail("%.0f messages repaired", n)
	}
	if s.Warned != "" {
		r.Fail("%s", s.Warned)
	}
	return nil
}

func (b *bench) limitLoad(name string, l load) candidate {
	return candidate{name, func(ctx context.Context, r *rig.Run) error {
		n := limit.Net{Interface: b.network, Port: b.ports(), Lines: l.lines}
		send := limit.Send{Net: n, Load: l.Load, Method: l.send, Size: l.size}
		if l.journal {
			send.Disk = limit.Disk{Dir: b.dir, Prewritten: !l.fresh}
		}
		receive := limit.Receive{Net: n, Method: l.receive, Size: l.size, Count: l.Count(), Warm: l.Warm(), Every: l.every, CPU: 1}
		r.Settings = send
		return b.limitStream(ctx, r, send, receive)
	}}
}

func (b *bench) limitStream(ctx context.Context, r *rig.Run, send limit.Send, receive limit.Receive) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := b.crew(ctx, "limit-send", "limit-receive", send, receive, 1)
	if err != nil {
		return err
	}
	var h limit.Received
	if err := c.receivers[0].Result(&h); err != nil {
		return err
	}
	var s limit.Sent
	if err := c.sender.Result(&s); err != nil {
		return err
	}
	r.Latency = h.Latency
	r.Set("rate", float64(h.Messages)/(send.Seconds+s.Late))
	r.Set("late", s.Late)
	r.Set("journal_lag", s.DiskLag)
	r.Set("behind", h.Behind)
	if s.DiskLag > mostLag {
		r.Fail("the file was %.1f s behind at the end", s.DiskLag)
	}
	r.Set("sender_ns", float64(s.CPU)/float64(max(s.Messages, 1)))
	r.Set("receiver_ns", float64(h.CPU)/float64(max(h.Messages, 1)))
	if h.Missing > 0 {
		r.Fail("%d messages missing", h.Missing)
	}
	if s.Late > late {
		r.Fail("the sender was %.2f s late", s.Late)
	}
	return nil
}
