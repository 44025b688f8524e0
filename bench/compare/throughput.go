package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
)

func throughputColumns() []rig.Column {
	return []rig.Column{
		{Head: "M messages/s", Metric: rig.Value("rate"), Scale: 1e-6},
		{Head: "journal lag s", Metric: rig.Value("journal_lag")},
		{Head: "sender ns/message", Metric: rig.Value("sender_ns")},
		{Head: "outside the kernel", Metric: rig.Value("sender_own_ns")},
		{Head: "receiver ns/message", Metric: rig.Value("receiver_ns")},
		{Head: "p50 µs", Metric: rig.P50, Scale: 1e-3},
	}
}

// load is one open-loop run.
type load struct {
	rig.Load
	size      int
	lines     int
	receivers int
	send      string
	receive   string
	wait      daemon.Wait
	journal   bool
	fresh     bool // the journal, or a raw program's file, is not written before
	every     bool
}

// at gives l at another rate.
func (l load) at(rate float64) load {
	l.Rate = rate
	return l
}

// Candidates that marks refer to.
const (
	pathFresh   = "tapecast, journal on (fresh)"
	pathWritten = "tapecast, journal on (written before)"
	pathMemory  = "tapecast, no journal"
	pathMMsg    = "tapecast, no journal, sendmmsg"
	rawFresh    = "raw Go, GSO, file beside (fresh)"
	rawWritten  = "raw Go, GSO, file beside (written before)"
	rawMemory   = "raw Go, GSO"
	rawMMsg     = "raw Go, sendmmsg"
)

// mostLag is how far the journal may be behind at the end, in s.
const mostLag = 1

func (b *bench) throughput() *rig.Experiment {
	l := load{Load: rig.Load{Seconds: pick(b, 2.0, 10)}, size: 40, lines: 2, receivers: 1, wait: daemon.Block}
	mmsg, written := l, l
	mmsg.send, written.journal = "mmsg", true
	fresh := written
	fresh.fresh = true
	raw := func(send, receive string, journal, fresh bool) load {
		r := l
		r.send, r.receive, r.journal, r.fresh = send, receive, journal, fresh
		return r
	}
	ours := func(name string, l load, rates []float64) candidate {
		return b.highest(name, rates, func(rate float64) candidate { return b.pathLoad(name, l.at(rate)) })
	}
	limits := func(name string, l load, rates []float64) candidate {
		return b.highest(name, rates, func(rate float64) candidate { return b.limitLoad(name, l.at(rate)) })
	}
	step := pick(b, 0.75, 0.9)
	e := &rig.Experiment{Name: "throughput", Title: "40-byte messages, both lines, one receiver, open loop: the highest rate with nothing lost, repaired or late"}
	e.Runs = b.compare(b.rounds(1, 2), []candidate{
		ours(pathWritten, written, ladder(30e6, 2e6, step)),
		ours(pathFresh, fresh, ladder(30e6, 2e6, step)),
		limits(rawFresh, raw("gso", "gro", true, true), ladder(36e6, 2e6, step)),
		limits(rawWritten, raw("gso", "gro", true, false), ladder(36e6, 2e6, step)),
		ours(pathMemory, l, ladder(40e6, 4e6, step)),
		limits(rawMemory, raw("gso", "gro", false, false), ladder(50e6, 4e6, step)),
		ours(pathMMsg, mmsg, ladder(10e6, 2e6, step)),
		limits(rawMMsg, raw("mmsg", "mmsg", false, false), ladder(10e6, 2e6, step)),
	})
	rate := rig.Value("rate")
	e.Marks = []rig.Mark{
		{What: "throughput, journal on, written before", Want: 30, Got: e.Runs.Spread(pathWritten, rate).Scale(1e-6), Unit: "M/s"},
		{What: "throughput over raw, both into fresh files", Want: 0.7, Got: e.Runs.Ratio(pathFresh, rawFresh, rate)},
		{What: "throughput over raw, sendmmsg", Want: 0.7, Got: e.Runs.Ratio(pathMMsg, rawMMsg, rate), Note: "no journal on either side"},
	}
	return e
}

