package main

import "github.com/tapecast/tapecast/feed/wire"

const (
	microsecond = wire.Nanos(1e3)
	millisecond = wire.Nanos(1e6)
	second      = wire.Nanos(1e9)
)

// actor is whatever events happen to. tag and n mean what the actor says.
type actor interface {
	wake(tag, n int, data []byte)
	name() string
}

// event is something that happens to an actor.
type event struct {
	who  actor
	tag  int
	n    int
	data []byte
}

// place is an event's in the queue: its virtual time; among those of one time, as they
// were scheduled. The queue moves these, not events, which hold pointers.
type place struct {
	at    wire.Nanos
	order uint64
	event int32
}

func (p *place) before(q *place) bool {
	return p.at < q.at || p.at == q.at && p.order < q.order
}

// kernel is the queue of events, virtual time and the trace. Its order depends on
// nothing but what was scheduled.
type kernel struct {
	now    wire.Nanos // since the world began
	order  uint64
	steps  uint64
	trace  uint64
	heap   []place // each has four below it
	events []event
	free   []int32 // of events
}

// at schedules an event, now at the earliest.
func (k *kernel) at(t wire.Nanos, who actor, tag, n int, data []byte) {
	k.order++
	i := int32(len(k.events))
	if last := len(k.free) - 1; last >= 0 {
		i, k.free = k.free[last], k.free[:last]
	} else {
		k.events = append(k.events, event{})
	}
	k.events[i] = event{who, tag, n, data}
	k.heap = append(k.heap, place{})
	k.up(place{max(t, k.now), k.order, i})
}

func (k *kernel) after(d wire.Nanos, who actor, tag, n int, data []byte) {
	k.at(k.now+d, who, tag, n, data)
}

// step lets the next event happen, if it does so before end.
func (k *kernel) step(end wire.Nanos) bool {
	if len(k.heap) == 0 || k.heap[0].at > end {
		k.now = max(k.now, end)
		return false
	}
	at, e := k.pop()
	k.now = at
	k.steps++
	k.note(uint64(at))
	k.note(uint64(e.tag)<<32 ^ uint64(e.n))
	e.who.wake(e.tag, e.n, e.data)
	return true
}

// note mixes x into the trace: two runs of one seed must note the same.
func (k *kernel) note(x uint64) {
	k.trace = (k.trace ^ x) * 0x9fb21c651e98df25
	k.trace ^= k.trace >> 32
}

func (k *kernel) pop() (wire.Nanos, event) {
	top, n := k.heap[0], len(k.heap)-1
	last := k.heap[n]
	if k.heap = k.heap[:n]; n > 0 {
		k.down(last)
	}
	e := k.events[top.event]
	k.events[top.event] = event{}
	k.free = append(k.free, top.event)
	return top.at, e
}

// up puts p where the heap's last place is empty.
func (k *kernel) up(p place) {
	i := len(k.heap) - 1
	for i > 0 {
		above := (i - 1) / 4
		if !p.before(&k.heap[above]) {
			break
		}
		k.heap[i] = k.heap[above]
		i = above
	}
	k.heap[i] = p
}

// down puts p where the heap's first place is empty.
func (k *kernel) down(p place) {
	i := 0
	for {
		first := 4*i + 1
		if first >= len(k.heap) {
			break
		}
		c := first
		for j := first + 1; j < min(first+4, len(k.heap)); j++ {
			if k.heap[j].before(&k.heap[c]) {
				c = j
			}
		}
		if !k.heap[c].before(&p) {
			break
		}
		k.heap[i] = k.heap[c]
		i = c
	}
	k.heap[i] = p
}

// clock is a process's idea of time: true time with an offset and a drift.
type clock struct {
	base wire.Nanos // what it said at since
	at   wire.Nanos // virtual time of that
	ppm  wire.Nanos // how much faster than true time, per million
}

// read is what the clock says at virtual time now.
func (c *clock) read(now wire.Nanos) wire.Nanos {
	d := now - c.at
	return c.base + d + d/1e6*c.ppm + d%1e6*c.ppm/1e6
}

// when is the virtual time, about, at which the clock will say local; never before now.
func (c *clock) when(local, now wire.Nanos) wire.Nanos {
	d := local - c.read(now)
	if d <= 0 {
		return now
	}
	if d > 1e15 {
		return now + 1e15
	}
	return now + max(d-d/1e6*c.ppm, 1)
}

// step moves the clock by d.
func (c *clock) step(now, d wire.Nanos) {
	c.base, c.at = c.read(now)+d, now
}
