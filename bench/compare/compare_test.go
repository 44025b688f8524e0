package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/bench/rig"
)

func TestLadder(t *testing.T) {
	if got := ladder(16, 3, 0.5); !slices.Equal(got, []float64{16, 8, 4}) {
		t.Errorf("%v", got)
	}
}

// The highest clean rate is the first that does not fail; what failed above it is
// kept with its reason.
func TestHighest(t *testing.T) {
	b := bench{ctx: t.Context()}
	at := func(rate float64) candidate {
		return candidate{"", func(_ context.Context, r *rig.Run) error {
			r.Set("rate", rate)
			if rate > 8 {
				return errors.New("no such program")
			} else if rate > 4 {
				r.Fail("late")
			}
			return nil
		}}
	}
	rs := b.compare(2, []candidate{b.highest("a", ladder(16, 2, 0.5), at), b.highest("none", ladder(16, 8, 0.5), at)})
	if got := rs.Spread("a", rig.Value("rate")); got.N != 2 || got.Median != 4 {
		t.Errorf("%+v", got)
	}
	if len(rs[0].Refused) != 2 || !strings.Contains(rs[0].Refused[1], "late") {
		t.Errorf("refused %q", rs[0].Refused)
	}
	if rs[1].Name != "none" || rs[1].Failed != "late" || rs.Spread("none", rig.Value("rate")).N != 0 {
		t.Errorf("%+v", rs[1])
	}
}

// Marks compare with the right rival, and a missed one is called so.
func TestMarksOfPingAndLoad(t *testing.T) {
	run := func(name string, p50, p99 int64) rig.Run {
		return rig.Run{Name: name, Latency: &rig.Latency{Count: 1, P50: p50, P99: p99}}
	}
	rs := rig.Runs{
		run(rawC, 9000, 20000), run(pathPing(2, "ring"), 8000, 40000), run(rawPing(2, "ring"), 7000, 20000), run(pathPing(1, "ring"), 8100, 1),
		run(atRate(oursSockets, 10e3), 10, 20), run(atRate(rawSockets, 10e3), 10, 10),
	}
	var got []string
	e := &rig.Experiment{Marks: append(pingMarks(rs), loadMarks("load", rs)...)}
	for i := range e.Marks {
		got = append(got, e.Marks[i].Met())
	}
	want := []string{"not measured", "not measured", "met", "MISSED", "met", "MISSED", "met", "MISSED"}
	if !slices.Equal(got[:len(want)], want) {
		t.Errorf("%v", got)
	}
	var table bytes.Buffer
	markdown(&table, &rig.Report{Experiments: []*rig.Experiment{e}})
	if !strings.Contains(table.String(), "| ≤ 1.20  | 2.00 | MISSED |") {
		t.Errorf("%s", table.String())
	}
}
