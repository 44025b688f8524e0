package main

import (
	"runtime"
	"testing"
)

// A program's memory may grow by its garbage once, and not at every collection.
func TestInUseDoesNotCreep(t *testing.T) {
	u := newUsage()
	after := func() int64 {
		runtime.GC()
		u.read()
		return u.inUse()
	}
	before := after()
	var keep [][]byte
	for range 4 {
		keep = nil
		for range 64 {
			keep = append(keep, make([]byte, 1<<20))
		}
		keep = keep[:1]
		clear(keep[1:cap(keep)])
		if now := after(); now > before+16<<20 {
			t.Fatalf("%d MiB are in use where %d MiB were and one was added", now>>20, before>>20)
		}
	}
	runtime.KeepAlive(keep)
	if n := after(); n <= 0 || n > before+16<<20 {
		t.Errorf("%d bytes are in use, %d were", n, before)
	}
}
