package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// mostEvents is how many events of the clock wait for the control loop; more are
// dropped: the trail has them.
const mostEvents = 64

// hostTime is the host's word for the time. Reading it makes no stamp, so that the
// clock may still step.
func hostTime() wire.Nanos { return wire.Nanos(time.Now().UnixNano()) }

func (d *Daemon) openClock() error {
	d.events = make(chan keeper.Event, mostEvents)
	k, err := keeper.New(d.cfg.Clock, keeper.Options{
		Program: "tapecast serve", StampPoint: "where the ingest loop takes messages from the source, once for each turn",
		Stamps: func() uint64 { return d.live.next.Load() }, Seed: uint64(hostTime()),
		OnEvent: func(e keeper.Event) {
			select {
			case d.events <- e:
			default:
			}
		},
	})
	if err != nil {
		return clockError(err)
	}
	d.keeper, d.clock, d.patience = k, k.Clock(), keeper.EndWait
	return nil
}

// clockLoops are the running loops of the keeper.
type clockLoops struct {
	over chan error // gives once what ended them
	err  error
}

// keep starts the keeper. stop ends it and waits, but not for ever: loops that a disk hangs
// are left to themselves.
func (d *Daemon) keep(ctx context.Context) (loops *clockLoops, stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // stamps are made until the ingest loop has ended
	loops = &clockLoops{over: make(chan error, 1)}
	var all sync.WaitGroup
	all.Go(func() { loops.over <- d.keeper.Run(ctx, all.Go) })
	return loops, sync.OnceValue(func() error {
		cancel()
		ended := make(chan struct{})
		go func() {
			all.Wait()
			close(ended)
		}()
		late := time.NewTimer(d.patience)
		defer late.Stop()
		select {
		case <-ended:
			return d.keeper.Err()
		case <-late.C:
			return d.keeper.Hung()
		}
	})
}

// endClock stops the clock, tells what it had still to tell, and says what its trail could
// not take in the end.
func (d *Daemon) endClock(stop func() error, r Reporter) error {
	err := stop()
	for {
		select {
		case e := <-d.events:
			r.Clock(e)
			continue
		default:
		}
		return err
	}
}

// awaitPromise gives the clock time for its first promise, so that it can step before
// the first stamp and no packet needs to go out without one.
func (d *Daemon) awaitPromise(ctx context.Context, loops *clockLoops, r Reporter) error {
	c := &d.cfg.Clock
	d.ingest.promised = c.OnLoss == keeper.LossStop
	<-d.keeper.Begun()
	hope := slices.Contains(c.Sources, keeper.SourceNTP) || slices.Contains(c.Sources, keeper.SourcePTP) || d.keeper.Status().Source != ""
	if !d.ingest.promised && !hope {
		return nil // the host vouches for its clock at once, or not at all
	}
	limit := time.NewTimer(c.Wait)
	defer limit.Stop()
	for {
		select {
		case <-d.keeper.Ready():
			return nil
		case e := <-d.events:
			r.Clock(e)
			continue
		case err := <-loops.over:
			return err
		case <-ctx.Done():
			return nil
		case <-limit.C:
		}
		if d.ingest.promised {
			return fmt.Errorf("%w: none came in %v: %s", keeper.ErrLost, c.Wait, d.keeper.Status().Cause)
		}
		r.Warn(fmt.Sprintf("the clock promised nothing in %v: packets go out as %s", c.Wait, keeper.StateName(d.clock.State().State)))
		return nil
	}
}

// clockWords is the clock at the start.
func (d *Daemon) clockWords() string {
	s := d.keeper.Status()
	words := fmt.Sprintf("%s, %s", d.cfg.Clock.Sources, s.State)
	if clock.Promises(d.clock.State().State) {
		words += fmt.Sprintf(" within %v, from %s", time.Duration(s.Bound), s.Source)
	}
	return words
}
