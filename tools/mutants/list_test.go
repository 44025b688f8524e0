package main

import (
	"os"
	"testing"
	"time"
)

// TestMutantsFit holds the list against the code: every mutant was killed, and its old
// lines are there once. It is what keeps a change of the code from losing one.
func TestMutantsFit(t *testing.T) {
	t.Chdir("../..")
	all, err := load("tools/mutants/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(all); err != nil {
		t.Error(err)
	}
	const least = 100
	names := map[string]bool{}
	for _, m := range all {
		if names[m.name] || m.name == "" {
			t.Errorf("mutant %d: the name %q is not its own", m.number, m.name)
		}
		if o := (options{seeds: 10_000}); m.seeds == 0 || m.seeds > o.within(&m) {
			t.Errorf("mutant %d, %s: killed by seed %d; one that was not killed proves nothing", m.number, m.name, m.seeds)
		}
		names[m.name] = true
	}
	if len(all) < least {
		t.Errorf("%d mutants, at least %d are wanted", len(all), least)
	}
}

// TestEveryMutantHasItsDay samples on many days: all that die soon are chosen.
func TestEveryMutantHasItsDay(t *testing.T) {
	var all []mutant
	for i := range 50 {
		all = append(all, mutant{number: i + 1, seeds: uint64(i)})
	}
	seen := map[int]bool{}
	for day := range 50 {
		for _, m := range ofToday(all, 7, time.Unix(int64(day)*86400, 0)) {
			seen[m.number] = true
		}
	}
	if len(seen) != 49 || seen[1] {
		t.Errorf("%d of 49 chosen", len(seen))
	}
}

// TestPlanted plants a mutant that no program survives, and one that changes nothing.
func TestPlanted(t *testing.T) {
	if testing.Short() {
		t.Skip("building the simulator takes a moment")
	}
	t.Chdir("../..")
	b, err := os.ReadFile("tools/mutants/testdata/two.txt")
	if err != nil {
		t.Fatal(err)
	}
	two, err := parse(string(b))
	if err != nil {
		t.Fatal(err)
	}
	o := options{seeds: 2, limit: 10 * time.Minute}
	for i, killed := range []bool{true, false} {
		v, err := o.plant(&two[i], t.TempDir())
		if err != nil || v.killed != killed {
			t.Errorf("%s: killed %v by %q, %v", two[i].name, v.killed, v.by, err)
		}
	}
}

// TestNoSuchLines refuses a mutant that does not fit.
func TestNoSuchLines(t *testing.T) {
	m := mutant{file: "list.go", old: []string{"no such line"}, new: []string{""}}
	if _, err := m.apply(); err == nil {
		t.Error("it is applied")
	}
	for _, bad := range []string{"file x", "mutant a\n*", "mutant a\nseeds x"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
