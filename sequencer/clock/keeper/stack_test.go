package keeper_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// stack is a keeper that asks five real servers. They tell the host's own time, so
// the host's clock is the truth that the kept one is held against.
type stack struct {
	*keeper.Keeper
	servers []*clocktest.Chronyd
	errors  []float64
	bounds  []float64
	widest  float64
	when    time.Time     // of the widest bound
	anchor  *clock.Anchor // that it was by
	age     time.Duration // of that
	checks  int
	wrong   int
	states  [4]int
}

// startStack puts a keeper before the servers; path gives the address to ask server i at,
// and key the number of its key.
func startStack(t *testing.T, servers []*clocktest.Chronyd, faulty int, path func(i int) string, key func(i int) uint32) *stack {
	t.Helper()
	cfg := keeper.Default()
	cfg.Sources, cfg.Profile, cfg.Faulty = []string{keeper.SourceNTP}, "us50ms", faulty
	cfg.Poll, cfg.Timeout, cfg.Reference = time.Second, 500*time.Millisecond, 0
	cfg.Keys = filepath.Join(t.TempDir(), "keys")
	keys := fmt.Sprintf("7 AES128 HEX:%s\n8 AES128 HEX:ff%s\n", clocktest.ChronydKey, clocktest.ChronydKey[2:])
	if err := os.WriteFile(cfg.Keys, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range servers {
		cfg.Servers = append(cfg.Servers, keeper.Server{Address: path(i), Key: key(i)})
	}
	k, err := keeper.New(cfg, keeper.Options{Program: "test", Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx, func(loop func()) { loops.Go(loop) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		loops.Wait()
	})
	select {
	case <-k.Ready():
	case <-time.After(time.Minute):
		t.Fatalf("not synchronised after a minute: %+v", k.Status())
	}
	return &stack{Keeper: k, servers: servers}
}

// chronyds starts five.
func chronyds(t *testing.T) []*clocktest.Chronyd {
	t.Helper()
	var all []*clocktest.Chronyd
	for n := range 5 {
		all = append(all, clocktest.StartChronyd(t, n+1))
	}
	return all
}

// busy keeps the processors busy until t ends, with processes of low priority that
// end by themselves if nobody ends them.
func busy(t *testing.T, processes int) {
	t.Helper()
	for range processes {
		c := exec.Command("timeout", "900", "nice", "-n", "5", "sh", "-c", "while :; do :; done")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Process.Signal(syscall.SIGTERM); _ = c.Wait() })
	}
}

// watch holds stamps against the truth for d. It skips t when somebody steps the host's
// clock meanwhile.
func (s *stack) watch(t *testing.T, d time.Duration) {
	t.Helper()
	begin := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for now := begin; now.Sub(begin) < d; now = <-tick.C {
		s.look(t)
	}
	wall := time.Duration(time.Now().UnixNano() - begin.UnixNano())
	if moved := wall - time.Since(begin); moved > time.Millisecond || moved < -time.Millisecond {
		t.Skipf("skipped: the host's clock was stepped by %v meanwhile: it is no truth", moved)
	}
}

// look takes one stamp between two readings of the truth.
func (s *stack) look(t *testing.T) {
	early := time.Now().UnixNano()
	utc, c := s.Clock().Read()
	late := time.Now().UnixNano()
	s.checks++
	s.states[c.State&3]++
	if c.State == wire.ClockSynchronised && late-early < 2000 {
		s.errors = append(s.errors, max(float64(int64(utc)-late), float64(early-int64(utc)), 0)+float64(late-early)/2)
		s.bounds = append(s.bounds, float64(c.Bound))
		if float64(c.Bound) > s.widest {
			s.widest, s.when, s.anchor = float64(c.Bound), time.Now(), s.Clock().Anchor()
			s.age = time.Duration(s.Clock().Counter() - s.anchor.Start)
		}
	}
	if clock.Promises(c.State) && (int64(utc)+int64(c.Bound) < early || int64(utc)-int64(c.Bound) > late) {
		if s.wrong++; s.wrong < 10 {
			t.Errorf("stamp %d with bound %d, true time is in [%d, %d]: off by %d ns", utc, c.Bound, early, late, int64(utc)-early)
		}
	}
}

func (s *stack) report(t *testing.T) (p50, p95, widest float64) {
	t.Helper()
	if len(s.errors) == 0 {
		t.Fatalf("never synchronised: %+v", s.Status())
	}
	slices.Sort(s.errors)
	slices.Sort(s.bounds)
	at := func(v []float64, q float64) float64 { return v[int(q*float64(len(v)-1))] / 1e3 }
	t.Logf("%d stamps, %d out of bound; states %v; error p50 %.2f us, p95 %.2f us, most %.2f us; bound p50 %.2f us, p95 %.2f us, most %.2f us, %v ago, by an anchor of %.2f us, growing by %.3f ppm for %v",
		s.checks, s.wrong, s.states, at(s.errors, 0.5), at(s.errors, 0.95), at(s.errors, 1),
		at(s.bounds, 0.5), at(s.bounds, 0.95), at(s.bounds, 1), time.Since(s.when).Round(time.Second),
		max(s.anchor.Ahead, s.anchor.Behind)/1e3, 1e6*max(s.anchor.AheadGrowth, s.anchor.BehindGrowth), s.age)
	return at(s.errors, 0.5), at(s.errors, 0.95), at(s.bounds, 1)
}

