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
	until      int64             // UTC: time before is counted
	bounds     []int64
	all        []int64
	widthOfDot int64
}

// MaxEvents is how many events a report lists.
const MaxEvents = 1000

// mostReasons is how many outcomes of exchanges are told apart.
const mostReasons = 50

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// mostWindows is how many windows a report has.
const mostWindows = 100_000

// points is how many columns the plot has.
const points = 800

// NewReport reads and verifies a trail, and judges it window by window. Time without
// a record is not covered. A damaged trail is a *Damage, and no report.
func NewReport(dir string, t Terms) (*Report, error) {
	if t.Window < time.Second || t.Limit <= 0 || t.Coverage < 0 || t.Coverage > 1 {
		return nil, fmt.Errorf("%w: a limit above 0, windows of a second or more and a coverage from 0 to 1 are needed, not %v, %v, %v", ErrTerms, t.Limit, t.Window, t.Coverage)
	}
	s, err := Verify(dir, "")
	if err != nil {
		return nil, err
	}
	return report(t, s, func(visit func(*Record) error) error {
		_, err := Walk(dir, visit)
		return err
	})
}

// report judges the records that walk gives.
func report(t Terms, s Summary, walk func(visit func(*Record) error) error) (*Report, error) {
	if t.From == 0 {
		t.From = wire.Nanos(s.First)
	}
	if t.To == 0 {
		t.To = wire.Nanos(s.Last)
	}
	if n := (t.To - t.From) / wire.Nanos(t.Window); t.To <= t.From || n > mostWindows {
		return nil, fmt.Errorf("%w: from %s to %s in windows of %v", ErrTerms, utcText(int64(t.From)), utcText(int64(t.To)), t.Window)
	}
	r := &Report{Terms: t, Trail: s, Samples: map[string]uint64{}}
	r.widthOfDot = max(int64(t.To-t.From)/points, 1)
	r.Total = Window{From: int64(t.From), To: int64(t.To)}
	if err := walk(r.record); err != nil {
		return nil, err
	}
	r.openWindow(int64(t.To) - 1)
	r.closeWindow()
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
		if _, known := r.Samples[reason]; !known && len(r.Samples) == mostReasons {
			reason = "for other reasons not used"
		}
		r.Samples[reason]++
	case KindSecond:
		r.second(rec.UTC, rec.Second)
	case KindState, KindDisruption, KindAlarm, KindLeap, KindLost:
		if len(r.Events) == MaxEvents {
			r.Unlisted++
			break
		}
		r.Events = append(r.Events, *rec)
	}
	return nil
}

// longestRow is how much time one row can cover, ns: that of a stalled loop covers
// little.
const longestRow = 2e9

// second adds one row to the windows that it lies in, to the total and to the plot.
// Time that an earlier row covered is not counted again.
func (r *Report) second(utc int64, s *Second) {
	from, end := max(utc, r.until, int64(r.Terms.From)), min(utc+min(s.To-s.From, longestRow), int64(r.Terms.To))
	if from >= end {
		return
	}
	r.until = end
	stamps := s.Stamps
	for from < end {
		r.openWindow(from)
		w := &r.Windows[len(r.Windows)-1]
		to := min(end, w.To)
		w.add(s, to-from, stamps, int64(r.Terms.Limit))
		r.Total.add(s, to-from, stamps, int64(r.Terms.Limit))
		if promised(s.State) {
			r.bounds = append(r.bounds, s.Bound)
		}
		from, stamps = to, 0
	}
	if promised(s.State) {
		r.all = append(r.all, s.Bound)
	}
	r.dot(max(utc, int64(r.Terms.From)), s)
}

// add takes length ns of a row.
func (w *Window) add(s *Second, length int64, stamps uint64, limit int64) {
	w.Stamps += stamps
	if !promised(s.State) {
		w.Over += stamps
		return
	}
	w.Promised += float64(length)
	w.Max, w.MaxOffset = max(w.Max, s.Bound), max(w.MaxOffset, max(s.Offset, -s.Offset))
	if s.Bound > limit {
		w.Over += stamps
		return
	}
	w.Covered += float64(length)
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
		to = min(to, int64(r.Terms.To))
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

// Below is how many windows are not compliant.
func (r *Report) Below() int {
	n := 0
	for i := range r.Windows {
		if !r.Windows[i].Compliant {
			n++
		}
	}
	return n
}

func (r *Report) finish() {
	r.judge(&r.Total, r.all)
	r.bounds, r.all = nil, nil
	r.Compliant = len(r.Windows) > 0 && r.Below() == 0
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
	fmt.Fprintf(&b, "from %s to %s UTC; %d records in %s, chain whole up to %.16s\n\n", utcText(int64(t.From)), utcText(int64(t.To)), r.Trail.Records, counted(r.Trail.Files, "file"), r.Trail.Head)
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
