package multicast

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Subscription is one receiver of a channel: its sockets, and the loop that drives
// them. Run belongs to one goroutine; Stats and Position to any.
type Subscription struct {
	cfg     Config
	sub     *recovery.Subscriber
	servers []netip.AddrPort
	started atomic.Bool

	// Of the loop alone.
	poll      poller
	tcp       conn
	reached   netip.Addr          // address on this host by which a retransmit service was reached first
	lines     [MaxLines]reception // nil where none is joined
	joined    [MaxLines]Line      // what lines were opened as
	failing   [MaxLines]bool      // the last read failed, and that was told
	line      int                 // to read next
	owed      int                 // turns since the Subscriber was last asked what it wants, because these brought something
	passed    int                 // turns since the clock was last read
	tended    wire.Nanos          // when tend last ran
	listened  wire.Nanos          // when the server's connection was last looked at
	now       wire.Nanos          // of the last turn
	deadline  wire.Nanos          // the next turn is due by then
	discarded uint64              // datagrams that Config.Drop took out
	gone      uint64              // kernel drops of sockets closed since

	observed view
}

// Subscribe delivers a channel to h until the session has ended (nil), ctx is done
// (its cause) or nothing more can be delivered: errors of Open and of package
// recovery, or what the kernel refused. h is called on the calling goroutine.
func Subscribe(ctx context.Context, c Config, h recovery.Handler) error {
	s, err := Open(c, h)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Open checks c and looks names up; Run does the rest. Errors wrap ErrLines,
// ErrGroup, ErrInterface, ErrFamily, ErrWait or recovery.ErrConfig, or say which
// name is unknown.
func Open(c Config, h recovery.Handler) (*Subscription, error) {
	if c.Clock == nil {
		c.Clock = Monotonic
	}
	if c.OnAlert == nil {
		c.OnAlert = func(string) {}
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	servers, err := lookup(c.Retransmit)
	if err != nil {
		return nil, err
	}
	sub, err := recovery.NewSubscriber(c.recovery(), h)
	if err != nil {
		return nil, err
	}
	return &Subscription{cfg: c, sub: sub, servers: servers, tcp: newConn()}, nil
}

// Stats counts what a Subscription saw.
type Stats struct {
	recovery.Stats
	Sockets     [MaxLines]ReceiverStats // by line; the zero value where none was joined
	KernelDrops uint64                  // reads that the kernel dropped, on all lines: this host was too slow, no line lost them
	Discarded   uint64                  // datagrams that Config.Drop took out
}

// Stats gives the counters, at most 0.1 s old while Run runs.
func (s *Subscription) Stats() Stats {
	s.observed.Lock()
	defer s.observed.Unlock()
	return s.observed.stats
}

// Position is how far the handler has come, at most 0.1 s old while Run runs. A
// program that must resume exactly keeps its own, from the packets that it was given.
func (s *Subscription) Position() recovery.Position {
	s.observed.Lock()
	defer s.observed.Unlock()
	return s.observed.position
}

// Welcome gives what the first retransmit service said of the channel; the zero
// value before that, and without one. It belongs to the handler, inside its
// methods, and to whoever called Run, after it.
func (s *Subscription) Welcome() retransmit.Welcome { return s.sub.Welcome() }

// A view is what others see of the loop. The loop never waits for them.
type view struct {
	sync.Mutex
	stats    Stats
	position recovery.Position
}

// show copies what the loop counted, for others to see. The view is locked.
func (s *Subscription) show() {
	v := &s.observed.stats
	v.Stats, v.Discarded, v.KernelDrops = *s.sub.Stats(), s.discarded, s.gone
	for i, r := range s.lines {
		if r != nil {
			v.Sockets[i] = r.Stats()
			v.KernelDrops += v.Sockets[i].Drops
		}
	}
	s.observed.position = s.sub.Position()
}