// receivers measures how many receivers change what.
func (b *bench) receivers() *rig.Experiment {
	e := &rig.Experiment{Name: "receivers", Title: "40-byte messages, both lines, no journal, more receivers than processors: the highest clean rate, each"}
	var cs []candidate
	for _, n := range []int{1, 2, 4, 8} {
		name := receiversName(n)
		l := load{Load: rig.Load{Seconds: pick(b, 1.0, 5)}, size: 40, lines: 2, receivers: n, wait: daemon.Block}
		cs = append(cs, b.highest(name, ladder(20e6/float64(n), 0.25e6, 0.6), func(rate float64) candidate { return b.pathLoad(name, l.at(rate)) }))
	}
	e.Runs = b.compare(b.rounds(1, 3), cs)
	var c rig.Curve
	for _, n := range []int{1, 2, 4, 8} {
		if s := e.Runs.Spread(receiversName(n), rig.Value("rate")); s.N > 0 {
			c.Points = append(c.Points, [2]float64{float64(n), s.Median / 1e6})
		}
	}
	c.Name = "tapecast, two lines"
	e.Plots = []rig.Plot{{
		Name: "receivers", Title: "Highest clean rate of each receiver", Lines: []rig.Curve{c},
		X: rig.Axis{Label: "receivers on the machine", Ticks: []float64{0, 1, 2, 4, 8}}, Y: rig.Axis{Label: "million messages a second, each"},
	}}
	return e
}

func receiversName(n int) string { return fmt.Sprintf("%d receivers", n) }

// sizes measures throughput against message size.
func (b *bench) sizes() *rig.Experiment {
	e := &rig.Experiment{Name: "sizes", Title: "Throughput against message size, both lines, no journal: the highest clean rate"}
	var cs []candidate
	sizes := []int{40, 64, 128, 256, 512, 1024}
	for _, size := range sizes {
		name := fmt.Sprintf("%d bytes", size)
		l := load{Load: rig.Load{Seconds: pick(b, 1.0, 3)}, size: size, lines: 2, receivers: 1, wait: daemon.Block}
		cs = append(cs, b.highest(name, ladder(min(40e6, 3e9/float64(size)), 0.1e6, 0.75), func(rate float64) candidate { return b.pathLoad(name, l.at(rate)) }))
	}
	e.Runs = b.compare(b.rounds(1, 3), cs)
	messages, bytes := rig.Curve{Name: "million messages a second"}, rig.Curve{Name: "100 MB a second"}
	for _, size := range sizes {
		if s := e.Runs.Spread(fmt.Sprintf("%d bytes", size), rig.Value("rate")); s.N > 0 {
			messages.Points = append(messages.Points, [2]float64{float64(size), s.Median / 1e6})
			bytes.Points = append(bytes.Points, [2]float64{float64(size), s.Median * float64(size) / 1e8})
		}
	}
	e.Plots = []rig.Plot{{
		Name: "sizes", Title: "Highest clean rate against message size", Lines: []rig.Curve{messages, bytes},
		X: rig.Axis{Label: "bytes of a message", Log: true, Ticks: []float64{10, 40, 64, 128, 256, 512, 1024}}, Y: rig.Axis{Label: "see the names"},
	}}
	return e
}

// history is what the daemon keeps in memory where much is sent, in bytes.
const history = 1 << 30

func (b *bench) pathLoad(name string, l load) candidate {
	return candidate{name, func(ctx context.Context, r *rig.Run) error {
		c := path.Channels(1, l.lines, b.ports())[0]
		s := path.Settings{Interface: b.network, Send: l.send, Wait: l.wait, CPU: pinned(l, 0)}
		if err := s.Receive.UnmarshalText([]byte(l.receive)); err != nil && l.receive != "" {
			return err
		}
		listen := path.Listen{Settings: s, Channel: c, Warm: l.Warm(), Every: l.every}
		listen.CPU = pinned(l, 1)
		if l.journal {
			s.Journal, s.History = b.folder(), history
			if !l.fresh {
				s.Prewrite = int64(l.Rate*l.Seconds*(float64(l.size)*1.15)) + history/8
			}
			defer os.RemoveAll(s.Journal)
		}
		serve := path.Serve{Settings: s, Load: l.Load, Channel: c, Size: l.size, Receivers: l.receivers}
		r.Settings = serve
		return b.pathStream(ctx, r, serve, listen)
	}}
}

// pinned is the CPU of a loop: with more loops than CPUs the kernel places them.
func pinned(l load, cpu int) int {
	if l.receivers > 1 {
		return -1
	}
	return cpu
}
