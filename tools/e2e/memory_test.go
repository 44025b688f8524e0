package e2e

import (
	"fmt"
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
	const most = 64 << 20
	if n := heard.Resident; n <= 0 || n >= most {
		t.Errorf("listen by %s took %d bytes of memory, at most %d are documented", receive, n, most)
	}
	t.Logf("listen by %s: %d KiB resident at most", receive, heard.Resident>>10)
	return served, heard
}

// TestNoCollection: what piles up in an hour of steady load, status lines and all, is
// less than the room that there is before a collection. A buffer that one run needed
// and another did not is no rate, so the most of short runs and the least of long ones count.
func TestNoCollection(t *testing.T) {
	var short, long [2]int64
	for i := range 2 {
		served, heard := steady(t, 2, "sockets")
		short[0], short[1] = max(short[0], served.AllocatedBytes), max(short[1], heard.AllocatedBytes)
		served, heard = steady(t, 8, "sockets")
		if i == 0 {
			long = [2]int64{served.AllocatedBytes, heard.AllocatedBytes}
		}
		long[0], long[1] = min(long[0], served.AllocatedBytes), min(long[1], heard.AllocatedBytes)
	}
	for i, room := range [2]int64{128 << 20, 32 << 20} {
		name := [2]string{"serve", "listen"}[i]
		hour := (long[i] - short[i]) * 3600 / 6
		t.Logf("%s: %d bytes an hour", name, hour)
		if hour >= room {
			t.Errorf("%s allocates %d bytes an hour, and collects at %d", name, hour, room)
		}
	}
}

// TestRingMemory: the ring's own memory is part of what is documented.
func TestRingMemory(t *testing.T) {
	needRing(t)
	steady(t, 1, "ring")
}
