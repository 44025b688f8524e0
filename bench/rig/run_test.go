package rig

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func run(name string, turn int, v float64, failed string) Run {
	r := Run{Name: name, Turn: turn, Failed: failed}
	r.Set("rate", v)
	return r
}

// Ratios are of one turn, and failed runs are in none.
func TestRatios(t *testing.T) {
	rs := Runs{
		run("a", 0, 10, ""), run("b", 0, 5, ""),
		run("a", 1, 30, ""), run("b", 1, 10, ""),
		run("a", 2, 100, "late"), run("b", 2, 1, ""),
		run("a", 3, 7, ""), run("b", 3, 1, "lost"),
		run("a", 4, 4, ""), run("b", 4, 4, ""),
	}
	if got := rs.Ratio("a", "b", Value("rate")); got != (Spread{3, 1, 2, 3}) {
		t.Errorf("ratio %+v", got)
	}
	if got := rs.Spread("a", Value("rate")); got != (Spread{4, 4, 10, 30}) {
		t.Errorf("spread %+v", got)
	}
	if got := rs.Spread("a", P50); got.N != 0 || got.String() != "-" {
		t.Errorf("a metric that no run has: %+v", got)
	}
	if got := rs.Of("a").failures(); got != "FAILED 1 of 5: late" {
		t.Errorf("failures %q", got)
	}
}

func TestRunKeepsTheFirstReason(t *testing.T) {
	var r Run
	r.Fail("%d lost", 3)
	r.Fail("late")
	if r.Failed != "3 lost" {
		t.Errorf("failed: %q", r.Failed)
	}
}

func TestHistogram(t *testing.T) {
	h := NewHistogram()
	for i := range int64(10_000) {
		h.Add(1000 * (i + 1))
	}
	h.Add(-5) // a clock that went back: counted as least
	l := h.Latency()
	near := func(got, want int64) bool { return got > want-want/500 && got < want+want/500 }
	if l.Count != 10_001 || l.Min != 1 || !near(l.P50, 5_000_000) || !near(l.P99, 9_900_000) || !near(l.P999, 9_990_000) || !near(l.Max, 10_000_000) {
		t.Errorf("%+v", l)
	}
	if last := l.Spectrum[len(l.Spectrum)-1]; last[0] < 0.9998 || !near(int64(last[1]), l.Max) {
		t.Errorf("the spectrum ends at %v", last)
	}
	if less := l.Less(1_000_000); !near(less.P50, 4_000_000) || l.P50 == less.P50 {
		t.Errorf("less 1 ms: %v", less)
	}
	if s := (*Latency)(nil).String(); s != "no latencies" {
		t.Error(s)
	}
}

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		m    Mark
		want string
	}{
		{Mark{Want: 2, AtMost: true, Got: Spread{1, 2, 2, 2}}, "met"},
		{Mark{Want: 2, AtMost: true, Got: Spread{3, 1, 2.1, 3}}, "MISSED"},
		{Mark{Want: 2, Got: Spread{3, 1, 2.1, 3}}, "met"},
		{Mark{Want: 2, Got: Spread{3, 1, 1.9, 3}}, "MISSED"},
		{Mark{Want: 2}, "not measured"},
	} {
		if got := c.m.Met(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.m, got, c.want)
		}
	}
}

// What is saved says where it was measured, and the plots are well-formed.
func TestSave(t *testing.T) {
	h := NewHistogram()
	for i := range int64(1000) {
		h.Add(i * 1000)
	}
	rs := Runs{{Name: "a <&>", Latency: h.Latency(), Settings: map[string]int{"lines": 2}}, run("b", 0, 1, "lost")}
	e := &Experiment{Name: "x", Title: "X", Runs: rs, Plots: []Plot{PercentilePlot("p", "by percentile", rs), {Name: "empty"}}, Skipped: []string{"y"}}
	r := Report{Machine: ThisMachine(), Experiments: []*Experiment{e}}
	dir := filepath.Join(t.TempDir(), "results")
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if back.Machine != r.Machine || back.Machine.Kernel == "" || back.Machine.Go == "" || back.Machine.CPUs == 0 {
		t.Errorf("machine %+v", back.Machine)
	}
	if got := back.Experiments[0].Runs; got[0].Latency.P99 != rs[0].Latency.P99 || got[1].Failed != "lost" || got[0].Settings == nil {
		t.Errorf("runs %+v", got)
	}
	for _, name := range []string{"p.svg", "empty.svg"} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, name, svg)
		if name == "p.svg" && !strings.Contains(string(svg), "polyline") {
			t.Error("no line in the plot")
		}
	}
	var table bytes.Buffer
	e.Table(&table, LatencyColumns()...)
	if s := table.String(); !strings.Contains(s, "FAILED 1 of 1: lost") || !strings.Contains(s, "skipped: y") {
		t.Errorf("table:\n%s", s)
	}
}

func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}
