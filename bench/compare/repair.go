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

const (
	grace      = int64(path.DefaultGrace)
	loseEvery  = 100    // packets
	repairRate = 20_000 // messages a second, each a packet
	// Bytes of one repair over TCP: the frame that asks; that of one packet with one
	// message, and that which closes the request.
	repairRequest = 32
	repairAnswer  = 16 + 64 + 40 + 24

	tcpIdle    = "bare Go TCP round trip"
	repaired   = "tapecast, a lost packet's repair, grace taken off"
	wholeRange = "tapecast, 1 million messages asked for at once"
)

// repair measures how long a lost packet takes, and a long range.
func (b *bench) repair() *rig.Experiment {
	e := &rig.Experiment{Name: "repair", Title: fmt.Sprintf("Repair: one packet in %d lost on both lines, grace %d µs, no jitter, all loops blocking", loseEvery, grace/1000)}
	e.Runs = b.compare(b.rounds(3, 9), []candidate{
		{tcpIdle, b.tcpPing}, {repaired, b.repairOne}, {wholeRange, b.repairRange},
	})
	e.Marks = []rig.Mark{
		{What: "repair p50 beyond grace over TCP p50", Want: 1.5, AtMost: true, Got: e.Runs.Ratio(repaired, tcpIdle, rig.P50)},
		{What: "repair p99 beyond grace over TCP p99", Want: 1.5, AtMost: true, Got: e.Runs.Ratio(repaired, tcpIdle, rig.P99)},
		{What: "range of 1 million messages", Want: 10, Got: e.Runs.Spread(wholeRange, rig.Value("rate")).Scale(1e-6), Unit: "M/s", Note: "from Subscribe to the last delivery"},
	}
	return e
}

func (b *bench) tcpPing(ctx context.Context, r *rig.Run) error {
	a := limit.TCP{Addr: fmt.Sprintf("127.0.0.1:%d", b.ports()), Request: repairRequest, Answer: repairAnswer, Count: pick(b, 600, 3000), Interval: loseEvery * 1e9 / repairRate}
	var out limit.Pinged
	err := b.pair(ctx, "limit-tcppong", "limit-tcpping", a, a, nil, &out)
	r.Settings, r.Latency = a, out.Latency
	return err
}

func (b *bench) repairOne(ctx context.Context, r *rig.Run) error {
	c := path.Channels(1, 2, b.ports())[0]
	s := path.Settings{Interface: b.network, Wait: daemon.Block, CPU: -1}
	listen := path.Repair{Listen: path.Listen{Settings: s, Channel: c}, Every: loseEvery, Grace: path.DefaultGrace}
	s.Journal = b.folder()
	defer os.RemoveAll(s.Journal)
	serve := path.Serve{Settings: s, Load: rig.Load{Rate: repairRate, Seconds: pick(b, 3.0, 15)}, Channel: c, Size: 40, Receivers: 1}
	r.Settings = listen
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	crew, err := b.crew(ctx, "path-serve", "path-repair", serve, listen, 1)
	if err != nil {
		return err
	}
	var got path.Repaired
	if err := crew.receivers[0].Result(&got); err != nil {
		return err
	}
	var sent path.Served
	if err := crew.sender.Result(&sent); err != nil {
		return err
	}
	r.Latency = got.Took.Less(grace)
	r.Set("lost_on_purpose", float64(got.Dropped))
	if got.Lost > 0 || got.Messages != sent.Messages || got.Chain != sent.Chain {
		r.Fail("%d of %d messages, %d lost", got.Messages, sent.Messages, got.Lost)
	}
	if got.Took.Count < int64(got.Dropped)*9/10 {
		r.Fail("timed %d of %d repairs", got.Took.Count, got.Dropped)
	}
	return nil
}

// rangeSize is how many messages a late joiner asks for.
const rangeSize = 1_000_000

