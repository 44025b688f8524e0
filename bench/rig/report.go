package rig

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// Mark is something that was promised, and what came of it.
type Mark struct {
	What   string  `json:"what"`
	Want   float64 `json:"want"`
	AtMost bool    `json:"at_most"` // else at least
	Got    Spread  `json:"got"`
	Unit   string  `json:"unit,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// Met judges by the median.
func (m *Mark) Met() string {
	switch {
	case m.Got.N == 0:
		return "not measured"
	case m.AtMost && m.Got.Median <= m.Want, !m.AtMost && m.Got.Median >= m.Want:
		return "met"
	}
	return "MISSED"
}

// Experiment is one question, the runs made for it, and the marks that it decides.
type Experiment struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Runs    Runs     `json:"runs"`
	Marks   []Mark   `json:"marks,omitempty"`
	Skipped []string `json:"skipped,omitempty"` // what could not run here, and why
	Plots   []Plot   `json:"-"`
}

// Report is all of one call.
type Report struct {
	Machine     Machine       `json:"machine"`
	Begun       time.Time     `json:"begun"`
	Form        string        `json:"form"`
	Experiments []*Experiment `json:"experiments"`
}

// Save writes results.json and the plots to dir, which it makes.
func (r *Report) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	for _, e := range r.Experiments {
		for _, p := range e.Plots {
			if err := os.WriteFile(filepath.Join(dir, p.Name+".svg"), p.SVG(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// Marks writes the table of all marks.
func (r *Report) Marks(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "mark\twanted\tgot: median (min to max)\t\t")
	for _, e := range r.Experiments {
		for i := range e.Marks {
			m := &e.Marks[i]
			sign := "at least"
			if m.AtMost {
				sign = "at most"
			}
			fmt.Fprintf(t, "%s\t%s %s %s\t%s\t%s\t%s\n", m.What, sign, Digits(m.Want), m.Unit, m.Got, m.Met(), m.Note)
		}
	}
	t.Flush()
}

// Column is one of Table's.
type Column struct {
	Head   string
	Metric Metric
	Scale  float64 // 0 is 1
}

// LatencyColumns are the usual ones, in µs.
func LatencyColumns() []Column {
	return []Column{{"p50 µs", P50, 1e-3}, {"p99 µs", P99, 1e-3}, {"p99.9 µs", P999, 1e-3}}
}

// Table writes the candidates of e with medians and spread, and which runs failed.
func (e *Experiment) Table(w io.Writer, columns ...Column) {
	fmt.Fprintf(w, "\n%s\n", e.Title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\t")
	for _, c := range columns {
		fmt.Fprintf(t, "%s\t", c.Head)
	}
	fmt.Fprintln(t)
	for _, name := range e.Runs.Names() {
		fmt.Fprintf(t, "%s\t", name)
		for _, c := range columns {
			s := e.Runs.Spread(name, c.Metric)
			if c.Scale != 0 {
				s = s.Scale(c.Scale)
			}
			fmt.Fprintf(t, "%s\t", s)
		}
		fmt.Fprintln(t, e.Runs.Of(name).failures())
	}
	t.Flush()
	for _, s := range e.Skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
}

// failures says how many runs failed, and why the last one did.
func (rs Runs) failures() string {
	n, why := 0, ""
	for i := range rs {
		if rs[i].Failed != "" {
			n, why = n+1, rs[i].Failed
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("FAILED %d of %d: %s", n, len(rs), why)
}
