package estimate_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutants are mistakes that an estimator could have. The suite must see each.
var mutants = []struct{ name, file, right, wrong string }{
	{"half the error", "servers.go", "x.T2 + x.Error - x.Sent}, fact{x.Received, x.T3 - x.Error - x.Received}", "x.T2 + x.Error/2 - x.Sent}, fact{x.Received, x.T3 - x.Error/2 - x.Received}"},
	{"no wander", "config.go", "func drift(wander, cap, age float64) float64 {", "func drift(wander, cap, age float64) float64 {\n\tif age > 0 {\n\t\treturn 0\n\t}"},
	{"no liars", "region.go", "max(r.Answered-s.cfg.Faulty, 1)", "max(r.Answered, 1)"},
	{"a rate remembered over a jump", "tracker.go", "if t.holds && !t.meets(in.Interval) {", "if t.holds && clock.Promises(t.state) && !t.meets(in.Interval) {"},
	{"intersection for hull", "region.go", "e.hull(x)", "e.intersect(x)"},
}

// intersect is what the last mutant does.
const intersect = `
func (e *Extent) intersect(o Extent) {
	if e.Low > e.High {
		*e = o
		return
	}
	if max(e.Low, o.Low) <= min(e.High, o.High) {
		e.Low, e.High = max(e.Low, o.Low), min(e.High, o.High)
	}
	if max(e.PhiLow, o.PhiLow) <= min(e.PhiHigh, o.PhiHigh) {
		e.PhiLow, e.PhiHigh = max(e.PhiLow, o.PhiLow), min(e.PhiHigh, o.PhiHigh)
	}
}
`

// TestMutants builds the package with one mistake at a time, and wants its tests to
// fail. Without it nobody knows whether the oracle can see.
func TestMutants(t *testing.T) {
	if os.Getenv("TAPECAST_MUTANT") != "" {
		t.Skip("skipped: this is a mutant")
	}
	if testing.Short() {
		t.Skip("skipped: -short; the full tests build the mutants")
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			overlay := mutate(t, m.file, m.right, m.wrong)
			c := exec.Command("go", "test", "-overlay", overlay, "-run", "Campaign|Wander|Claims|Unseen", ".")
			c.Env = append(os.Environ(), "TAPECAST_MUTANT=1", "TAPECAST_CLOCK_DAYS=8", "TAPECAST_CLOCK_SEED=0")
			out, err := c.CombinedOutput()
			if err == nil {
				t.Fatalf("the tests pass with %s", m.name)
			}
			if !strings.Contains(string(out), "--- FAIL") {
				t.Fatalf("the mutant does not build: %s", out)
			}
			t.Log(failures(string(out)))
		})
	}
}

func mutate(t *testing.T, file, right, wrong string) (overlay string) {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(src), right) != 1 {
		t.Fatalf("%s has %d places to mutate, want 1: %s", file, strings.Count(string(src), right), right)
	}
	text := strings.Replace(string(src), right, wrong, 1)
	if strings.Contains(wrong, "intersect(") {
		text += intersect
	}
	dir := t.TempDir()
	mutant := filepath.Join(dir, file)
	if err := os.WriteFile(mutant, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := json.Marshal(map[string]any{"Replace": map[string]string{path: mutant}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, table, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// failures are the names of the tests that saw the mutant, and what the first said.
func failures(out string) string {
	var names []string
	first := ""
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(line, "--- FAIL: "); ok {
			names = append(names, strings.TrimSpace(name))
		} else if first == "" && strings.Contains(line, "_test.go:") {
			first = strings.TrimSpace(line)
		}
	}
	return strings.Join(names, ", ") + ": " + first
}
