package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

func main() {
	seed := flag.Uint64("seed", 1, "the seed to run")
	seeds := flag.String("seeds", "", "run the seeds A-B instead; an interrupt ends it with a summary")
	verbose := flag.Bool("v", false, "tell the story of the seed")
	workers := flag.Int("workers", runtime.NumCPU(), "seeds run at a time")
	most := flag.Int("violations", 10, "end after so many")
	covered := flag.Bool("coverage", false, "print what was reached, and how often")
	smaller := flag.Bool("shrink", true, "make the world of a seed that failed as mild as it may be")
	file := flag.String("world", "", "run the world in this file instead: a seed, and options as a failed one prints them; with -seeds, worlds like it")
	flag.Parse()
	debug.SetGCPercent(400)
	shape := draw
	if *file != "" {
		n, o, err := readWorld(*file)
		exitOn(err)
		*seed, shape = n, func(uint64) Options { return o }
	}
	if *seeds == "" {
		os.Exit(one(*seed, shape(*seed), *verbose))
	}
	first, last, err := parseRange(*seeds)
	exitOn(err)
	t := newTotal(first, last)
	t.most, t.shape = *most, shape
	os.Exit(t.many(*workers, *covered, *smaller))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(2)
	}
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

// readWorld reads the world in a file.
func readWorld(file string) (seed uint64, o Options, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, o, err
	}
	if seed, o, err = parseWorld(string(b)); err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return seed, o, err
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
