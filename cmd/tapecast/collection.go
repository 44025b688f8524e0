package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much may pile up before it is collected, in bytes: more than status lines and
// clock readings of an hour make.
const (
	serveGarbage  = 128 << 20
	listenGarbage = 32 << 20
)

// withoutCollection turns garbage collection off, for it would take processors from
// the loops, until the program has grown by garbage bytes; from there on, with what is in
// use then as the new start. Whoever sets GOGC or GOMEMLIMIT decides himself. The
// function that it returns undoes it.
func withoutCollection(garbage int64, env func(string) (string, bool)) (undo func()) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if v, ok := env(name); ok && v != "" {
			return func() {}
		}
	}
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(-1)
	done := make(chan struct{})
	go guard(garbage, done)
	return func() {
		close(done)
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// guard sets the limit at first, and anew after every collection: what is left then
// is in use, and a limit below that would mean one collection behind the other.
func guard(garbage int64, done <-chan struct{}) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for u, seen := newUsage(), ^uint64(0); ; {
		if n := u.read(); n != seen {
			seen = n
			debug.SetMemoryLimit(u.inUse() + garbage)
		}
		select {
		case <-done:
			return
		case <-look.C:
		}
	}
}

// usage is what the runtime says of its memory.
type usage []metrics.Sample

const cycles, total, released, free, objects, live = 0, 1, 2, 3, 4, 5

func newUsage() usage {
	return usage{
		cycles:   {Name: "/gc/cycles/total:gc-cycles"},
		total:    {Name: "/memory/classes/total:bytes"},
		released: {Name: "/memory/classes/heap/released:bytes"},
		free:     {Name: "/memory/classes/heap/free:bytes"},
		objects:  {Name: "/memory/classes/heap/objects:bytes"},
		live:     {Name: "/gc/heap/live:bytes"},
	}
}

// read reads it, and returns how many collections there were.
func (u usage) read() uint64 {
	metrics.Read(u)
	return u[cycles].Value.Uint64()
}

// inUse is what is in use after a collection, in bytes, as the limit counts: not what
// was garbage before it, which is kept for what comes next, so that the memory of a
// program grows by garbage once and not at every collection.
func (u usage) inUse() int64 {
	n := int64(u[live].Value.Uint64() + u[total].Value.Uint64())
	for _, gone := range []int{released, free, objects} {
		n -= int64(u[gone].Value.Uint64())
	}
	return n
}
