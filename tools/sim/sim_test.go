package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// ciSeeds are what CI runs.
const ciSeeds = 1000

// TestSeeds lets the worlds of the first seeds happen, and looks whether they reached
// all that a simulator must, and whether the same happens again.
func TestSeeds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	last := uint64(ciSeeds)
	if testing.Short() {
		last = 100
	}
	all := newTotal(1, last)
	all.run(2)
	t.Log(all.summary())
	for _, r := range all.failed {
		t.Errorf("seed %d violates %v\nworld:\nseed %d\n%v\nstory: go run ./tools/sim -seed %d -v", r.Seed, r.Violation, r.Seed, r.Options, r.Seed)
	}
	if !t.Failed() {
		n, different := all.again(2)
		for _, d := range different {
			t.Error(d)
		}
		if n != twice {
			t.Errorf("%d seeds ran again, want %d", n, twice)
		}
	}
	if last == ciSeeds && !t.Failed() {
		for _, w := range load(t, "testdata/reach") {
			if r := Run(w.seed, w.options, nil); r.Violation != nil {
				t.Errorf("%s: violates %v", w.file, r.Violation)
			} else {
				all.add(r)
			}
		}
		checkCoverage(t, all.coverage)
	}
}

// kept is a world in a file.
type kept struct {
	file    string
	seed    uint64
	options Options
}

// load reads the worlds of a folder.
func load(t *testing.T, dir string) (all []kept) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds in %s: %v", dir, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		w := kept{file: f}
		if w.seed, w.options, err = parseWorld(string(b)); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		all = append(all, w)
	}
	return all
}

// TestKept runs the worlds that found something, as they were when shrunk. Worlds
// change with the program: each also has, where it belongs, a test of its own.
func TestKept(t *testing.T) {
	for _, w := range load(t, "testdata/kept") {
		if r := Run(w.seed, w.options, nil); r.Violation != nil {
			t.Errorf("%s: violates %v", w.file, r.Violation)
		}
	}
}

// TestWorldAsText writes worlds as text and reads them back.
func TestWorldAsText(t *testing.T) {
	for seed := uint64(1); seed <= 200; seed++ {
		o := draw(seed)
		_, back, err := parseWorld(o.String())
		if err != nil || back != o {
			t.Fatalf("seed %d: %v\n%v\nis read as\n%v", seed, err, o, back)
		}
	}
	for _, bad := range []string{"Loss=1", "Receivers", "Receivers=x", "seed x"} {
		if _, _, err := parseWorld(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
