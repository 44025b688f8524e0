package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	seed := flag.Uint64("seed", 1, "the seed to run")
	seeds := flag.String("seeds", "", "run the seeds A-B instead")
	verbose := flag.Bool("v", false, "tell the story of the seed")
	workers := flag.Int("workers", 2, "seeds run at a time")
	covered := flag.Bool("coverage", false, "print what was reached, and how often")
	smaller := flag.Bool("shrink", true, "make the world of a seed that failed as mild as it may be")
	file := flag.String("world", "", "run the world in this file instead: a seed, and options as a failed one prints them")
	flag.Parse()
	debug.SetGCPercent(400)
	if *file != "" {
		os.Exit(oneOf(*file, *verbose))
	}
	if *seeds == "" {
		os.Exit(one(*seed, draw(*seed), *verbose))
	}
	first, last, err := parseRange(*seeds)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
	os.Exit(many(first, last, *workers, *covered, *smaller))
}

// parseRange reads "A-B".
func parseRange(s string) (first, last uint64, err error) {
	a, b, ok := strings.Cut(s, "-")
	if !ok {
		b = a
	}
	if first, err = strconv.ParseUint(a, 10, 64); err == nil {
		last, err = strconv.ParseUint(b, 10, 64)
	}
	if err != nil || last < first {
		return 0, 0, fmt.Errorf("-seeds %s: give a first and a last seed, for example 1-1000", s)
	}
	return first, last, nil
}

// oneOf runs the world in a file and returns the exit code.
func oneOf(file string, verbose bool) int {
	b, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		return 2
	}
	seed, o, err := parseWorld(string(b))
	if err != nil {
		fmt.Fprintf(os.Stderr, "sim: %s: %v\n", file, err)
		return 2
	}
	return one(seed, o, verbose)
}

// one runs one seed and returns the exit code.
func one(seed uint64, o Options, verbose bool) int {
	var log io.Writer
	if verbose {
		fmt.Printf("seed %d\n%v\n\n", seed, o)
		log = os.Stdout
	}
	start := time.Now()
	r := Run(seed, o, log)
	if verbose {
		fmt.Println(strings.Join(table(r.Coverage), "\n"))
	}
	fmt.Printf("seed %d: trace %016x, %d messages, %d delivered, %d events, %.3f s virtual, %v\n",
		seed, r.Trace, r.Messages, r.Delivered, r.Steps, float64(r.Virtual)/1e9, time.Since(start).Round(time.Microsecond))
	if r.Violation != nil {
		report(r)
		return 1
	}
	return 0
}

func report(r Result) {
	fmt.Fprintf(os.Stderr, "\nseed %d violates %v\nits world, for -world FILE and testdata/kept:\nseed %d\n%v\nits story: go run ./tools/sim -seed %d -v\n",
		r.Seed, r.Violation, r.Seed, r.Options, r.Seed)
}

// total adds up what seeds did. Workers share it.
type total struct {
	sync.Mutex
	next, last uint64 // seeds to be run
	seeds      uint64
	messages   uint64
	delivered  uint64
	steps      uint64
	trace      uint64  // of all seeds, in whatever order they ran
	virtual    float64 // s
	coverage   map[string]uint64
	results    map[uint64]Result // of the first few seeds
	failed     []Result
	start      time.Time
	shown      time.Time
}

func newTotal(first, last uint64) *total {
	return &total{next: first, last: last, coverage: map[string]uint64{}, results: map[uint64]Result{}, start: time.Now(), shown: time.Now()}
}

// many runs the seeds first to last and returns the exit code.
func many(first, last uint64, workers int, covered, smaller bool) int {
	t := newTotal(first, last)
	t.run(workers)
	if covered {
		fmt.Println(strings.Join(table(t.coverage), "\n"))
	}
	fmt.Println(t.line())
	for _, r := range t.failed {
		report(r)
		if smaller {
			fmt.Fprintln(os.Stderr, "\nsmaller:")
			report(shrink(r))
		}
	}
	if len(t.failed) > 0 {
		return 1
	}
	return 0
}

// run runs seeds until there are no more, or one fails.
func (t *total) run(workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for seed, ok := t.take(); ok; seed, ok = t.take() {
				late := time.AfterFunc(oneSeed, func() { stuck(seed) })
				t.add(Run(seed, draw(seed), nil))
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
	if t.next > t.last || len(t.failed) > 0 {
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
	if r.Seed <= 100 {
		t.results[r.Seed] = r
	}
	t.virtual += float64(r.Virtual) / 1e9
	for name, n := range r.Coverage {
		t.coverage[name] += n
	}
	if r.Violation != nil {
		t.failed = append(t.failed, r)
	}
	if time.Since(t.shown) > 5*time.Second {
		t.shown = time.Now()
		fmt.Fprintln(os.Stderr, t.line())
	}
}

func (t *total) line() string {
	s := time.Since(t.start).Seconds()
	return fmt.Sprintf("%d seeds, %.1f/s, %d messages, %d delivered, %d events, %.0f s virtual (%.0f times real time), trace %016x, %d violations",
		t.seeds, float64(t.seeds)/s, t.messages, t.delivered, t.steps, t.virtual, t.virtual/s, t.trace, len(t.failed))
}
