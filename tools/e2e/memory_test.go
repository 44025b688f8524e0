package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// steady runs a session of some seconds at 100,000 messages a second and returns
// serve and one receiver, ended. Neither may collect garbage, and a receiver stays
// within what is documented for its default settings.
func steady(t *testing.T, seconds int, receive string) (served, heard *proc) {
	t.Helper()
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:3", "--pace", "100000/s", "--count", fmt.Sprint(seconds*100_000),
		"--await", "1", "--end-at-eof", "--linger", "1s")...)
	s.ready("\"started\"")
	r := start(t, "listen", with(c.listen, "--receive", receive)...)
	r.wait(0)
	s.wait(0)
	sent := s.summary()
	got := complete(t, sent, r)
	if sent.Collections != 0 || got.Collections != 0 {
		t.Errorf("%d collections in serve, %d in listen", sent.Collections, got.Collections)
	}
	const most = 64 << 20
	if n := got.Resident; n <= 0 || n >= most {
		t.Errorf("listen by %s took %d bytes of memory, at most %d are documented", receive, n, most)
	}
	t.Logf("listen by %s: %d KiB resident at most", receive, got.Resident>>10)
	return s, r
}

// TestNoCollection: what piles up in an hour of steady load, status lines and all, is
// less than the room that there is before a collection.
func TestNoCollection(t *testing.T) {
	served, heard := steady(t, 15, "sockets")
	for _, p := range []struct {
		proc *proc
		room uint64
	}{{served, 128 << 20}, {heard, 32 << 20}} {
		hour := garbage(t, p.proc)
		t.Logf("%s: %d bytes an hour", p.proc.name, hour)
		if hour >= p.room {
			t.Errorf("%s allocates %d bytes an hour, and collects at %d", p.proc.name, hour, p.room)
		}
	}
}

// garbage is what p allocates in an hour by its status lines, in bytes. Two steps as large
// as a buffer for repairs do not count: that is kept, and taken once or not at all, as the
// machine's other load has it. A third one does.
func garbage(t *testing.T, p *proc) (hour uint64) {
	t.Helper()
	var steps []uint64
	var took time.Duration
	var before status
	for line := range strings.Lines(p.err.String()) {
		var now status
		if json.Unmarshal([]byte(line), &now) != nil || now.Event != "status" {
			continue
		}
		if before.Now != 0 && before.Last+before.Next < now.Last+now.Next {
			steps = append(steps, now.Allocated-before.Allocated)
			took += time.Duration(now.Now - before.Now)
		}
		before = now
	}
	if len(steps) < 10 {
		t.Fatalf("%s: only %d seconds under load\n%s", p.name, len(steps), p.tail())
	}
	const buffer = 256 << 10
	once := 2
	for _, n := range steps {
		if n >= buffer && once > 0 {
			n -= buffer
			once--
		}
		hour += n
	}
	return uint64(float64(hour) * float64(time.Hour) / float64(took))
}

// TestRingMemory: the ring's own memory is part of what is documented.
func TestRingMemory(t *testing.T) {
	needRing(t)
	steady(t, 1, "ring")
}
