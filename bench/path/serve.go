package path

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// Serve says what to publish.
type Serve struct {
	Settings
	rig.Load
	Channel   Channel `json:"channel"`
	Size      int     `json:"size"` // bytes of a message
	Receivers int     `json:"receivers"`
}

// Served is what came of it.
type Served struct {
	Messages  uint64  `json:"messages"`
	Late      float64 `json:"late"`        // s between the last message's time and its Put
	Lag       float64 `json:"journal_lag"` // s from the last Put until the journal had written all
	Behind    uint64  `json:"journal_behind"`
	Journal   string  `json:"journal"` // its state at the end
	Warned    string  `json:"warned"`
	CPU       int64   `json:"cpu_ns"`  // of the loop, while it published
	User      int64   `json:"user_ns"` // of it outside the kernel
	Switches  int64   `json:"switches"`
	Packets   uint64  `json:"packets"`
	Sends     uint64  `json:"sends"` // system calls, on all lines
	SendFails uint64  `json:"send_failures"`
	Method    string  `json:"send_method"`
	Chain     string  `json:"chain"`
	Memory    int64   `json:"memory"`
}

const (
	lead  = 20_000_000  // ns after the word to go, when the schedule begins
	joins = 200_000_000 // ns after the first message, which it does not begin before
)

// patience is how long the journal may take for the rest, in ns.
const patience = 60_000_000_000

// hopeless is how late a sender gives up, in ns.
const hopeless = 500_000_000

// A load is a source that puts what its schedule says, whatever became of what it
// put before. Its first message says hello: receivers that have it have joined.
type load struct {
	Serve
	writer
	reporter
	schedule rig.Schedule
	gone     <-chan struct{} // closed at the word to go
	stop     func()          // the daemon
	input    feed.Input
	hello    bool
	greeted  int64 // when the first message was put
	start    int64 // of the schedule, 0 before
	count    uint64
	sent     uint64
	ended    int64 // when all was put
	late     float64
	cost     rig.Cost
}

func serve(ctx context.Context, part *rig.Part) (any, error) {
	l := &load{gone: part.Told()}
	if err := part.Args(&l.Serve); err != nil {
		return nil, err
	}
	l.Settings.Status = 20 * time.Millisecond // how exactly the journal's lag is known
	rig.NoCollection()
	l.writer, l.count = newWriter(l.Size), l.Count()
	var err error
	if l.schedule, err = l.Schedule(); err != nil {
		return nil, err
	}
	d, err := l.daemon(l.Channel, l, l.Receivers)
	if err != nil {
		return nil, err
	}
	if err := part.Ready(nil); err != nil {
		return nil, err
	}
	ctx, l.stop = context.WithCancel(ctx)
	defer l.stop()
	s, err := d.Run(ctx, &l.reporter)
	if err != nil {
		return nil, err
	}
	out := Served{
		Messages: l.sent, Late: l.late, Lag: float64(l.caught.Load()-l.ended) / 1e9, Behind: l.behind, Journal: s.Journal,
		Warned: l.warned, CPU: l.cost.CPU, User: l.cost.User, Switches: l.cost.Switches, Packets: s.Packets, SendFails: s.SendFails,
		Method: s.Method, Chain: s.Chain, Memory: rig.PeakMemory(),
	}
	for _, line := range s.Lines {
		out.Sends += line.Sends
	}
	return out, nil
}

// Poll implements feed.Source.
func (l *load) Poll(_ wire.Nanos, sink feed.Sink, most int) (n int, err error) {
	switch {
	case !l.hello:
		return l.greet(sink)
	case l.start == 0:
		return 0, l.await()
	case l.ended != 0:
		return 0, l.finish()
	}
	elapsed := rig.Nanotime() - l.start
	if elapsed < 0 {
		return 0, nil
	}
	due := min(l.schedule.Due(elapsed), l.count)
	for n < most && l.sent < due {
		in := feed.Input{ID: l.input.ID, Seq: l.input.Seq + 1}
		err := sink.Put(in, l.message(l.sent+1, l.start+l.schedule.At(l.sent)))
		if errors.Is(err, feed.ErrFull) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		l.input = in
		l.sent++
		n++
	}
	if l.sent == l.count || elapsed-l.schedule.At(l.sent) > hopeless {
		l.end()
	}
	return n, nil
}

// greet puts the message that says hello.
func (l *load) greet(sink feed.Sink) (n int, err error) {
	rig.Pin(l.CPU)
	if l.input.ID, l.input.Seq, err = sink.Register("bench"); err != nil {
		return 0, err
	}
	l.hello, l.input.Seq, l.greeted = true, l.input.Seq+1, rig.Nanotime()
	return 1, sink.Put(l.input, l.message(hello, 0))
}

// await begins the schedule at the word to go.
func (l *load) await() error {
	select {
	case <-l.gone:
		l.start, l.cost = max(rig.Nanotime()+lead, l.greeted+joins), rig.ThreadCost()
	default:
	}
	return nil
}

// end notes that all was put.
func (l *load) end() {
	l.ended, l.cost = rig.Nanotime(), rig.ThreadCost().Sub(l.cost)
	l.late = float64(l.ended-l.start-l.schedule.At(l.sent-1)) / 1e9
	l.want.Store(l.input.Seq)
}

// finish waits for the journal, so that its lag is known.
func (l *load) finish() error {
	if l.caught.Load() == 0 && rig.Nanotime()-l.ended < patience {
		return nil
	}
	if l.Open {
		l.stop()
	}
	return io.EOF
}

// Due implements feed.Source.
func (l *load) Due(now wire.Nanos) wire.Nanos {
	switch {
	case l.start == 0 || l.ended != 0:
		return now + 1e6
	case !l.hello:
		return now
	}
	return now + wire.Nanos(max(l.start+l.schedule.At(l.sent)-rig.Nanotime(), 0))
}

// Close implements feed.Source.
func (l *load) Close() error { return nil }
