package daemon

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

const (
	diskPause   = 10 * time.Millisecond // between looks at history, in fast mode
	strictPause = 50 * time.Microsecond // in strict mode, where receivers wait for it
	idlePause   = time.Second           // in strict mode while there is nothing to write: the ingest loop wakes it
)

// disk is the loop that writes the journal. It owns the writer.
type disk struct {
	writer   *journal.Writer
	history  *history.History
	clock    clock.Clock
	strict   bool
	onFail   func(error)         // called once, from the loop
	drain    atomic.Bool         // write what is left, then finish
	end      atomic.Pointer[end] // the session is over: say so behind the last packet
	err      error               // after finished
	finished chan struct{}

	asleep atomic.Bool   // in strict mode: nothing is to be written
	wake   chan struct{} // of length 1
	idle   time.Duration // it sleeps at most; 0: idlePause
	alarm  *time.Timer   // of the loop
}

// end is where a session is over.
type end struct{ last, chain uint64 }

// run writes until drain is set and all is written, or the journal dies.
func (d *disk) run() {
	defer close(d.finished)
	doze := dozer()
	d.alarm = time.NewTimer(0)
	defer d.alarm.Stop()
	for {
		draining, now := d.drain.Load(), d.clock.Now()
		if d.writer.Due(now) {
			runtime.Gosched() // or the runtime takes the sync for the end of a long turn, and is alarmed
		}
		n, err := d.writer.Step(d.history, now)
		if err != nil {
			d.err = err
			d.onFail(err)
			d.writer.Close()
			return
		}
		if n > 0 {
			continue
		}
		if draining && d.history.Written()+1 >= d.history.Next() {
			d.err = d.close()
			return
		}
		d.rest(doze)
	}
}

// rest passes the time until there may be something to write.
func (d *disk) rest(doze func(time.Duration)) {
	switch {
	case !d.strict:
		doze(diskPause)
	case d.pending():
		doze(strictPause)
	default:
		d.sleep()
	}
}

// pending reports whether the loop has something to do in strict mode.
func (d *disk) pending() bool {
	return d.drain.Load() || d.history.Durable()+1 < d.history.Next()
}

// sleep waits for nudge. It says that it does so before it looks for the last time, so that who
// has something for it either is seen by it or sees it asleep.
func (d *disk) sleep() {
	d.asleep.Store(true)
	defer d.asleep.Store(false)
	if d.pending() {
		return
	}
	d.alarm.Reset(or(d.idle, idlePause))
	select {
	case <-d.wake:
	case <-d.alarm.C:
	}
}

// nudge wakes the loop, if it sleeps. Call it after there is something to do.
func (d *disk) nudge() {
	if !d.asleep.Load() {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default: // somebody did
	}
}

// close ends the journal: for good if the session is over, else for a restart.
func (d *disk) close() error {
	if e := d.end.Load(); e != nil {
		if err := d.writer.End(e.last, e.chain); err != nil {
			d.writer.Close()
			return err
		}
	}
	if err := d.writer.Close(); err != nil {
		return err
	}
	d.history.MarkDurable(d.history.Next() - 1) // Close synced it
	return nil
}
