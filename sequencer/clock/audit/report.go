package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Terms are what a report holds the trail against.
type Terms struct {
	Limit    time.Duration // largest error that a stamp may have
	Window   time.Duration // what is judged at a time, at least a second
	Coverage float64       // share of each window that must be within Limit, 0 to 1
	From, To wire.Nanos    // UTC; 0: the trail's own beginning and end
}

// Window is one part of the time of a report.
type Window struct {
	From      int64   `json:"from_utc"`
	To        int64   `json:"to_utc"`
	Covered   float64 `json:"coverage"`    // share of it with a promise within the limit
	Promised  float64 `json:"promised"`    // share of it with any promise
	Max       int64   `json:"bound_max"`   // ns, of the promised seconds
	P50       int64   `json:"bound_p50"`   // ns
	P99       int64   `json:"bound_p99"`   // ns
	MaxOffset int64   `json:"offset_max"`  // ns: farthest from the middle of the interval
	Stamps    uint64  `json:"stamps"`      // made in it
	Over      uint64  `json:"stamps_over"` // made in seconds without a promise within the limit
	Compliant bool    `json:"compliant"`
}

// Point is one column of the plot: what some seconds had in common.
type Point struct {
	UTC    int64 `json:"utc"`
	Bound  int64 `json:"bound"`  // widest, ns; -1: none was promised
	Offset int64 `json:"offset"` // farthest
}

// Report is what a trail says about a stretch of time.
type Report struct {
	Terms      Terms             `json:"terms"`
	Trail      Summary           `json:"trail"`
	Headers    []Header          `json:"headers"` // every start
	Windows    []Window          `json:"windows"`
	Total      Window            `json:"total"`
	Events     []Record          `json:"events"` // changes of state, disruptions, alarms, losses; the first MaxEvents
	Unlisted   int               `json:"events_unlisted"`
	Samples    map[string]uint64 `json:"samples"` // how many were used, or why not
	Plot       []Point           `json:"plot"`
	Compliant  bool              `json:"compliant"`
	bounds     []int64
	all        []int64
	widthOfDot int64
}

// MaxEvents is how many events a report lists.
const MaxEvents = 1000

// points is how many columns the plot has.
const points = 800

// NewReport reads and verifies a trail, and judges it window by window. Time without
// a record is not covered. A damaged trail is a *Damage, and no report.
func NewReport(dir string, t Terms) (*Report, error) {
	if t.Window < time.Second || t.Limit <= 0 || t.Coverage < 0 || t.Coverage > 1 {
		return nil, fmt.Errorf("audit: a limit above 0, windows of a second or more and a coverage from 0 to 1 are needed, not %v, %v, %v", t.Limit, t.Window, t.Coverage)
	}
	s, err := Verify(dir)
	if err != nil {
		return nil, err
	}
	if t.From == 0 {
		t.From = wire.Nanos(s.First)
	}
	if t.To == 0 {
		t.To = wire.Nanos(s.Last)
	}
	r := &Report{Terms: t, Trail: s, Samples: map[string]uint64{}}
	r.widthOfDot = max(int64(t.To-t.From)/points, 1)
	r.Total = Window{From: int64(t.From), To: int64(t.To)}
	if _, err := Walk(dir, r.record); err != nil {
		return nil, err
	}
	if t.To > t.From {
		r.openWindow(int64(t.To) - 1)
		r.closeWindow()
	}
	r.finish()
	return r, nil
}

func (r *Report) record(rec *Record) error {
	switch rec.Kind {
	case KindHeader:
		r.Headers = append(r.Headers, *rec.Header)
	case KindSample:
		reason := rec.Sample.Reason
		if rec.Sample.Used {
			reason = "used"
		}
		r.Samples[reason]++
	case KindSecond:
		if rec.UTC >= int64(r.Terms.From) && rec.UTC < int64(r.Terms.To) {
			r.second(rec.UTC, rec.Second)
		}
	case KindState, KindDisruption, KindAlarm, KindLeap, KindLost:
		if len(r.Events) == MaxEvents {
			r.Unlisted++
			break
		}
		r.Events = append(r.Events, *rec)
	}
	return nil
}