// stackFor is TAPECAST_CLOCK_STACK, a duration, or what fits into CI.
func stackFor(t *testing.T, otherwise time.Duration) (d time.Duration, full bool) {
	t.Helper()
	text := os.Getenv("TAPECAST_CLOCK_STACK")
	switch {
	case text == "" && testing.Short():
		return time.Second, false
	case text == "":
		return otherwise, false
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("TAPECAST_CLOCK_STACK: %v", err)
	}
	return d, true
}

// TestStackFaults: five servers behind paths that delay, lose, double and corrupt;
// three with a key, one with none, one with a wrong key; one is stopped for a while,
// one killed and started again, and the processors are busy.
func TestStackFaults(t *testing.T) {
	d, _ := stackFor(t, 8*time.Second)
	servers := chronyds(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	faults := clocktest.Faults{Seed: seed, Delay: time.Millisecond, Loss: 0.05, Double: 0.05, Corrupt: 0.05}
	var paths []*clocktest.Proxy
	for i, c := range servers {
		paths = append(paths, clocktest.StartProxy(t, i+1, c.Address, faults))
	}
	busy(t, 2)
	s := startStack(t, servers, 2, func(i int) string { return paths[i].Address }, func(i int) uint32 { return [...]uint32{7, 7, 7, 0, 8}[i] })
	s.watch(t, d/4)
	mustNot(t, servers[0].Process().Signal(syscall.SIGSTOP))
	s.watch(t, d/4)
	mustNot(t, servers[0].Process().Signal(syscall.SIGCONT))
	servers[1].Stop()
	s.watch(t, d/4)
	servers[1].Start(t)
	s.watch(t, d/4)
	s.report(t)
	for i, v := range s.Status().Servers {
		t.Logf("server %d: %+v", i, v)
	}
	wrongKey := s.Status().Servers[4]
	if wrongKey.Used != 0 || wrongKey.Asked == 0 || wrongKey.Key {
		t.Errorf("the server with a wrong key: %+v", wrongKey)
	}
	if good := s.Status().Servers[2]; good.Used == 0 || !good.Key {
		t.Errorf("the server with the right key: %+v", good)
	}
	if promised := s.states[wire.ClockSynchronised] + s.states[wire.ClockHoldover]; promised < s.checks/2 {
		t.Errorf("of %d stamps by state: %v", s.checks, s.states)
	}
}

// TestStackQuorum: when more servers stop than may be missing, the clock says holdover,
// and synchronised again when they are back.
func TestStackQuorum(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short; TestStackFaults has the same servers")
	}
	servers := chronyds(t)
	s := startStack(t, servers, 1, func(i int) string { return servers[i].Address }, func(int) uint32 { return 7 })
	until := func(want string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); s.Status().State != want; s.watch(t, 50*time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not %s after a minute: %+v", want, s.Status())
			}
		}
	}
	for _, c := range servers[:2] {
		mustNot(t, c.Process().Signal(syscall.SIGSTOP))
	}
	until("holdover")
	for _, c := range servers[:2] {
		mustNot(t, c.Process().Signal(syscall.SIGCONT))
	}
	until("synchronised")
	s.report(t)
}

// TestStackLiars: two of five begin to lie by a millisecond, each its own way, and are
// named within three polls. An answer that took longer than the lie is large proves
// nothing, so a starved machine is only asked to name them.
func TestStackLiars(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short; the simulated world has such liars")
	}
	servers := chronyds(t)
	var paths []*clocktest.Proxy
	for i, c := range servers {
		paths = append(paths, clocktest.StartProxy(t, i+1, c.Address, clocktest.Faults{}))
	}
	s := startStack(t, servers, 2, func(i int) string { return paths[i].Address }, func(int) uint32 { return 0 })
	s.watch(t, 2*time.Second)
	before := s.Status().Servers
	paths[0].Lie(time.Millisecond)
	paths[1].Lie(-time.Millisecond)
	slow := [2]bool{}
	named := func() bool {
		all := true
		for i, v := range s.Status().Servers[:2] {
			slow[i] = slow[i] || v.Trip > 500_000
			all = all && (v.Verdict == "liar" || v.Verdict == "probation")
		}
		return all
	}
	for end := time.Now().Add(time.Minute); !named(); s.watch(t, 10*time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not named after a minute: %+v", s.Status().Servers)
		}
	}
	for i, v := range s.Status().Servers[:2] {
		polls := v.Asked - before[i].Asked
		t.Logf("server %d is named %q after %d polls", i, v.Verdict, polls)
		if polls > 3 && !slow[i] {
			t.Errorf("server %d was named only after %d polls", i, polls)
		}
	}
	for i, v := range s.Status().Servers[2:] {
		if v.Verdict != "agrees" {
			t.Errorf("honest server %d: %s", i+2, v.Verdict)
		}
	}
	s.watch(t, time.Second)
	s.report(t)
}

// TestStackLoopback is the figure of merit: no faults, busy processors. Its figures
// are judged only in the long form, TAPECAST_CLOCK_STACK=10m; no stamp may be out of
// its bound in either.
func TestStackLoopback(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short; TestStackFaults has the same servers")
	}
	d, full := stackFor(t, 2*time.Second)
	servers := chronyds(t)
	busy(t, 1)
	s := startStack(t, servers, 2, func(i int) string { return servers[i].Address }, func(i int) uint32 { return 7 })
	s.watch(t, min(d, 5*time.Second)) // the slope is learnt
	s.errors, s.bounds, s.widest = nil, nil, 0
	s.watch(t, d)
	p50, p95, widest := s.report(t)
	if full && (p50 > 3 || p95 > 10 || widest > 20) {
		t.Errorf("error p50 %.2f us, p95 %.2f us, bound up to %.2f us; want 3, 10 and 20", p50, p95, widest)
	}
}

func mustNot(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
