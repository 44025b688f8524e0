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
	t := newTotal(first, last)
	t.most = *most
	os.Exit(t.many(*workers, *covered, *smaller))
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
