package audit

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// rows puts n rows of a second; the counter goes on from row to row.
type rows struct {
	*Trail
	counter int64
}

func (r *rows) put(utc wire.Nanos, n int, state uint8) {
	for i := range n {
		at := r.counter
		r.counter += 1e9
		r.Put(Record{Kind: KindSecond, UTC: int64(utc) + int64(i)*1e9, Second: &Second{Bound: 1000, State: state, Stamps: 1, From: at, To: at + 1e9}})
	}
}

// made is the report on 10 minutes from midnight, by its own beginning and end.
func made(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := NewReport(dir, Terms{Limit: time.Millisecond, Window: time.Minute, Coverage: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	if r.Total.From != int64(midnight) || r.Total.To != int64(midnight+600e9) || len(r.Windows) != 10 {
		t.Errorf("from %s to %s in %d windows", utcText(r.Total.From), utcText(r.Total.To), len(r.Windows))
	}
	return r
}

// TestWrongHost: the host's clock was off when the trail began, until the first
// promise. The report is of the true time.
func TestWrongHost(t *testing.T) {
	for _, off := range []wire.Nanos{0, 3600e9, -3600e9, 86400e9, -50 * 365 * 86400e9} {
		dir := t.TempDir()
		r := rows{open(t, dir, midnight+off), 77e9}
		r.put(midnight+off+1e9, 5, 0)
		r.put(midnight+6e9, 594, 1)
		if err := r.Close(midnight + 600e9); err != nil {
			t.Fatal(err)
		}
		got := made(t, dir)
		for i, w := range got.Windows {
			if want := 1.; i == 0 && !diff(w.Covered, 54./60) || i > 0 && !diff(w.Covered, want) {
				continue
			}
			t.Errorf("off by %d s, window %d: %+v", off/1e9, i, w)
		}
		if diff(got.Total.Covered, 594./600) {
			t.Errorf("off by %d s: %+v", off/1e9, got.Total)
		}
	}
	dir := t.TempDir()
	r := rows{open(t, dir, midnight+3600e9), 0}
	r.put(midnight, 600, 1) // set before the first row
	if err := r.Close(midnight + 600e9); err != nil {
		t.Fatal(err)
	}
	if got := made(t, dir); !got.Compliant || diff(got.Total.Covered, 1) {
		t.Errorf("%+v", got.Total)
	}
}

// TestNeverPromised: a trail without a promise is about the time of its records.
func TestNeverPromised(t *testing.T) {
	dir := t.TempDir()
	r := rows{open(t, dir, midnight+590e9), 0}
	r.put(midnight+591e9, 9, 0)
	r.put(midnight, 10, 0)
	r.Put(Record{Kind: KindState, UTC: int64(midnight + 600e9)})
	if err := r.Close(midnight + 10e9); err != nil {
		t.Fatal(err)
	}
	if got := made(t, dir); got.Compliant || got.Total.Covered != 0 || got.Total.Over != 19 {
		t.Errorf("%+v", got.Total)
	}
}

// TestWrongHostAgain: at a second start the host's clock is off by a day, or by less
// than the trail is long. What was and is promised counts, and nothing else.
func TestWrongHostAgain(t *testing.T) {
	for _, off := range []wire.Nanos{86400e9, -86400e9, 120e9, -120e9} {
		dir := t.TempDir()
		r := rows{open(t, dir, midnight), 0}
		r.put(midnight, 300, 1)
		if err := r.Close(midnight + 300e9); err != nil {
			t.Fatal(err)
		}
		r = rows{open(t, dir, midnight+300e9+off), 0}
		r.put(midnight+300e9+off, 1, 0)
		r.put(midnight+301e9, 299, 1)
		if err := r.Close(midnight + 600e9); err != nil {
			t.Fatal(err)
		}
		got := made(t, dir)
		if diff(got.Total.Covered, 599./600) || diff(got.Windows[5].Covered, 59./60) || !got.Compliant {
			t.Errorf("off by %d s: %+v", off/1e9, got.Total)
		}
		for i := 1; i < len(got.Plot); i++ {
			if got.Plot[i].UTC <= got.Plot[i-1].UTC {
				t.Fatalf("off by %d s: the plot goes back at %d", off/1e9, i)
			}
		}
	}
}

// TestPromisedTwice: a promise of a wrong time, then of the true one that runs into
// it: each moment counts once, in its own window.
func TestPromisedTwice(t *testing.T) {
	dir := t.TempDir()
	r := rows{open(t, dir, midnight), 0}
	r.put(midnight, 60, 1)
	r.put(midnight+150e9, 30, 1)
	r.put(midnight+60e9, 60, 1)
	r.put(midnight+120e9+500e6, 120, 2)
	r.put(midnight+200e9, 40, 1)
	r.put(midnight+600e9-1e9, 1, 0)
	if err := r.Close(midnight + 600e9); err != nil {
		t.Fatal(err)
	}
	got := made(t, dir)
	for i, want := range []float64{1, 1, 59.5 / 60, 1, 0.5 / 60, 0} {
		if diff(got.Windows[i].Covered, want) {
			t.Errorf("window %d: %v, want %v", i, got.Windows[i].Covered, want)
		}
	}
	if diff(got.Total.Covered, 240./600) {
		t.Errorf("%+v", got.Total)
	}
}

// TestReportNames: every name in the JSON of a report is of the one style.
func TestReportNames(t *testing.T) {
	dir := t.TempDir()
	small(t, dir)
	r, err := NewReport(dir, Terms{Limit: time.Millisecond, Window: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`"(\w+)":`).FindAllSubmatch(data, -1)
	good := regexp.MustCompile(`^[a-z0-9_]+$`)
	for _, n := range names {
		if !good.Match(n[1]) {
			t.Errorf("%s", n[1])
		}
	}
	if len(names) < 30 {
		t.Errorf("only %d names in %s", len(names), data)
	}
}

// TestLastNeverPromised: the last start never promised, while the host's clock was off. Its
// time counts, without cover: by the host's word as long as that can be, else behind the
// last promise; no window ends before its records do, or in the future.
func TestLastNeverPromised(t *testing.T) {
	const made = midnight + 900e9
	for off, lost := range map[wire.Nanos]bool{0: false, 365 * 86400e9: true, -365 * 86400e9: true} {
		dir := t.TempDir()
		r := rows{open(t, dir, midnight), 0}
		r.put(midnight, 400, 1)
		if err := r.Close(midnight + 400e9); err != nil {
			t.Fatal(err)
		}
		r = rows{open(t, dir, midnight+400e9+off), 0}
		r.put(midnight+400e9+off, 200, 0)
		if err := r.Close(midnight + 600e9 + off); err != nil {
			t.Fatal(err)
		}
		got, err := NewReport(dir, Terms{Limit: time.Millisecond, Window: time.Minute, Coverage: 0.95, Made: made})
		if err != nil {
			t.Fatal(err)
		}
		if got.Total.From != int64(midnight) || got.Total.To != int64(midnight+600e9) || got.Compliant || diff(got.Total.Covered, 400./600) {
			t.Errorf("off by %d s: %s to %s, %+v", off/1e9, utcText(got.Total.From), utcText(got.Total.To), got.Total)
		}
		if (got.Unplaced == 200e9) != lost || got.Total.Over != 200 {
			t.Errorf("off by %d s: %d ns unplaced, %d stamps over", off/1e9, got.Unplaced, got.Total.Over)
		}
		var text, page strings.Builder
		if err := errors.Join(got.Text(&text), got.Page(&page)); err != nil {
			t.Fatal(err)
		}
		const told = "a time that cannot be: 3m20s of records"
		if strings.Contains(text.String(), told) != lost || strings.Contains(page.String(), told) != lost {
			t.Errorf("off by %d s:\n%s", off/1e9, text.String())
		}
	}
}

// TestLostIsUncovered: a second of which a record was dropped is not covered, whichever record
// it was, also while there is a row for it; the others are.
func TestLostIsUncovered(t *testing.T) {
	dir := t.TempDir()
	r := rows{open(t, dir, midnight), 0}
	r.put(midnight, 200, 1)
	r.Put(Record{Kind: KindSample, UTC: int64(midnight + 200e9 + 5e8), Sample: &Sample{T2: 1 << 62}}) // nobody reads that
	r.put(midnight+200e9, 3, 1)
	if err := r.Step(midnight + 203e9); err != nil {
		t.Fatal(err)
	}
	r.put(midnight+203e9, 397, 1)
	if err := r.Close(midnight + 600e9); err != nil {
		t.Fatal(err)
	}
	got := made(t, dir)
	for i, w := range got.Windows {
		want, over := 1., uint64(0)
		if i == 3 {
			want, over = 56./60, 4
		}
		if diff(w.Covered, want) || w.Over != over || w.Stamps != 60 {
			t.Errorf("window %d: %+v, want %v", i, w, want)
		}
	}
	if got.Trail.Lost != 1 {
		t.Errorf("%+v", got.Trail)
	}
}

func TestMerged(t *testing.T) {
	r := Report{gone: merged([]run{{50, 60}, {10, 20}, {15, 30}, {30, 31}, {40, 45}, {41, 42}})}
	for at := range int64(70) {
		want := at >= 10 && at <= 31 || at >= 40 && at <= 45 || at >= 50 && at <= 60
		if got := r.lacks(at, at); got != want || len(r.gone) != 3 {
			t.Errorf("at %d: %v, %v", at, got, r.gone)
		}
	}
	if !r.lacks(0, 10) || r.lacks(0, 9) || !r.lacks(35, 70) || r.lacks(46, 49) {
		t.Error(r.gone)
	}
}
