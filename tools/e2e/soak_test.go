package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// soakTime is how long TestSoak runs: TAPECAST_SOAK, or a short form.
func soakTime(t *testing.T) time.Duration {
	s := os.Getenv("TAPECAST_SOAK")
	if s == "" {
		return 12 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Second {
		t.Fatalf("TAPECAST_SOAK=%q: want a time of at least 10s, such as 1h: %v", s, err)
	}
	return d
}

// TestSoak runs two channels at 1,000 messages a second, one strict and one fast,
// with everything on: receivers that lose datagrams, one over TCP, a relay and a
// receiver behind it, one that is killed and resumes, and in the fast channel a serve
// that is killed. Memory, goroutines and descriptors of every process that lives
// through it must be flat, and all chains equal at the end.
func TestSoak(t *testing.T) {
	long := soakTime(t)
	t.Setenv("GOGC", "100") // or garbage piles up for longer than an hour, and hides what does not go
	killEvery := min(max(long/40, 3*time.Second), 30*time.Second)
	channels := []*soaked{newSoaked(t, "strict"), newSoaked(t, "fast")}
	end := time.After(long)
	look := time.NewTicker(min(max(long/200, 200*time.Millisecond), 5*time.Second))
	defer look.Stop()
	kill := time.NewTicker(killEvery)
	defer kill.Stop()
	for running := true; running; {
		select {
		case <-look.C:
			for _, c := range channels {
				c.look()
			}
		case <-kill.C:
			for _, c := range channels {
				c.strike()
			}
		case <-end:
			running = false
		}
	}
	t.Logf("%v at 2 x %d messages a second, kills every %v", long, soakRate, killEvery)
	for _, c := range channels {
		c.finish(long)
	}
}

const soakRate = 1_000

// soaked is one channel of a soak.
type soaked struct {
	t          *testing.T
	durability string
	serve      []string
	channel    channel
	resume     []string
	served     *proc // killed in fast mode
	victim     *proc // killed
	lasting    []*vitals
	kills      int
}

func newSoaked(t *testing.T, durability string) *soaked {
	c := onLoopback(t, t.TempDir())
	s := &soaked{t: t, durability: durability, channel: c}
	s.serve = with(c.serve, "--source", "synth:41", "--pace", fmt.Sprintf("%d/s", soakRate), "--durability", durability,
		"--history", "16MiB", "--segment", "16MiB", "--status", "500ms")
	s.served = start(t, "serve "+durability, s.serve...)
	s.served.ready(`"started"`)
	if durability == "strict" {
		s.lasting = append(s.lasting, &vitals{proc: s.served})
	}
	relay := fmt.Sprintf("127.0.0.1:%d", ports(t, 1)[0])
	listen := with(c.listen, "--status", "500ms", "--receive-buffer", "1MiB")
	for _, r := range []struct {
		name  string
		flags []string
	}{
		{"live", []string{"--drop", "1%"}},
		{"tcp", []string{"--tcp"}},
		{"relay", []string{"--journal", t.TempDir(), "--serve", relay, "--drop", "1%"}},
		{"behind the relay", []string{"--retransmit", relay + "," + c.server, "--drop", "5%"}},
	} {
		s.lasting = append(s.lasting, &vitals{proc: start(t, r.name+" "+durability, with(listen, r.flags...)...)})
	}
	s.resume = with(listen, "--resume", filepath.Join(t.TempDir(), "position"), "--drop", "1%")
	s.victim = start(t, "resumed "+durability, s.resume...)
	return s
}

// look takes a sample of every process that lives through.
func (s *soaked) look() {
	for _, v := range s.lasting {
		v.proc.mustRun()
		v.sample(s.t)
	}
}

// strike kills what is to be killed and starts it again.
func (s *soaked) strike() {
	s.victim.mustRun()
	s.victim.kill()
	s.victim = start(s.t, s.victim.name, s.resume...)
	s.kills++
	if s.durability == "fast" {
		s.served.mustRun()
		s.served.kill()
		s.served = start(s.t, s.served.name, s.serve...)
		s.kills++
	}
}

// finish ends the session in another life of serve and compares.
func (s *soaked) finish(long time.Duration) {
	t := s.t
	s.served.ready(`"started"`)
	s.served.interrupt()
	s.served.wait(0)
	last := s.served.summary().Last
	end := start(t, "last serve "+s.durability, with(s.serve, "--count", fmt.Sprint(last+soakRate), "--end-at-eof", "--linger", "5s")...)
	procs := []*proc{s.victim}
	for _, v := range s.lasting {
		if v.proc != s.served {
			procs = append(procs, v.proc)
		}
	}
	for _, p := range procs {
		p.wait(0)
	}
	end.wait(0)
	served := end.summary()
	var repaired, orphans uint64
	for _, p := range procs {
		sum := p.summary()
		if sum.Chain != served.Chain || sum.Last != served.Last || len(sum.Lost) > 0 || s.durability == "strict" && sum.Orphans > 0 {
			t.Errorf("%s: chain %s at %d, serve has %s at %d; lost %v, %d orphaned", p.name, sum.Chain, sum.Last, served.Chain, served.Last, sum.Lost, sum.Orphans)
		}
		repaired, orphans = repaired+sum.Repaired, orphans+sum.Orphans
	}
	t.Logf("%s: %d messages, %d kills, %d messages repaired, %d orphaned and declared, chain %s at all %d receivers", s.durability, served.Last, s.kills, repaired, orphans, served.Chain, len(procs))
	for _, v := range s.lasting {
		v.flat(t, long)
	}
}

// vitals is what a process used over time.
type vitals struct {
	proc                         *proc
	memory, goroutines, openFile []int // bytes, and numbers
}

// sample reads the process's resident memory and descriptors, and the goroutines that
// its newest status line names.
func (v *vitals) sample(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", v.proc.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	n := v.proc.status().Goroutines
	if n == 0 {
		return // no status yet
	}
	v.memory = append(v.memory, pages*os.Getpagesize())
	v.goroutines = append(v.goroutines, n)
	v.openFile = append(v.openFile, descriptors(t, v.proc))
}

// last is the end of what was written.
func (b *buffer) last(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.b.Bytes()
	return string(all[max(0, len(all)-n):])
}

// flat compares the last third of the run with the second: the first is for filling
// history and heaps. Medians, so that a single peak is none; 5 % and 4 MiB of memory
// are what a garbage collector may do, 24 MiB in a run shorter than ten minutes.
func (v *vitals) flat(t *testing.T, long time.Duration) {
	t.Helper()
	slack := 4 << 20
	if long < 10*time.Minute {
		slack = 24 << 20
	}
	if len(v.memory) < 9 {
		t.Errorf("%s: only %d samples", v.proc.name, len(v.memory))
		return
	}
	m0, m1 := thirds(v.memory)
	g0, g1 := thirds(v.goroutines)
	f0, f1 := thirds(v.openFile)
	t.Logf("%-24s %4d samples: RSS %.1f MiB then %.1f (most %.1f), goroutines %d then %d, descriptors %d then %d", v.proc.name, len(v.memory),
		mib(m0), mib(m1), mib(slices.Max(v.memory)), g0, g1, f0, f1)
	if m1 > m0+m0/20+slack {
		t.Errorf("%s: memory rose from %.1f to %.1f MiB", v.proc.name, mib(m0), mib(m1))
	}
	if g1 > g0+2 || f1 > f0+2 {
		t.Errorf("%s: goroutines %d then %d, descriptors %d then %d", v.proc.name, g0, g1, f0, f1)
	}
}

func mib(n int) float64 { return float64(n) / (1 << 20) }

// thirds gives the medians of the second and of the last third.
func thirds(s []int) (second, last int) {
	n := len(s) / 3
	return median(s[n : 2*n]), median(s[2*n:])
}

func median(s []int) int {
	s = slices.Sorted(slices.Values(s))
	return s[len(s)/2]
}
