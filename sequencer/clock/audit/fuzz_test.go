package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"
)

// FuzzTrail reads files of any content: an error, never a panic, and never records
// that the hashes do not cover.
func FuzzTrail(f *testing.F) {
	dir := f.TempDir()
	small(f, dir)
	for _, name := range files(f, dir) {
		data := read(f, name)
		f.Add(data)
		f.Add(data[:len(data)/2])
		f.Add(append(bytes.Clone(data), data[fileHead:]...))
	}
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newReader("clock-20261126.trail", io.NopCloser(bytes.NewReader(data)), int64(len(data)))
		for err == nil {
			before := r.offset
			if _, err = r.next(); err == nil && r.offset < before+int64(blockHead) {
				t.Fatalf("a block at %d ends at %d", before, r.offset)
			}
		}
		var d *Damage
		switch {
		case errors.As(err, &d) && d.Offset > int64(len(data)):
			t.Errorf("%d bytes damaged at %d", len(data), d.Offset)
		case err == errEnd && r.offset != int64(len(data)):
			t.Errorf("%d bytes end at %d", len(data), r.offset)
		}
	})
}

// FuzzRecords checks and reports on records of any content, whose hashes fit.
func FuzzRecords(f *testing.F) {
	head, err := json.Marshal(Record{Kind: KindHeader, UTC: int64(midnight), Header: new(header())})
	if err != nil {
		f.Fatal(err)
	}
	for _, lines := range []string{
		``,
		`{"kind":"sample","utc":1,"sample":{"server":0,"sent":1,"received":2,"t2":1,"t3":1,"error":5,"used":true}}`,
		`{"kind":"update","utc":1,"update":{"counter":5,"known":true,"from":"x","low":1,"high":9,"start":6,"end":9,"time":7,"ahead":9,"behind":9,"state":1}}
{"kind":"second","utc":1,"second":{"bound":9,"state":1,"stamps":3,"from":6,"to":9}}`,
		`{"kind":"reading","utc":1,"reading":{"from":"x","counter":5,"done":5,"pairs":[[5,7,6]],"kernel":{"max_error_us":1},"used":true}}
{"kind":"update","utc":1,"update":{"counter":5,"known":true,"from":"x","low":-5000,"high":5000,"phi_low":-1,"phi_high":1,"fixed":true,"start":6,"end":9,"time":7,"ahead":9e9,"behind":9e9,"state":1}}`,
		`{"kind":"reading","utc":1,"reading":{"from":"p","counter":5,"done":9,"pairs":[[5,7,6],[5,7,6]],"ptp":{"utc":true,"each":[[3,4,5]]},"used":true,"restart":true}}
{"kind":"update","utc":1,"update":{"counter":5,"known":true,"from":"p","start":6,"end":9,"time":7,"state":1}}`,
		`{"kind":"disruption","utc":5}
{"kind":"lost","utc":5,"count":7}
{"kind":"end","utc":6}`,
	} {
		f.Add(append(append(bytes.Clone(head), '\n'), lines...))
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		records, err := parse(lines)
		if err != nil || len(records) == 0 {
			return
		}
		var c checker
		walk := func(visit func(*Record) error) error {
			for i := range records {
				if err := visit(&records[i]); err != nil {
					return err
				}
			}
			return nil
		}
		_ = walk(c.record) // a verdict, whichever
		s := Summary{First: records[0].UTC, Last: records[len(records)-1].UTC}
		var e extent
		_ = walk(e.record) // it has none
		r, err := report(Terms{Limit: time.Millisecond, Window: time.Hour, Coverage: 0.9}, s, &e, walk)
		if err != nil {
			return
		}
		for _, w := range r.Windows {
			if w.Covered > 1 || w.Promised > 1 || w.Covered > w.Promised {
				t.Errorf("%+v", w)
			}
		}
		if err := r.Text(io.Discard); err != nil {
			t.Error(err)
		}
		if err := r.Page(io.Discard); err != nil {
			t.Error(err)
		}
	})
}
