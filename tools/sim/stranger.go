package main

import (
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// nothing is the channel of a service that has nothing to do with ours.
type nothing struct{}

// State implements retransmit.Live.
func (nothing) State() retransmit.State {
	return retransmit.State{Epoch: 1, Cuts: []retransmit.Cut{{Epoch: 1}}, Oldest: 1, Next: 1}
}

// Bounds implements retransmit.Store.
func (nothing) Bounds() (oldest, next uint64) { return 1, 1 }

// Copy implements retransmit.Store.
func (nothing) Copy([]byte, uint64) (int, error) { return 0, feed.ErrAhead }

// Definitions implements retransmit.Store.
func (nothing) Definitions() ([]byte, uint64) { return nil, 0 }

// openStranger opens a service of another channel or session.
func (w *world) openStranger() {
	c := w.serverConfig()
	if w.rand.n(2) == 0 {
		c.Channel.Channel++
	} else {
		c.Channel.Session ^= 1
	}
	s, err := retransmit.NewServer(c, nothing{})
	if err != nil {
		w.fail("stranger: %v", err)
		return
	}
	w.stranger = &shell{w: w, host: hostStranger, server: s,
		clock:  func() wire.Nanos { return epochStart + w.k.now },
		paused: func() wire.Nanos { return 0 }}
}
