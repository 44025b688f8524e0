package audit

import (
	"cmp"
	"slices"
	"sort"
)

// longestRow is how much time one row can cover, ns: that of a stalled loop covers
// little.
const longestRow = 2e9

// second adds one row to the windows that it lies in, to the total and to the plot.
// Rows need not be in the order of their time: the clock is set when it first knows
// the time, and can have been wrong by days until then.
func (r *Report) second(utc int64, s *Second) {
	if promised(s.State) && r.lacks(utc, utc+s.To-s.From) {
		s = &Second{Bound: -1, Offset: s.Offset, Stamps: s.Stamps, From: s.From, To: s.To}
	}
	from, end := max(utc, int64(r.Terms.From)), min(utc+min(s.To-s.From, longestRow), int64(r.Terms.To))
	first, last := r.uncounted(from, end)
	fresh := first < last
	if promised(s.State) {
		from, end = first, last
	}
	if from >= end {
		return
	}
	if fresh {
		r.dot(from, s)
	}
	r.add(s, from, end)
	if promised(s.State) {
		r.all = append(r.all, s.Bound)
		r.count(from, end)
	}
}

// lacks reports whether records of some of the time were dropped: what the bounds in it rest
// on is not all there, so it is not covered.
func (r *Report) lacks(from, to int64) bool {
	at := sort.Search(len(r.gone), func(i int) bool { return r.gone[i].to >= from })
	return at < len(r.gone) && r.gone[at].from <= to
}

// merged are the runs in order, without overlaps.
func merged(runs []run) (out []run) {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
	for _, c := range runs {
		if n := len(out); n > 0 && c.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, c.to)
			continue
		}
		out = append(out, c)
	}
	return out
}

// place is the UTC of a row: its own, unless its time is lost.
func (r *Report) place(utc int64, s *Second) int64 {
	if r.rows++; r.Unplaced == 0 || r.rows <= r.tail.rows {
		return utc
	}
	utc = r.tail.begins
	r.tail.begins += s.To - s.From
	return utc
}

// add adds a stretch of a row.
func (r *Report) add(s *Second, from, end int64) {
	stamps := s.Stamps
	for from < end {
		w := &r.Windows[(from-int64(r.Terms.From))/int64(r.Terms.Window)]
		to := min(end, w.To)
		w.add(s, to-from, stamps, int64(r.Terms.Limit))
		r.Total.add(s, to-from, stamps, int64(r.Terms.Limit))
		if promised(s.State) {
			w.bounds = append(w.bounds, s.Bound)
		}
		from, stamps = to, 0
	}
}

// A run is time that promised rows have counted, with no gap longer than a row.
type run struct{ from, to int64 }

// uncounted is the part of a stretch that lies in no run: of one that a run cuts in
// two, the first.
func (r *Report) uncounted(from, end int64) (first, last int64) {
	if from >= r.until {
		return from, end
	}
	for _, c := range r.runs {
		switch {
		case c.from <= from && from < c.to:
			from = c.to
		case from < c.from && c.from < end:
			end = c.from
		}
	}
	return from, end
}

// count adds a stretch to the runs, mostly to the last one.
func (r *Report) count(from, end int64) {
	r.until = max(r.until, end)
	if n := len(r.runs); n > 0 {
		if c := &r.runs[n-1]; from >= c.to && from-c.to <= longestRow {
			c.to = end
			return
		}
	}
	r.runs = append(r.runs, run{from, end})
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
	if old, known := r.dots[at]; known {
		if old.Bound < 0 || p.Bound >= 0 && p.Bound < old.Bound {
			p.Bound = old.Bound
		}
		if max(old.Offset, -old.Offset) >= max(p.Offset, -p.Offset) {
			p.Offset = old.Offset
		}
	}
	r.dots[at] = p
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
