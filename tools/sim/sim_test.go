package main

import (
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// budget is how long TestSeeds may take: TAPECAST_SIM_BUDGET, 10 s by default.
func budget(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("TAPECAST_SIM_BUDGET")
	if s == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("TAPECAST_SIM_BUDGET %q: %v", s, err)
	}
	return d
}

// seeds is how many TestSeeds runs at most: TAPECAST_SIM_SEEDS.
func seeds(t *testing.T) uint64 {
	t.Helper()
	s := os.Getenv("TAPECAST_SIM_SEEDS")
	if s == "" {
		return 1 << 40
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("TAPECAST_SIM_SEEDS %q: %v", s, err)
	}
	return n
}

// TestSeeds lets as many worlds happen as the budget allows, from seed 1 on.
func TestSeeds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	limit := budget(t)
	all := newTotal(1, seeds(t))
	all.run(2, func() bool { return time.Since(all.start) > limit })
	t.Log(all.line())
	for _, r := range all.failed {
		t.Errorf("seed %d violates %v\noptions:\n%v\nstory: go run ./tools/sim -seed %d -v", r.Seed, r.Violation, r.Options, r.Seed)
	}
}

// kept are seeds that found something once, at the time that they were kept. Worlds
// change with the program: each also has, where it belongs, a test of its own.
var kept = []uint64{34, 43, 54}

// TestKeptSeeds runs the seeds that found something.
func TestKeptSeeds(t *testing.T) {
	for _, seed := range kept {
		if r := Run(seed, draw(seed), nil); r.Violation != nil {
			t.Errorf("seed %d violates %v", seed, r.Violation)
		}
	}
}

// TestSameSeedSameTrace runs seeds twice and compares everything that happened.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(1000); seed < 1020; seed++ {
		a, b := Run(seed, draw(seed), nil), Run(seed, draw(seed), nil)
		if a.Trace != b.Trace || a.Steps != b.Steps {
			t.Errorf("seed %d: trace %x after %d events, then %x after %d", seed, a.Trace, a.Steps, b.Trace, b.Steps)
		}
		if !slices.Equal(table(a.Coverage), table(b.Coverage)) {
			t.Errorf("seed %d: coverage\n%s\nthen\n%s", seed, strings.Join(table(a.Coverage), "\n"), strings.Join(table(b.Coverage), "\n"))
		}
	}
}