// repairRange has a subscriber come when all was sent.
func (b *bench) repairRange(ctx context.Context, r *rig.Run) error {
	c := path.Channels(1, 2, b.ports())[0]
	s := path.Settings{Interface: b.network, Wait: daemon.Block, CPU: -1}
	listen := path.Listen{Settings: s, Channel: c}
	s.Journal, s.Linger = b.folder(), 3*time.Second
	defer os.RemoveAll(s.Journal)
	serve := path.Serve{Settings: s, Load: rig.Load{Rate: 2e6, Seconds: rangeSize / 2e6}, Channel: c, Size: 40}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	crew, err := b.crew(ctx, "path-serve", "path-listen", serve, listen, 0)
	if err != nil {
		return err
	}
	select {
	case <-time.After(1500 * time.Millisecond): // all is sent and journalled
	case <-ctx.Done():
		return ctx.Err()
	}
	p, err := b.self.Start(ctx, "path-listen", listen)
	if err != nil {
		return err
	}
	var h path.Heard
	if err := p.Result(&h); err != nil {
		return err
	}
	var sent path.Served
	if err := crew.sender.Result(&sent); err != nil {
		return err
	}
	r.Settings = listen
	r.Set("rate", float64(h.Messages)/float64(h.Last-h.Began)*1e9)
	r.Set("repaired", float64(h.Repaired))
	if h.Lost > 0 || h.Messages != rangeSize || h.Chain != sent.Chain || h.Repaired < rangeSize {
		r.Fail("%d of %d messages, %d repaired, %d lost", h.Messages, rangeSize, h.Repaired, h.Lost)
	}
	return nil
}

// Candidates of the restart.
const (
	writeJournal = "writing the journal"
	warmRestart  = "restart, files in the page cache"
	coldRestart  = "restart, files on the disk only"
)

// restart measures how long a daemon takes to go on with a long journal.
func (b *bench) restart() *rig.Experiment {
	messages := pick(b, 10e6, 50e6)
	journal := b.folder()
	defer os.RemoveAll(journal)
	e := &rig.Experiment{Name: "restart", Title: fmt.Sprintf("Start on a journal of %.0f million messages, to the first packet sent", messages/1e6)}
	write := candidate{writeJournal, func(ctx context.Context, r *rig.Run) error {
		s := path.Settings{Interface: b.network, Wait: daemon.Block, CPU: -1, Journal: journal, History: history, Open: true}
		serve := path.Serve{Settings: s, Load: rig.Load{Rate: 4e6, Seconds: messages / 4e6}, Channel: path.Channels(1, 2, b.ports())[0], Size: 40}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		crew, err := b.crew(ctx, "path-serve", "path-listen", serve, nil, 0)
		if err != nil {
			return err
		}
		var sent path.Served
		err = crew.sender.Result(&sent)
		if float64(sent.Messages) < messages {
			r.Fail("wrote %d of %.0f messages: %s", sent.Messages, messages, sent.Warned)
		}
		return err
	}}
	again := func(cold bool) func(ctx context.Context, r *rig.Run) error {
		return func(ctx context.Context, r *rig.Run) error {
			s := path.Settings{Interface: b.network, Wait: daemon.Block, CPU: -1, Journal: journal, Open: true}
			p, err := b.self.Start(ctx, "path-restart", path.Restart{Settings: s, Channel: path.Channels(1, 2, b.ports())[0], Cold: cold})
			if err != nil {
				return err
			}
			var out path.Restarted
			err = p.Result(&out)
			r.Set("seconds", out.First)
			r.Set("messages", float64(out.Messages))
			r.Set("memory", float64(out.Memory))
			if float64(out.Messages) < messages {
				r.Fail("the journal held %d messages", out.Messages)
			}
			return err
		}
	}
	e.Runs = append(b.compare(1, []candidate{write}), b.compare(b.rounds(1, 3), []candidate{{warmRestart, again(false)}, {coldRestart, again(true)}})...)
	if b.full {
		e.Marks = []rig.Mark{{What: "restart of 50 million messages", Want: 5, AtMost: true, Got: e.Runs.Spread(warmRestart, rig.Value("seconds")), Unit: "s"}}
	}
	return e
}
