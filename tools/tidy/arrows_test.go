package main

import "testing"

// imports returns a source of the package that imports the folders of the
// project one a line, from line 3.
func imports(name string, folders ...string) string {
	src := "package " + name + "\n\n"
	for _, f := range folders {
		src += "import _ \"" + modulePath + "/" + f + "\"\n"
	}
	return src
}

var arrowCases = []ruleCase{
	{"downwards", map[string]string{
		"feed/wire/a.go":         imports("wire"),
		"feed/a.go":              imports("feed", "feed/wire"),
		"feed/text/a.go":         imports("text", "feed", "feed/wire", "feed/itch"),
		"sequencer/a.go":         imports("sequencer", "sequencer/history", "feed"),
		"sequencer/journal/a.go": imports("journal", "sequencer/clock", "feed/wire"),
		"recovery/a.go":          imports("recovery", "feed", "feed/wire"),
		"multicast/a.go":         imports("multicast", "recovery", "feed", "feed/wire"),
		"cmd/tapecast/a.go":      imports("main", "multicast", "sequencer", "tools/sim", "bench"),
	}, nil},
	{"wire is alone", map[string]string{"feed/wire/a.go": imports("wire", "feed")},
		[]string{"feed/wire/a.go:3: arrows: feed/wire may import nothing of the project, not feed"}},
	{"adapters are apart", map[string]string{"feed/synth/a.go": imports("synth", "feed/itch")},
		[]string{"feed/synth/a.go:3: arrows: feed/synth may import feed, feed/wire, not feed/itch"}},
	{"sequencer and recovery are apart", map[string]string{
		"recovery/a.go":          imports("recovery", "feed", "sequencer/history"),
		"sequencer/history/a.go": imports("history", "recovery"),
	}, []string{"recovery/a.go:4: arrows: ", "sequencer/history/a.go:3: arrows: "}},
	{"multicast knows no sequencer", map[string]string{"multicast/a.go": imports("multicast", "sequencer")},
		[]string{"multicast/a.go:3: arrows: "}},
	{"nobody imports a program", map[string]string{"feed/a.go": imports("feed", "tools/sim")},
		[]string{"feed/a.go:3: arrows: "}},
	{"a prefix is no parent", map[string]string{"recovery/a.go": imports("recovery", "feedback")},
		[]string{"recovery/a.go:3: arrows: "}},
	{"unknown folder", map[string]string{"util/a.go": imports("util")},
		[]string{"util/a.go:1: arrows: the layout has no folder util"}},
	{"dot import", map[string]string{"feed/a.go": "package feed\n\nimport . \"time\"\n"},
		[]string{"feed/a.go:3: arrows: a dot import"}},
	{"tests may import all", map[string]string{"feed/wire/a_test.go": imports("wire", "cmd/tapecast")}, nil},
}

var importCases = []ruleCase{
	{"two each", map[string]string{
		"feed/a.go":      imports("feed", "feed/wire"),
		"feed/b.go":      imports("feed", "feed/wire"), // the same import counts once
		"recovery/a.go":  imports("recovery", "feed", "feed/wire", "feed/book"),
		"bench/a.go":     imports("bench", "a", "b", "c", "d"), // does not count
		"feed/a_test.go": imports("feed", "a", "b", "c", "d"),  // nor does a test
	}, nil},
	{"three", map[string]string{"multicast/a.go": imports("multicast", "recovery", "feed", "feed/wire")},
		[]string{"go.mod:1: imports: packages import 3.00 of the project on average"}},
}

var thirdPartyCases = []ruleCase{
	{"allowed", map[string]string{
		"multicast/a.go":      "package multicast\n\nimport _ \"golang.org/x/sys/unix\"\nimport _ \"golang.org/x/net/ipv4\"\n",
		"recovery/a.go":       "package recovery\n\nimport _ \"github.com/klauspost/compress/zstd\"\nimport _ \"net\"\n",
		"sequencer/a.go":      "package sequencer\n\nimport _ \"github.com/beevik/ntp\"\n",
		"multicast/a_test.go": "package multicast\n\nimport _ \"pgregory.net/rapid\"\n",
	}, nil},
	{"direct", map[string]string{"recovery/a.go": "package recovery\n\nimport _ \"github.com/beevik/ntp\"\n"},
		[]string{"recovery/a.go:3: third-party: every subscriber would link github.com/beevik/ntp"}},
	{"through another package", map[string]string{
		"multicast/a.go": imports("multicast", "feed"),
		"feed/a.go":      "package feed\n\nimport _ \"golang.org/x/sync/errgroup\"\n",
	}, []string{"feed/a.go:3: third-party: "}},
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, dir string
		want         bool
	}{
		{"feed", "feed", true},
		{"feed", "feed/wire", false},
		{"feed/...", "feed", true},
		{"feed/...", "feed/wire", true},
		{"feed/...", "feedback", false},
		{"...", "anything", true},
	} {
		if got := matches(c.pattern, c.dir); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.pattern, c.dir, got)
		}
	}
}
