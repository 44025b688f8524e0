package main

import (
	"strings"
	"time"
)

// Shrinking takes so many runs, and so long, at most.
const (
	shrinkTries = 400
	shrinkTime  = time.Minute
)

// shrink makes the world of a seed that failed as mild as it may be while the same
// invariant is violated: field by field as in a mild world, then half as far from it.
func shrink(r Result) Result {
	tries, start := 0, time.Now()
	again := func(o Options) bool {
		tries++
		x := Run(r.Seed, o, nil)
		if !sameViolation(x.Violation, r.Violation) {
			return false
		}
		r = x
		return true
	}
	enough := func() bool { return tries >= shrinkTries || time.Since(start) > shrinkTime }
	for progress := true; progress && !enough(); {
		progress = false
		for i := range settings(&r.Options) {
			progress = shrinkField(&r, i, again) || progress
			if enough() {
				break
			}
		}
	}
	return r
}

// shrinkField makes field i milder, as far as again agrees.
func shrinkField(r *Result, i int, again func(Options) bool) (progress bool) {
	m := mild()
	usual := settings(&m)[i].number()
	for share := int64(0); share < 4; share++ { // all the way, half of it, a quarter
		o := r.Options
		s := settings(&o)[i]
		n := s.number()
		if n == usual {
			return progress
		}
		to := usual
		if share > 0 {
			to = n - (n-usual)>>share
		}
		s.set(to)
		if to != n && again(o) {
			progress = true
		}
	}
	return progress
}

// sameViolation reports whether two worlds break the same invariant.
func sameViolation(a, b error) bool {
	return a != nil && b != nil && invariantOf(a) == invariantOf(b)
}

// invariantOf is what a violation is about, without who and where.
func invariantOf(err error) string {
	what := err.Error()
	if rest, ok := strings.CutPrefix(what, "receiver "); ok {
		_, what, _ = strings.Cut(rest, ": ")
	}
	what, _, _ = strings.Cut(what, ":")
	return what
}
