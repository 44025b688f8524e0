package path

import (
	"context"
	"runtime"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// Listen says what to expect.
type Listen struct {
	Settings
	Channel Channel `json:"channel"`
	Warm    uint64  `json:"warm"`             // messages at the start whose latency is not counted
	Every   bool    `json:"every"`            // count the latency of every message; else of the first of each packet
	Remote  bool    `json:"remote,omitempty"` // the sender's clock is another host's: there is no latency
}

// Heard is what came.
type Heard struct {
	losses
	Messages    uint64       `json:"messages"`
	Latency     *rig.Latency `json:"latency"`
	Behind      float64      `json:"behind"` // s from the last message's time to its delivery
	Began       int64        `json:"began"`  // when it subscribed, ns, monotonic
	First       int64        `json:"first"`  // when the first and the last were delivered, ns, monotonic
	Last        int64        `json:"last"`
	CPU         int64        `json:"cpu_ns"` // of the loop, from the first to the last
	Sum         uint64       `json:"sum"`    // over fields of all messages: they were looked at
	Memory      int64        `json:"memory"`
	Collections uint64       `json:"collections"`
}

// listener times what it is given.
type listener struct {
	Listen
	Heard
	reader
	part *rig.Part
	h    rig.Histogram
	cost rig.Cost
	late int64 // of the last message, ns
}

func listen(ctx context.Context, part *rig.Part) (any, error) {
	l := &listener{part: part, h: rig.NewHistogram()}
	if err := part.Args(&l.Listen); err != nil {
		return nil, err
	}
	rig.NoCollection()
	s, err := multicast.Open(l.subscriber(l.Channel), l)
	if err != nil {
		return nil, err
	}
	if err := l.listen(ctx, s); err != nil {
		return nil, err
	}
	return l.result(s), nil
}

// listen runs s, of which l is the handler.
func (l *listener) listen(ctx context.Context, s *multicast.Subscription) error {
	runtime.LockOSThread()
	rig.Pin(l.Listen.CPU)
	l.Began = rig.Nanotime()
	return s.Run(ctx)
}

func (l *listener) result(s *multicast.Subscription) *Heard {
	stats := s.Stats()
	l.Repaired, l.Drops = stats.Repaired, stats.KernelDrops
	l.Latency, l.Behind = l.h.Latency(), float64(l.late)/1e9
	l.Memory = rig.PeakMemory()
	l.Collections, _ = rig.Collections()
	return &l.Heard
}

// Packet implements recovery.Handler.
func (l *listener) Packet(d recovery.Delivery) {
	now, first := rig.Nanotime(), true
	c := d.Cursor()
	for c.Next() {
		number, at, ok := l.reader.message(c.Message())
		if !ok {
			continue
		}
		if number == hello {
			_ = l.part.Ready(nil) // a parent that is gone ends the context too
			continue
		}
		l.Messages++
		l.Sum += number + uint64(c.Instrument())
		if (l.Every || first) && number > l.Warm && !l.Remote {
			l.h.Add(now - at)
		}
		first, l.late = false, now-at
	}
	if l.First == 0 && l.Messages > 0 {
		l.First, l.cost = now, rig.ThreadCost()
	}
	l.Last = now
}

// Event implements recovery.Handler.
func (l *listener) Event(e recovery.Event) {
	if e.Kind == recovery.EventEnd {
		l.CPU = rig.ThreadCost().Sub(l.cost).CPU
	}
	l.event(e)
}
