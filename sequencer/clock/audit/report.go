package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Terms are what a report holds the trail against.
type Terms struct {
	Limit    time.Duration `json:"limit_ns"`  // largest error that a stamp may have
	Window   time.Duration `json:"window_ns"` // what is judged at a time, at least a second
	Coverage float64       `json:"coverage"`  // share of each window that must be within Limit, 0 to 1
	From     wire.Nanos    `json:"from_utc"`  // 0: the trail's own beginning, as its first promise dates it
	To       wire.Nanos    `json:"to_utc"`    // 0: the trail's own end
	Made     wire.Nanos    `json:"made_utc"`  // when the report is made, by the reader's clock; 0: not known
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
	bounds    []int64
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
	Events     []Record          `json:"events"` // starts, changes of state, disruptions, alarms, losses; the first MaxEvents
	Unlisted   int               `json:"events_unlisted"`
	Unplaced   int64             `json:"unplaced_ns"` // recorded behind the last promise while the host's clock told a time that cannot be: put where that promise ends
	Samples    map[string]uint64 `json:"samples"`     // how many were used, or why not
	Plot       []Point           `json:"plot"`
	Compliant  bool              `json:"compliant"`
	runs       []run             // of promised rows
	until      int64             // UTC: the latest end of a run
	all        []int64           // bounds
	dots       map[int64]Point   // of the plot
	widthOfDot int64
	open       bool  // a start was read, and its end was not
	gone       []run // of lost records, in order
	rows       int
	tail       tail // rows to be put elsewhere, if Unplaced
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
	var e extent
	s, err := Walk(dir, e.record)
	if err != nil {
		return nil, err
	}
	return report(t, s, &e, func(visit func(*Record) error) error {
		_, err := Walk(dir, visit)
		return err
	})
}

// report judges the records that walk gives.
func report(t Terms, s Summary, e *extent, walk func(visit func(*Record) error) error) (*Report, error) {
	from, to, lost := e.bounds(int64(t.Made))
	if t.From == 0 {
		t.From = wire.Nanos(from)
	}
	if t.To == 0 {
		t.To = wire.Nanos(to)
	}
	if n := (t.To - t.From) / wire.Nanos(t.Window); t.To <= t.From || n > mostWindows {
		return nil, fmt.Errorf("%w: from %s to %s in windows of %v", ErrTerms, utcText(int64(t.From)), utcText(int64(t.To)), t.Window)
	}
	r := &Report{Terms: t, Trail: s, Samples: map[string]uint64{}, dots: map[int64]Point{}}
	for at := t.From; at < t.To; at += wire.Nanos(t.Window) {
		r.Windows = append(r.Windows, Window{From: int64(at), To: int64(min(at+wire.Nanos(t.Window), t.To))})
	}
	r.widthOfDot = max(int64(t.To-t.From)/points, 1)
	r.Total, r.gone = Window{From: int64(t.From), To: int64(t.To)}, merged(e.gone)
	if lost {
		r.Unplaced, r.tail = e.tail.length, e.tail
	}
	if err := walk(r.record); err != nil {
		return nil, err
	}
	r.finish()
	return r, nil
}

func (r *Report) record(rec *Record) error {
	switch rec.Kind {
	case KindHeader:
		r.start(rec)
	case KindEnd:
		r.open = false
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
		r.second(r.place(rec.UTC, rec.Second), rec.Second)
	case KindState, KindDisruption, KindAlarm, KindLeap, KindLost:
		r.event(*rec)
	}
	return nil
}

// start notes that a program began to keep the trail.
func (r *Report) start(rec *Record) {
	text := rec.Header.Program + " starts on " + rec.Header.Host
	if r.open {
		text += ": the one before has not ended the trail"
	}
	r.open = true
	r.Headers = append(r.Headers, *rec.Header)
	r.event(Record{Kind: KindHeader, UTC: rec.UTC, Text: text})
}

func (r *Report) event(e Record) {
	if len(r.Events) == MaxEvents {
		r.Unlisted++
		return
	}
	r.Events = append(r.Events, e)
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
	for i := range r.Windows {
		w := &r.Windows[i]
		r.judge(w, w.bounds)
		w.bounds = nil
	}
	r.judge(&r.Total, r.all)
	for _, at := range slices.Sorted(maps.Keys(r.dots)) {
		r.Plot = append(r.Plot, r.dots[at])
	}
	r.runs, r.all, r.dots = nil, nil, nil
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
	fmt.Fprintf(&b, "from %s to %s UTC; %d records in %s, chain whole up to %.16s%s\n\n", utcText(int64(t.From)), utcText(int64(t.To)), r.Trail.Records, counted(r.Trail.Files, "file"), r.Trail.Head, r.Trail.lacks())
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
	if r.Unplaced > 0 {
		fmt.Fprintf(&b, "\nafter the last promise the host's clock told a time that cannot be: %v of records are counted where that promise ends\n", time.Duration(r.Unplaced))
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

// lacks is what a trail says that it does not have, for the end of a line.
func (s *Summary) lacks() string {
	text := ""
	if !s.Ended {
		text += ", not closed yet"
	}
	if s.Lost > 0 {
		text += fmt.Sprintf(", %d records or bytes lost by its own word", s.Lost)
	}
	return text
}
