package daemon

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/history"
)

// live is the channel as the retransmit service sees it. The ingest loop (in a
// relay, the receive loop) writes it, every connection reads it.
type live struct {
	*history.History
	clock   clock.Clock
	cuts    atomic.Pointer[[]retransmit.Cut] // oldest first, never written again
	journal atomic.Uint32
	ended   atomic.Bool

	version atomic.Uint64 // odd while next and chain are being written
	next    atomic.Uint64
	chain   atomic.Uint64 // after next-1
}

// publish says where the visible end is. One loop calls it.
func (l *live) publish(next, chain uint64) {
	l.version.Add(1)
	l.next.Store(next)
	l.chain.Store(chain)
	l.version.Add(1)
}

// end reads what publish wrote, both of one call.
func (l *live) end() (next, chain uint64) {
	for {
		v := l.version.Load()
		next, chain = l.next.Load(), l.chain.Load()
		if v%2 == 0 && l.version.Load() == v {
			return next, chain
		}
	}
}

// State implements retransmit.Live.
func (l *live) State() retransmit.State {
	next, chain := l.end()
	oldest, _ := l.Bounds()
	cuts := *l.cuts.Load()
	s := retransmit.State{
		Epoch: cuts[len(cuts)-1].Epoch, Cuts: cuts, Oldest: oldest, Next: next, Chain: chain,
		Durable: l.Durable(), Journal: wire.JournalState(l.journal.Load()),
		Clock: l.clock.State(), Ended: l.ended.Load(),
	}
	if s.Ended {
		s.Last = next - 1
	}
	return s
}
