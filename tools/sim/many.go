package main

import (
	"fmt"
	"maps"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"
)

// twice is how many seeds of a range run a second time, to compare.
const twice = 100

// total adds up what seeds did. Workers share it.
type total struct {
	sync.Mutex
	first, next, last uint64 // seeds to be run,
	shape             func(seed uint64) Options
	most              int // violations; then no more are run
	seeds             uint64
	messages          uint64
	delivered         uint64
	steps             uint64
	trace             uint64  // of all seeds, in whatever order they ran
	virtual           float64 // s
	coverage          map[string]uint64
	results           map[uint64]Result // of the first few seeds
	failed            []Result
	start             time.Time
	shown             time.Time
}

func newTotal(first, last uint64) *total {
	now := time.Now()
	return &total{first: first, next: first, last: last, shape: draw, most: 1, coverage: map[string]uint64{}, results: map[uint64]Result{}, start: now, shown: now}
}

// many runs the seeds, some of them twice, says what they did, and returns the exit
// code.
func (t *total) many(workers int, covered, smaller bool) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	go func() {
		<-stop
		signal.Stop(stop) // the next one ends the program
		t.cut()
	}()
	t.run(workers)
	if covered {
		fmt.Println(strings.Join(table(t.coverage), "\n"))
	}
	fmt.Println(t.summary())
	for _, r := range t.failed[:min(len(t.failed), 3)] {
		if smaller {
			fmt.Fprintf(os.Stderr, "\nseed %d, smaller:\n", r.Seed)
			report(shrink(r))
		}
	}
	if len(t.failed) > 0 || t.seeds == 0 {
		return 1
	}
	n, different := t.again(workers)
	fmt.Printf("the first %d run again: %d with another trace, number of events or coverage\n", n, len(different))
	for _, d := range different {
		fmt.Fprintln(os.Stderr, d)
	}
	if len(different) > 0 {
		return 1
	}
	return 0
}

// cut ends the range at what is under way.
func (t *total) cut() {
	t.Lock()
	defer t.Unlock()
	t.last = t.next - 1
	fmt.Fprintf(os.Stderr, "interrupted: seeds to %d come to their end\n", t.last)
}

// run runs seeds until there are no more, or enough failed.
func (t *total) run(workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for seed, ok := t.take(); ok; seed, ok = t.take() {
				late := time.AfterFunc(oneSeed, func() { stuck(seed) })
				t.add(Run(seed, t.shape(seed), nil))
				late.Stop()
			}
		})
	}
	wg.Wait()
}

// oneSeed is what a seed may take, which is a hundredth of a second or so: then the
// program is in a loop without events, which no bound of a world ends.
const oneSeed = 5 * time.Minute

func stuck(seed uint64) {
	fmt.Fprintf(os.Stderr, "\nseed %d violates I12 bounded: no end after %v\n", seed, oneSeed)
	os.Exit(1)
}

func (t *total) take() (seed uint64, ok bool) {
	t.Lock()
	defer t.Unlock()
	if t.next > t.last || len(t.failed) >= t.most {
		return 0, false
	}
	t.next++
	return t.next - 1, true
}

func (t *total) add(r Result) {
	t.Lock()
	defer t.Unlock()
	t.seeds++
	t.messages += r.Messages
	t.delivered += r.Delivered
	t.steps += r.Steps
	t.trace += mix(r.Trace ^ r.Seed)
	if r.Seed-t.first < twice {
		t.results[r.Seed] = r
	}
	t.virtual += float64(r.Virtual) / 1e9
	for name, n := range r.Coverage {
		t.coverage[name] += n
	}
	if r.Violation != nil {
		t.failed = append(t.failed, r)
		report(r)
	}
	if time.Since(t.shown) > 5*time.Second {
		t.shown = time.Now()
		fmt.Fprintln(os.Stderr, t.line())
	}
}

// again runs the first seeds once more: everything that happened must happen again.
func (t *total) again(workers int) (n int, different []string) {
	second := newTotal(t.first, min(t.first+twice-1, t.last))
	second.shape = t.shape
	second.run(workers)
	for seed, r := range second.results {
		a := t.results[seed]
		if r.Trace != a.Trace || r.Steps != a.Steps || !maps.Equal(r.Coverage, a.Coverage) {
			different = append(different, fmt.Sprintf("seed %d: trace %x after %d events, then %x after %d; coverage\n%s\nthen\n%s", seed,
				a.Trace, a.Steps, r.Trace, r.Steps, strings.Join(table(a.Coverage), "\n"), strings.Join(table(r.Coverage), "\n")))
		}
	}
	return len(second.results), different
}

// line is how far it is.
func (t *total) line() string {
	s := time.Since(t.start).Seconds()
	left := float64(t.last+1-t.next) / float64(t.seeds) * s
	return fmt.Sprintf("seed %d of %d, %.1f/s, %v to go: %.2f simulated hours, %d messages, %d violations",
		t.next-1, t.last, float64(t.seeds)/s, time.Duration(left*1e9).Round(time.Second), t.virtual/3600, t.messages, len(t.failed))
}

// summary is what all of it was.
func (t *total) summary() string {
	took := time.Since(t.start)
	return fmt.Sprintf("%d seeds (%d to %d) in %v, %.1f/s: %.2f simulated hours (%.0f times real time), %d messages, %d delivered, %d events, trace %016x, %d violations",
		t.seeds, t.first, t.next-1, took.Round(time.Second), float64(t.seeds)/took.Seconds(), t.virtual/3600, t.virtual/took.Seconds(),
		t.messages, t.delivered, t.steps, t.trace, len(t.failed))
}
