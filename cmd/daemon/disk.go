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
}

// end is where a session is over.
type end struct{ last, chain uint64 }

// run writes until drain is set and all is written, or the journal dies.
func (d *disk) run() {
	defer close(d.finished)
	pause, doze := diskPause, dozer()
	if d.strict {
		pause = strictPause
	}
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
		doze(pause)
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
