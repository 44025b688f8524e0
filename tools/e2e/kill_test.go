package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/synth"
	"github.com/tapecast/tapecast/feed/text"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// status is what a receiver said of itself last, or serve.
type status struct {
	Event, State string
	Now          int64  // ns UTC
	Last         uint64 // of a receiver
	Next         uint64 // of serve
	Goroutines   int
	Allocated    uint64 `json:"allocated_bytes"`
}

func (p *proc) status() (s status) {
	lines := strings.Split(strings.TrimSpace(p.err.last(1<<16)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if json.Unmarshal([]byte(lines[i]), &s) == nil && s.Event == "status" {
			return s
		}
	}
	return status{}
}

// lastSeen is the highest sequence in the newest status line of a receiver.
func (p *proc) lastSeen() uint64 { return p.status().Last }

// until waits until the receiver has seen seq.
func (p *proc) until(seq uint64) {
	p.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.lastSeen() < seq {
		select {
		case <-tick.C:
		case <-p.done:
			p.t.Fatalf("%s ended before sequence %d\n%s", p.name, seq, p.tail())
		case <-deadline:
			p.t.Fatalf("%s never saw sequence %d\n%s", p.name, seq, p.tail())
		}
	}
}

// settled waits until the receiver's position stood still for a while, and returns it.
func (p *proc) settled() uint64 {
	for last := p.lastSeen(); ; {
		<-time.After(120 * time.Millisecond)
		now := p.lastSeen()
		if now == last {
			return now
		}
		last = now
	}
}

// silentSince waits until the receiver says that it has not heard anything for a
// while since t, and returns its position: nothing is on its way to it any more.
func (p *proc) silentSince(t time.Time) uint64 {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		if s := p.status(); s.State == "stale" && s.Now > t.Add(150*time.Millisecond).UnixNano() {
			return s.Last
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("%s never fell silent\n%s", p.name, p.tail())
		}
	}
}

// kills is how often serve is killed in each mode.
func kills() int { return sized(200, 30) }

// TestKillsFast kills serve at random moments and, before every other restart,
// loses the end of the journal as a power cut would. Receivers that stay up see one
// session: what they have and the journal lacks is declared orphaned, nothing else
// is, and nothing is replaced in silence.
func TestKillsFast(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	c := onLoopback(t, dir)
	receivers := []*proc{start(t, "one", with(c.listen, "--status", "50ms")...), start(t, "two", with(c.listen, "--status", "50ms")...)}
	for i := range kills() {
		life(t, r, with(c.serve, "--source", "synth:5", "--pace", "50000/s"))
		if j := readTail(t, dir); i%2 == 0 && j.end() > j.floor {
			j.lose(t, r, j.floor+r.Int64N(j.end()-j.floor))
		}
	}
	served := finish(t, c, readTail(t, dir).last(), receivers, "--source", "synth:5")
	sameAsMarket(t, dir, 5)
	for _, p := range receivers {
		s := p.summary()
		orphaned := strings.Count(p.err.String(), `"event":"orphaned"`)
		t.Logf("%s: %d messages, %d orphaned in %d restarts", p.name, s.Last, s.Orphans, orphaned)
		if s.Chain != served.Chain || s.Last != served.Last || len(s.Lost) != 0 || s.Delivered != s.Last+s.Orphans {
			t.Errorf("%s: %+v\nserve: %+v", p.name, s, served)
		}
		if orphaned*4 < kills() {
			t.Errorf("%s: only %d of %d restarts left orphans", p.name, orphaned, kills())
		}
	}
}

// TestKillsStrict does the same in strict mode, where only durable packets are sent:
// whatever is lost behind the last one that a receiver saw, there are no orphans.
func TestKillsStrict(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	c := onLoopback(t, dir)
	receivers := []*proc{start(t, "one", with(c.listen, "--status", "20ms")...), start(t, "two", with(c.listen, "--status", "20ms")...)}
	cut := 0
	for range kills() {
		life(t, r, with(c.serve, "--source", "synth:6", "--pace", "50000/s", "--durability", "strict"))
		dead := time.Now()
		j, seen := readTail(t, dir), max(receivers[0].silentSince(dead), receivers[1].silentSince(dead))
		if off := max(j.behind(seen), j.floor); off < j.end() {
			j.lose(t, r, off)
			cut++
		}
	}
	served := finish(t, c, readTail(t, dir).last(), receivers, "--source", "synth:6", "--durability", "strict")
	sameAsMarket(t, dir, 6)
	t.Logf("%d tails lost", cut)
	for _, p := range receivers {
		if s := complete(t, served, p); s.Delivered != s.Last {
			t.Errorf("%s: delivered %d messages, the last is %d", p.name, s.Delivered, s.Last)
		}
	}
}

// sameAsMarket checks that the journal holds the synthetic market of seed, message
// by message from its first: no restart has left one out or doubled one.
func sameAsMarket(t *testing.T, dir string, seed uint64) {
	t.Helper()
	r, err := journal.OpenReader(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m, got, want := synth.New(seed, 0), text.NewPrinter(), text.NewPrinter()
	for {
		p, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for c := p.Cursor(); c.Next(); {
			msg, err := m.Next()
			if err != nil {
				t.Fatal(err)
			}
			a := got.AppendJSON(nil, c.Sequence(), 0, c.Message())
			if b := want.AppendJSON(nil, c.Sequence(), 0, msg); !bytes.Equal(a, b) {
				t.Fatalf("the journal has\n%sand the market\n%s", a, b)
			}
		}
	}
}

// life starts serve and kills it at a random moment.
func life(t *testing.T, r *rand.Rand, args []string) {
	t.Helper()
	s := start(t, "serve", args...)
	s.ready(`"started"`)
	<-time.After(time.Duration(r.Int64N(int64(80 * time.Millisecond))))
	s.kill()
}

// finish runs the session to its end, some messages further, and waits for the
// receivers.
func finish(t *testing.T, c channel, last uint64, receivers []*proc, more ...string) summary {
	t.Helper()
	s := start(t, "last serve", with(with(c.serve, "--pace", "50000/s", "--count", fmt.Sprint(last+10_000), "--end-at-eof", "--linger", "1m"), more...)...)
	for _, p := range receivers {
		p.wait(0)
	}
	s.dismiss()
	return s.summary()
}
