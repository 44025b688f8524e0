// Mutants plants bugs in the production code, one at a time, and lets the simulator
// find them: a proof that its checks can fail.
//
//	go run ./tools/mutants             all of them, each within 10,000 seeds
//	go run ./tools/mutants -only 3,17  two of them
//	go run ./tools/mutants -sample 12  a dozen, others every day
//
// No file is changed: the mutated one is laid over the real one with go build
// -overlay. The exit code is 1 when one survives, or no longer fits the code.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	o := options{}
	flag.StringVar(&o.list, "list", "tools/mutants/mutants.txt", "the mutants")
	flag.Uint64Var(&o.seeds, "seeds", 10_000, "seeds in which each must be killed")
	flag.DurationVar(&o.limit, "limit", time.Hour, "how long one may take; then there is no verdict")
	only := flag.String("only", "", "numbers of the mutants to plant, as 3,17 or 20-39")
	sample := flag.Int("sample", 0, "plant so many of those known to be killed soon, others every day")
	flag.Parse()
	all, err := load(o.list)
	if err == nil {
		err = check(all)
	}
	chosen := all
	switch {
	case err != nil:
	case *only != "":
		chosen, err = choose(all, *only)
	case *sample > 0:
		chosen = ofToday(all, *sample, time.Now())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	os.Exit(o.run(chosen))
}

// choose picks mutants by number.
func choose(all []mutant, only string) (chosen []mutant, err error) {
	for part := range strings.SplitSeq(only, ",") {
		a, b, ok := strings.Cut(part, "-")
		if !ok {
			b = a
		}
		first, err1 := strconv.Atoi(a)
		last, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || first < 1 || last > len(all) || last < first {
			return nil, fmt.Errorf("-only %s: give numbers from 1 to %d", only, len(all))
		}
		chosen = append(chosen, all[first-1:last]...)
	}
	return chosen, nil
}

// ofToday picks n of the mutants that were killed within soon seeds, so that all of
// them have their day.
func ofToday(all []mutant, n int, now time.Time) (chosen []mutant) {
	const soon = 200
	var quick []mutant
	for _, m := range all {
		if m.seeds > 0 && m.seeds <= soon {
			quick = append(quick, m)
		}
	}
	day := int(now.Unix() / 86400)
	for i := range min(n, len(quick)) {
		chosen = append(chosen, quick[(day*n+i)%len(quick)])
	}
	return chosen
}
