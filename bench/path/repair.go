package path

import (
	"context"
	"runtime"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// DefaultGrace is what a subscriber gives a gap unless it is told otherwise, ns.
const DefaultGrace = wire.Nanos(100_000)

// Repair says which packets to lose, on both lines.
type Repair struct {
	Listen
	Every uint64     `json:"lose_every"` // the packet that begins with a multiple of this sequence
	Grace wire.Nanos `json:"grace_ns"`   // of the subscriber; its jitter is none
}

// Repaired is what came of it.
type Repaired struct {
	Heard
	Took    *rig.Latency `json:"took"` // from the later line's passing the gap to the delivery of what was lost
	Dropped int          `json:"dropped"`
}

// repairer is a listener that loses packets.
type repairer struct {
	listener
	plan    Repair
	took    rig.Histogram
	dropped int
	lost    wire.Packet // header of the packet lost last; nil when it was delivered
	passed  [multicast.MaxLines]int64
}

func repair(ctx context.Context, part *rig.Part) (any, error) {
	rig.NoCollection()
	r := &repairer{took: rig.NewHistogram(), listener: listener{part: part, h: rig.NewHistogram()}}
	if err := part.Args(&r.plan); err != nil {
		return nil, err
	}
	r.listener.Listen = r.plan.Listen
	c := r.plan.subscriber(r.plan.Channel)
	c.Drop, c.Recovery.Grace, c.Recovery.Jitter = r.drop, r.plan.Grace, 1
	s, err := multicast.Open(c, r)
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	rig.Pin(r.plan.Settings.CPU)
	if err := s.Run(ctx); err != nil {
		return nil, err
	}
	return Repaired{Heard: *r.result(s), Took: r.took.Latency(), Dropped: r.dropped}, nil
}

// drop loses what it is to lose, and notes when a line has passed that.
func (r *repairer) drop(line int, datagram []byte) bool {
	p, err := wire.Parse(datagram)
	if err != nil || p.Type() != wire.TypeSequenced {
		return false
	}
	if p.First()%r.plan.Every == 0 {
		if r.lost == nil || r.lost.First() != p.First() {
			r.lost, r.passed = append(wire.Packet(nil), p...), [multicast.MaxLines]int64{}
			r.dropped++
		}
		return true
	}
	if r.lost != nil && p.First() >= r.lost.Next() && r.passed[line] == 0 {
		r.passed[line] = rig.Nanotime()
	}
	return false
}

// Packet implements recovery.Handler.
func (r *repairer) Packet(d recovery.Delivery) {
	if r.lost != nil && d.Next() > r.lost.First() {
		if at := r.later(); at != 0 {
			r.took.Add(rig.Nanotime() - at)
		}
		r.lost = nil
	}
	r.listener.Packet(d)
}

// later is when the later line passed the gap, 0 while one has not.
func (r *repairer) later() int64 {
	at := r.passed[0]
	for i := range r.plan.Channel.Groups {
		if r.passed[i] == 0 {
			return 0
		}
		at = max(at, r.passed[i])
	}
	return at
}
