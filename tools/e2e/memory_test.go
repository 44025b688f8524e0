package e2e

import (
	"fmt"
	"syscall"
	"testing"
)

// steady runs a session of some seconds at 100,000 messages a second and returns what
// serve and one receiver say of it. Neither may collect garbage, and a receiver stays
// within what is documented for its default settings.
func steady(t *testing.T, seconds int, receive string) (served, heard summary) {
	t.Helper()
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:3", "--pace", "100000/s", "--count", fmt.Sprint(seconds*100_000),
		"--await", "1", "--end-at-eof", "--linger", "1s")...)
	s.ready("\"started\"")
	r := start(t, "listen", with(c.listen, "--receive", receive)...)
	r.wait(0)
	s.wait(0)
	served = s.summary()
	heard = complete(t, served, r)
	if served.Collections != 0 || heard.Collections != 0 {
		t.Errorf("%d collections in serve, %d in listen", served.Collections, heard.Collections)
	}
	const most = 64 << 10 // KiB
	if rss := r.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; rss >= most {
		t.Errorf("listen by %s took %d KiB of memory, at most %d are documented", receive, rss, most)
	} else {
		t.Logf("listen by %s: %d KiB resident at most", receive, rss)
	}
	return served, heard
}

// TestNoCollection: what piles up in an hour of steady load, status lines and all, is
// less than the room that there is before a collection.
func TestNoCollection(t *testing.T) {
	served1, heard1 := steady(t, 2, "sockets")
	served2, heard2 := steady(t, 8, "sockets")
	for _, c := range []struct {
		name       string
		more, room int64
	}{
		{"serve", served2.AllocatedBytes - served1.AllocatedBytes, 64 << 20},
		{"listen", heard2.AllocatedBytes - heard1.AllocatedBytes, 32 << 20},
	} {
		hour := c.more * 3600 / 6
		t.Logf("%s: %d bytes an hour", c.name, hour)
		if hour >= c.room {
			t.Errorf("%s allocates %d bytes an hour, and collects at %d", c.name, hour, c.room)
		}
	}
}

// TestRingMemory: the ring's own memory is part of what is documented.
func TestRingMemory(t *testing.T) {
	needRing(t)
	steady(t, 1, "ring")
}
