package daemon

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// Serve is Open and Run.
func Serve(ctx context.Context, c Config, r Reporter) (*Summary, error) {
	d, err := Open(c)
	if err != nil {
		return nil, err
	}
	return d.Run(ctx, r)
}

// Run publishes until the session has ended and nobody asks any more, or ctx ends:
// then what was taken is published and journalled, and the session can be continued
// by a later process. The error is the source's or the journal's; the Summary is
// true either way.
func (d *Daemon) Run(ctx context.Context, r Reporter) (*Summary, error) {
	loops, stopClock := d.keep(ctx)
	defer d.Close()
	defer stopClock()
	if err := d.awaitPromise(ctx, loops, r); err != nil {
		return nil, errors.Join(err, d.endClock(stopClock, r))
	}
	r.Started(d.info())
	tcp, stopTCP := context.WithCancel(context.Background())
	defer stopTCP()
	served := make(chan struct{})
	go func() {
		defer close(served)
		d.shell.serve(tcp, d.ln)
	}()
	before := ReadMemory()
	if d.disk != nil {
		go d.disk.run()
	}
	go d.ingest.run()
	d.watch(ctx, loops, r)
	err := errors.Join(d.finish(), loops.err)
	memory := ReadMemory().Since(before)
	stopTCP()
	<-served
	err = errors.Join(err, d.endClock(stopClock, r))
	return d.summary(memory), err
}

// watch is the control loop: it reports until the ingest loop is over.
func (d *Daemon) watch(ctx context.Context, clock *clockLoops, r Reporter) {
	every := or(d.cfg.Status, time.Hour)
	tick := time.NewTicker(every)
	defer tick.Stop()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	var warned bool
	stop := ctx.Done()
	for {
		select {
		case <-d.ingest.finished:
			return
		case <-stop:
			d.ingest.stop.Store(true)
			stop = nil
		case err := <-clock.over:
			clock.over = nil
			if d.live.ended.Load() {
				continue // repairs need no clock that promises
			}
			clock.err = err
			d.ingest.stop.Store(true)
		case e := <-d.events:
			r.Clock(e)
		case <-look.C:
			warned = d.warn(r, warned)
		case <-tick.C:
			if d.cfg.Status > 0 {
				r.Status(d.status())
			}
		}
	}
}

// warn reports once that the journal is dead.
func (d *Daemon) warn(r Reporter, warned bool) bool {
	if warned || wire.JournalState(d.live.journal.Load()) != wire.JournalDead {
		return warned
	}
	problem := "history would evict what it has not written"
	select {
	case <-d.disk.finished:
		if d.disk.err != nil {
			problem = d.disk.err.Error()
		}
	default:
	}
	then := "publishing goes on without it, and every heartbeat says so"
	if d.cfg.Durability == Strict {
		then = "nothing more is taken"
	}
	r.Warn(fmt.Sprintf("the journal is dead: %s; %s", problem, then))
	return true
}

// finish ends the disk loop behind the ingest loop and says what went wrong.
func (d *Daemon) finish() error {
	if d.disk != nil {
		if d.ingest.seq.Ended() {
			last, chain := d.ingest.seq.Last()
			d.disk.end.Store(&end{last, chain})
		}
		d.disk.drain.Store(true)
		d.disk.nudge()
		<-d.disk.finished
		if d.disk.err != nil {
			return d.disk.err
		}
	}
	if d.ingest.lapsed {
		return fmt.Errorf("%w: the state is %s", keeper.ErrLost, keeper.StateName(d.clock.State().State))
	}
	if d.ingest.failed != nil {
		return &SourceError{Source: d.cfg.Source, Err: d.ingest.failed}
	}
	return nil
}

// mayStart reports whether enough receivers have logged in. The ingest loop asks.
func (d *Daemon) mayStart() bool {
	d.started = d.started || d.server.Receivers() >= d.cfg.Await
	return d.started
}

// lastRequest is when the last repair request came, 0 never.
func (d *Daemon) lastRequest() wire.Nanos { return d.server.Stats().LastRequest }

func (d *Daemon) info() Info {
	method, reason := d.ingest.pub.Method()
	i := Info{
		Session: d.state.Session.String(), Epoch: d.cut.Epoch, Previous: d.cut.Previous,
		Cut: d.cut.Cut, Chain: chainWord(d.cut.Chain), Channel: d.cfg.Channel,
		Method: method.String(), Reason: reason, Retransmit: d.ln.Addr().String(),
		Journal: d.cfg.Journal, Durability: string(d.cfg.Durability), Clock: d.clockWords(),
	}
	for _, l := range d.lines() {
		i.Lines = append(i.Lines, fmt.Sprintf("%s on %s", l.Group, l.Interface))
	}
	if d.state.Torn != nil {
		i.Torn = tornWord(d.state.Torn)
	}
	return i
}

func chainWord(c uint64) string { return fmt.Sprintf("%016x", c) }

func (d *Daemon) status() Status {
	_, next := d.history.Bounds()
	s := d.server.Stats()
	return Status{
		Now: d.clock.Now(), Next: next, Durable: d.history.Durable(), Written: d.history.Written(),
		Journal: journalWord(wire.JournalState(d.live.journal.Load())), Receivers: s.Connections,
		Requests: s.Requests, Repaired: s.Messages, Ended: d.live.ended.Load(),
		Goroutines: runtime.NumGoroutine(), Allocated: Allocated(), Clock: d.keeper.Status(),
	}
}

// summary is read after every loop has ended.
func (d *Daemon) summary(memory Memory) *Summary {
	in := d.ingest
	next, chain := in.seq.Visible()
	method, _ := in.pub.Method()
	s := &Summary{
		Session: d.state.Session.String(), Epoch: d.cut.Epoch, First: 1, Last: next - 1,
		Messages: next - 1 - d.cut.Cut, Chain: chainWord(chain), Durable: d.history.Durable(),
		Journal: journalWord(in.seq.Journal()), Ended: in.seq.Ended(), Packets: in.sent.Load(),
		Method: method.String(), Lines: lineSummaries(in.pub.Stats()),
		Repair: repairSummary(d.server.Stats()), SendFails: in.sendFails.Load(), Memory: memory,
	}
	s.First = min(s.First, s.Last)
	s.Seconds = time.Duration(in.lastSent - in.firstSent).Seconds()
	if s.Seconds > 0 {
		s.Rate = float64(s.Messages) / s.Seconds
	}
	if s.Messages > 0 {
		s.Allocs = float64(memory.Mallocs) / float64(s.Messages)
	}
	return s
}

// tornWord says what recovery found behind the last valid record.
func tornWord(d *journal.Damage) string {
	return fmt.Sprintf("%s: %d bytes from offset %d, from sequence %d on: %s", d.File, d.Bytes, d.Offset, d.Sequence, d.Reason)
}

// Addr is the address of the retransmit service.
func (d *Daemon) Addr() string { return d.ln.Addr().String() }
