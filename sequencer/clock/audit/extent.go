package audit

// extent finds what time a trail is about. Until its first promise a clock told the
// host's time, which may be wrong: the counter says how long before that promise the
// trail began.
type extent struct {
	low, high int64 // UTC of all records
	last      int64 // UTC
	any       bool
	rows      int
	starts    int   // headers and disruptions: behind each the counter begins anew
	begun     int64 // UTC of the last of them
	row       *Second
	rowUTC    int64 // of the first row since
	known     bool  // there was a promise
	from, to  int64 // UTC, then
	tail      tail
	gone      []run // UTC: records of these were dropped
}

// tail is what was recorded behind the last promise.
type tail struct {
	rows   int   // up to the last promised one
	length int64 // of those behind it, by the counter, ns
	begins int64 // UTC of the end of the promise
}

// longestLead is how long before its first row a program can have started, ns.
const longestLead = 10e9

func (e *extent) record(r *Record) error {
	if !e.any {
		e.any, e.low, e.high = true, r.UTC, r.UTC
	}
	e.low, e.high, e.last = min(e.low, r.UTC), max(e.high, r.UTC), r.UTC
	switch r.Kind {
	case KindHeader, KindDisruption:
		e.starts++
		e.begun, e.row = r.UTC, nil
	case KindSecond:
		e.second(r.UTC, r.Second)
	case KindLost:
		if r.Since != 0 {
			e.gone = append(e.gone, run{min(r.Since, r.UTC), r.UTC})
		}
	}
	return nil
}

func (e *extent) second(utc int64, s *Second) {
	if e.row == nil {
		e.row, e.rowUTC = s, utc
	}
	e.rows++
	if !promised(s.State) {
		e.tail.length += s.To - s.From
		return
	}
	if !e.known {
		e.known, e.from = true, e.beginning(utc, s)
	}
	e.to = max(e.to, utc+min(s.To-s.From, longestRow))
	e.tail = tail{rows: e.rows, begins: e.to}
}

// beginning is when the trail began, by its first promised row. What was before an
// earlier start has only its own word.
func (e *extent) beginning(utc int64, s *Second) int64 {
	lead := e.rowUTC - e.begun
	if lead < 0 || lead > longestLead {
		lead = 0 // the clock was set in between
	}
	at := utc - (s.From - e.row.From) - lead
	if e.starts > 1 {
		at = min(at, e.low)
	}
	return at
}

// bounds are UTC. Without any promise they are those of all records. The end of a trail
// that ends without one is by the host's word, unless that cannot be, because it lies before
// the last promise or after now (0: not known): then what was recorded follows on the promise.
func (e *extent) bounds(now int64) (from, to int64, lost bool) {
	if !e.known {
		return e.low, e.high, false
	}
	placed := e.tail.begins + e.tail.length
	if lost = e.tail.length > 0 && (e.last < e.tail.begins || now != 0 && e.last > now); lost {
		return e.from, max(e.to, placed), true
	}
	return e.from, max(e.to, placed, e.last), false
}
