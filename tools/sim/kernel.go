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

// event is something that happens to an actor at a virtual time.
type event struct {
	at    wire.Nanos
	order uint64 // of events at one time: as they were scheduled
	who   actor
	tag   int
	n     int
	data  []byte
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// kernel is the queue of events, virtual time and the trace. Its order depends on
// nothing but what was scheduled.
type kernel struct {
	now   wire.Nanos // since the world began
	order uint64
	steps uint64
	trace uint64
	heap  []event
}

// at schedules an event, now at the earliest.
func (k *kernel) at(t wire.Nanos, who actor, tag, n int, data []byte) {
	k.order++
	k.heap = append(k.heap, event{max(t, k.now), k.order, who, tag, n, data})
	k.up(len(k.heap) - 1)
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
	e := k.pop()
	k.now = e.at
	k.steps++
	k.note(uint64(e.at))
	k.note(uint64(e.tag)<<32 ^ uint64(e.n))
	e.who.wake(e.tag, e.n, e.data)
	return true
}

// note mixes x into the trace: two runs of one seed must note the same.
func (k *kernel) note(x uint64) {
	k.trace = (k.trace ^ x) * 0x9fb21c651e98df25
	k.trace ^= k.trace >> 32
}

func (k *kernel) pop() event {
	e := k.heap[0]
	n := len(k.heap) - 1
	k.heap[0] = k.heap[n]
	k.heap[n] = event{}
	k.heap = k.heap[:n]
	k.down(0)
	return e
}

func (k *kernel) up(i int) {
	for i > 0 {
		p := (i - 1) / 2
		if !k.heap[i].before(&k.heap[p]) {
			return
		}
		k.heap[i], k.heap[p] = k.heap[p], k.heap[i]
		i = p
	}
}

func (k *kernel) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(k.heap) {
			return
		}
		if c+1 < len(k.heap) && k.heap[c+1].before(&k.heap[c]) {
			c++
		}
		if !k.heap[c].before(&k.heap[i]) {
			return
		}
		k.heap[i], k.heap[c] = k.heap[c], k.heap[i]
		i = c
	}
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
