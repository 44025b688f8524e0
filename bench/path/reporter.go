package path

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// reporter is told by a daemon's control loop what the source's loop must know.
type reporter struct {
	warned  string        // the last warning
	behind  uint64        // most messages that the journal was behind
	caught  atomic.Int64  // when the journal was seen to have all, 0 before
	want    atomic.Uint64 // all: the last message's sequence
	journal bool
}

// Started implements daemon.Reporter.
func (r *reporter) Started(i daemon.Info) { r.journal = i.Journal != daemon.NoJournal }

// Status implements daemon.Reporter.
func (r *reporter) Status(s daemon.Status) {
	if r.journal && s.Next > s.Written+1 {
		r.behind = max(r.behind, s.Next-s.Written-1)
	}
	if want := r.want.Load(); want > 0 && (!r.journal || s.Written >= want) && r.caught.Load() == 0 {
		r.caught.Store(rig.Nanotime())
	}
}

// Warn implements daemon.Reporter.
func (r *reporter) Warn(problem string) { r.warned = problem }

// Clock implements daemon.Reporter.
func (r *reporter) Clock(keeper.Event) {}
