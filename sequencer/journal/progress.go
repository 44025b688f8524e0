package journal

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed"
)

// progress says how far each input's messages are journalled. The disk loop takes
// what it has put in a batch and publishes it once the mode's promise holds.
type progress struct {
	taken   [feed.MaxInputs]uint64
	touched []feed.InputID // inputs whose taken is above done, each once
	done    [feed.MaxInputs]atomic.Uint64
}

func (p *progress) take(progress []feed.Progress) {
	for _, x := range progress {
		if int(x.Input) >= len(p.taken) {
			continue
		}
		if p.taken[x.Input] == p.done[x.Input].Load() {
			p.touched = append(p.touched, x.Input)
		}
		p.taken[x.Input] = x.Seq
	}
}

func (p *progress) publish() {
	for _, id := range p.touched {
		p.done[id].Store(p.taken[id])
	}
	p.touched = p.touched[:0]
}

func (p *progress) acknowledged(id feed.InputID) uint64 {
	if int(id) >= len(p.done) {
		return 0
	}
	return p.done[id].Load()
}
