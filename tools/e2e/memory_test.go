package e2e

import (
	"fmt"
	"math"
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
// and another did not is no rate, so the least of short runs and the least of long ones
// count: what a busy machine adds to a run is never less than nothing, so more runs, which
// it takes where two are too much, come nearer to the truth from above.
func TestNoCollection(t *testing.T) {
	room := [2]int64{128 << 20, 32 << 20}
	short, long := [2]int64{math.MaxInt64, math.MaxInt64}, [2]int64{math.MaxInt64, math.MaxInt64}
	hour := func(i int) int64 { return (long[i] - short[i]) * 3600 / 6 }
	for round := 0; round < 2 || round < 6 && (hour(0) >= room[0] || hour(1) >= room[1]); round++ {
		served, heard := steady(t, 2, "sockets")
		short[0], short[1] = min(short[0], served.AllocatedBytes), min(short[1], heard.AllocatedBytes)
		served, heard = steady(t, 8, "sockets")
		long[0], long[1] = min(long[0], served.AllocatedBytes), min(long[1], heard.AllocatedBytes)
	}
	for i, name := range [2]string{"serve", "listen"} {
		t.Logf("%s: %d bytes an hour", name, hour(i))
		if hour(i) >= room[i] {
			t.Errorf("%s allocates %d bytes an hour, and collects at %d", name, hour(i), room[i])
		}
	}
}

// TestRingMemory: the ring's own memory is part of what is documented.
func TestRingMemory(t *testing.T) {
	needRing(t)
	steady(t, 1, "ring")
}