// second adds one row to its window, to the total and to the plot.
func (r *Report) second(utc int64, s *Second) {
	r.openWindow(utc)
	w := &r.Windows[len(r.Windows)-1]
	length := float64(max(min(s.To-s.From, 2e9), 0)) // a row of a stalled loop covers little
	for _, w := range [...]*Window{w, &r.Total} {
		w.Stamps += s.Stamps
		if !promised(s.State) {
			w.Over += s.Stamps
			continue
		}
		w.Promised += length
		w.Max, w.MaxOffset = max(w.Max, s.Bound), max(w.MaxOffset, max(s.Offset, -s.Offset))
		if s.Bound > int64(r.Terms.Limit) {
			w.Over += s.Stamps
			continue
		}
		w.Covered += length
	}
	if promised(s.State) {
		r.bounds, r.all = append(r.bounds, s.Bound), append(r.all, s.Bound)
	}
	r.dot(utc, s)
}

func (r *Report) dot(utc int64, s *Second) {
	at := int64(r.Terms.From) + (utc-int64(r.Terms.From))/r.widthOfDot*r.widthOfDot
	p := Point{UTC: at, Bound: s.Bound, Offset: s.Offset}
	if !promised(s.State) {
		p.Bound = -1
	}
	if n := len(r.Plot); n > 0 && r.Plot[n-1].UTC == at {
		last := &r.Plot[n-1]
		if last.Bound >= 0 && (p.Bound < 0 || p.Bound > last.Bound) {
			last.Bound = p.Bound
		}
		if max(p.Offset, -p.Offset) > max(last.Offset, -last.Offset) {
			last.Offset = p.Offset
		}
		return
	}
	r.Plot = append(r.Plot, p)
}

// openWindow makes the last window that of utc. Windows without a row stay empty.
func (r *Report) openWindow(utc int64) {
	for n := len(r.Windows); n == 0 || utc >= r.Windows[n-1].To; n = len(r.Windows) {
		from := int64(r.Terms.From)
		if n > 0 {
			from = r.closeWindow()
		}
		to := from + int64(r.Terms.Window)
		if end := int64(r.Terms.To); to > end && end > from {
			to = end
		}
		r.Windows = append(r.Windows, Window{From: from, To: to})
	}
}

// closeWindow judges the last window and returns its end.
func (r *Report) closeWindow() (end int64) {
	w := &r.Windows[len(r.Windows)-1]
	r.judge(w, r.bounds)
	r.bounds = r.bounds[:0]
	return w.To
}

// judge turns sums into shares.
func (r *Report) judge(w *Window, bounds []int64) {
	length := float64(max(w.To-w.From, 1))
	w.Covered, w.Promised = min(w.Covered/length, 1), min(w.Promised/length, 1)
	slices.Sort(bounds)
	if n := len(bounds); n > 0 {
		w.P50, w.P99 = bounds[n/2], bounds[min(n*99/100, n-1)]
	}
	w.Compliant = w.Covered >= r.Terms.Coverage
}

func (r *Report) finish() {
	r.judge(&r.Total, r.all)
	r.bounds, r.all = nil, nil
	r.Compliant = len(r.Windows) > 0
	for i := range r.Windows {
		r.Compliant = r.Compliant && r.Windows[i].Compliant
	}
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	t := r.Terms
	verdict := "COMPLIANT"
	if !r.Compliant {
		verdict = "NOT COMPLIANT"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: error at most %v in at least %.4g %% of every %v\n", verdict, t.Limit, 100*t.Coverage, t.Window)
	fmt.Fprintf(&b, "from %s to %s UTC; %d records in %d files, chain whole\n\n", utcText(int64(t.From)), utcText(int64(t.To)), r.Trail.Records, r.Trail.Files)
	fmt.Fprintf(&b, "%-30s %9s %11s %11s %11s %12s %10s\n", "window from", "coverage", "bound p50", "bound p99", "bound max", "stamps", "over")
	for i := range r.Windows {
		r.Windows[i].text(&b, utcText(r.Windows[i].From))
	}
	r.Total.text(&b, "all")
	if len(r.Events) > 0 {
		fmt.Fprintf(&b, "\nevents\n")
	}
	for _, e := range r.Events {
		fmt.Fprintf(&b, "%s  %-10s %s\n", utcText(e.UTC), e.Kind, e.Text)
	}
	if r.Unlisted > 0 {
		fmt.Fprintf(&b, "and %d more\n", r.Unlisted)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (w *Window) text(b *strings.Builder, name string) {
	mark := ""
	if !w.Compliant {
		mark = "  below"
	}
	fmt.Fprintf(b, "%-30s %8.3f%% %8.1f us %8.1f us %8.1f us %12d %10d%s\n", name, 100*w.Covered,
		float64(w.P50)/1e3, float64(w.P99)/1e3, float64(w.Max)/1e3, w.Stamps, w.Over, mark)
}

func utcText(utc int64) string {
	return wire.Nanos(utc).Time().Format("2006-01-02T15:04:05.000000000")
}
