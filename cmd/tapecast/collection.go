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
	const cycles, total, released = 0, 1, 2
	m := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for seen := ^uint64(0); ; {
		metrics.Read(m)
		if n := m[cycles].Value.Uint64(); n != seen {
			seen = n
			debug.SetMemoryLimit(int64(m[total].Value.Uint64()-m[released].Value.Uint64()) + garbage)
		}
		select {
		case <-done:
			return
		case <-look.C:
		}
	}
}
