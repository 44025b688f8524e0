package main

import (
	"cmp"
	"fmt"
	"go/token"
	"slices"
)

// A rule looks at the whole module and returns what breaks it.
type rule struct {
	name     string
	says     string
	waivable bool // a `//tidy:allow reason` on the line silences it
	check    func(*module) []finding
}

var rules = []rule{
	{name: "arrows", says: "packages import only downwards, as the layout says", check: arrows},
	{name: "imports", says: fmt.Sprintf("a package outside cmd, bench and tools imports at most %d of the project on average", maxMeanImports), check: meanImports},
	{name: "third-party", says: "what a subscriber links is the standard library, x/sys, x/net and compress", check: thirdParty},
	{name: "func-length", says: fmt.Sprintf("a function has at most %d lines", maxFuncLines), check: funcLength},
	{name: "func-median", says: fmt.Sprintf("the median function has at most %d lines", maxFuncMedian), check: funcMedian},
	{name: "file-length", says: fmt.Sprintf("a file has at most %d lines", maxFileLines), check: fileLength},
	{name: "clock", says: "time is an argument: only sequencer/clock, cmd, bench and tools read it or wait", check: clock},
	{name: "random", says: "randomness comes from a source that the caller seeded", check: random},
	{name: "goroutine", says: "no goroutine is started in feed, sequencer or recovery", waivable: true, check: goroutines},
	{name: "panic", says: "only tests, tools, init and must functions panic", waivable: true, check: panics},
	{name: "state", says: "no package-level variable but error sentinels and constant tables", waivable: true, check: state},
	{name: "doc", says: "every package and every exported name has a doc comment", check: docs},
	{name: "unfinished", says: "no comment marks unfinished work", check: unfinished},
	{name: "test-sleep", says: "tests never sleep", check: testSleep},
	{name: "parse", says: "every file parses", check: parses},
}

// A finding is one place that breaks one rule.
type finding struct {
	pos     token.Position
	rule    string
	message string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.pos.Filename, f.pos.Line, f.rule, f.message)
}

// run returns the findings of the rules, less those waived, with the waivers
// that lack a reason or waive nothing, ordered by place. Waivers that waive
// nothing are only known as such when all rules run.
func run(m *module, rules []rule) []finding {
	waivers := m.waivers()
	var out []finding
	for _, r := range rules {
		for _, f := range r.check(m) {
			f.rule = r.name
			if r.waivable && waivers.cover(f.pos) {
				continue
			}
			out = append(out, f)
		}
	}
	out = append(out, waivers.complaints()...)
	slices.SortStableFunc(out, byPlace)
	return out
}

func byPlace(a, b finding) int {
	return cmp.Or(
		cmp.Compare(a.pos.Filename, b.pos.Filename),
		cmp.Compare(a.pos.Line, b.pos.Line),
	)
}
