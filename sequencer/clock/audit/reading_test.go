package audit

import (
	"errors"
	"strings"
	"testing"
)

// vouchedFor is a reading by the kernel: UTC is at least 1000 and at most 1040 ahead of the
// counter, and 2 us off.
func vouchedFor() *Reading {
	return &Reading{
		From: "k", Counter: 100, Done: 100, Pairs: [][3]int64{{100, 1140, 140}}, Kernel: &Kernel{MaxError: 1, Precision: 1}, Used: true,
	}
}

// TestReadingDerived: what a reading allows, by numbers worked out by hand.
func TestReadingDerived(t *testing.T) {
	chronyd := func(c Chronyd) func(*Reading) {
		return func(r *Reading) { r.Kernel, r.Chronyd = nil, &c }
	}
	for name, c := range map[string]struct {
		change    func(r *Reading)
		low, high int64
		fails     bool
	}{
		"the kernel":          {func(*Reading) {}, 1000 - 2000, 1040 + 2000, false},
		"after a while":       {func(r *Reading) { r.Done += 20_000_001 }, 1000 - 3001, 1040 + 3001, false},
		"on another scale":    {func(r *Reading) { r.Shift = 7e9 }, 7e9 - 1000, 7e9 + 3040, false},
		"an error":            {func(r *Reading) { r.Kernel.State = 5 }, 0, 0, true},
		"unsynchronised":      {func(r *Reading) { r.Kernel.Status = 0x41 }, 0, 0, true},
		"a day off":           {func(r *Reading) { r.Kernel.MaxError = 86400e6 }, 0, 0, true},
		"no comparison":       {func(r *Reading) { r.Pairs = nil }, 0, 0, true},
		"nobody's word":       {func(r *Reading) { r.Kernel = nil }, 0, 0, true},
		"chronyd":             {chronyd(Chronyd{Stratum: 2, Correction: -1e-6, RootDelay: 4e-6, RootDispersion: 3e-6}), 1000 - 6000, 1040 + 6000, false},
		"chronyd, unset":      {chronyd(Chronyd{Stratum: 2, Leap: 3}), 0, 0, true},
		"chronyd, no stratum": {chronyd(Chronyd{}), 0, 0, true},
		"chronyd, too far":    {chronyd(Chronyd{Stratum: 16}), 0, 0, true},
		"chronyd, negative":   {chronyd(Chronyd{Stratum: 1, RootDispersion: -1}), 0, 0, true},
	} {
		r := vouchedFor()
		c.change(r)
		got, err := r.host(50e-6)
		if (err != nil) != c.fails || err == nil && (got.low != c.low || got.high != c.high) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestHardwareDerived: the same of a hardware clock 37 s ahead of UTC.
func TestHardwareDerived(t *testing.T) {
	const ahead = 37e9
	each := [][3]int64{{5000, ahead + 9000, 5900}, {7000, ahead + 11_030, 7100}, {9000, ahead, 8999}}
	for name, c := range map[string]struct {
		r         Reading
		low, high int64
		fails     bool
	}{
		// The closest is the second: 4000 - 70 to 4000 + 30 before the kernel's clock.
		"by the monotonic clock": {Reading{Counter: 6020, PTP: &PTP{Each: each}, Pairs: [][3]int64{{0, 1000, 50}, {10, 990, 20}}}, 4000 - 70 + 970 - 5, 4000 + 30 + 980 + 5, false},
		"by UTC":                 {Reading{Counter: 6000, PTP: &PTP{UTC: true, Each: each}, Pairs: [][3]int64{{0, 1000, 50}, {10, 990, 20}}}, 4000 - 70 + 950 - 5, 4000 + 30 + 1000 + 5, false},
		"too early":              {Reading{Counter: 6000, PTP: &PTP{Each: each}, Pairs: [][3]int64{{0, 10, 1}}}, 0, 0, true},
		"contradictions":         {Reading{Counter: 7000, PTP: &PTP{Each: each}, Pairs: [][3]int64{{0, 1000, 1}, {0, 990, 1}}}, 0, 0, true},
		"no counter":             {Reading{Counter: 6000, PTP: &PTP{Each: each}}, 0, 0, true},
		"half a counter":         {Reading{Counter: 6000, PTP: &PTP{UTC: true, Each: each}, Pairs: [][3]int64{{0, 1000, 50}}}, 0, 0, true},
		"no samples":             {Reading{Counter: 6000, PTP: &PTP{Each: each[2:]}, Pairs: [][3]int64{{0, 1000, 50}}}, 0, 0, true},
	} {
		got, err := c.r.hardware(c.r.monotonic(apart{}), 5, 37)
		if (err != nil) != c.fails || err == nil && (got.low != c.low || got.high != c.high) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestReadingOverLeap: a reading may be moved by the leap seconds that were announced or
// passed since the start, and by no others.
func TestReadingOverLeap(t *testing.T) {
	h := header()
	h.Assumption.TAI, h.Assumption.HostDrift = 37, 50e-6
	c := &checker{}
	put := func(r Record, sound bool) {
		t.Helper()
		if err := c.record(&r); errors.Is(err, ErrUnsound) == sound {
			t.Errorf("%+v: %v", r, err)
		}
	}
	read := func(shift int64, sound bool) {
		t.Helper()
		r := vouchedFor()
		r.Shift = shift
		put(Record{Kind: KindReading, Reading: r}, sound)
	}
	put(Record{Kind: KindHeader, Header: &h}, true)
	read(0, true)
	read(1e9, false)
	put(Record{Kind: KindLeap}, true)
	read(0, true)
	read(1e9, true)
	read(1e9+1, false)
	put(Record{Kind: KindUpdate, Update: &Update{TAI: 38}}, true)
	read(1e9, true)
	read(3e9, false)
	put(Record{Kind: KindDisruption}, true)
	read(1e9, true)
	put(Record{Kind: KindHeader, Header: &h}, true)
	read(0, true)
	read(1e9, false)
}

// TestRefusedReadings: readings that no clock writes are no records.
func TestRefusedReadings(t *testing.T) {
	many := "[" + strings.Repeat("[1,2,3],", mostPairs) + "[1,2,3]]"
	for _, part := range []string{
		`null`, `{"counter":9000000000000000000}`, `{"pairs":[[1,2,9000000000000000000]]}`, `{"pairs":` + many + `}`,
		`{"ptp":{"each":` + many + `}}`, `{"ptp":{"each":[[1,-9000000000000000000,3]]}}`, `{"chronyd":{"skew_ppm":1e300}}`,
		`{"kernel":{"max_error_us":9000000000000000000}}`,
	} {
		if _, err := parse([]byte(`{"kind":"reading","utc":1,"reading":` + part + `}`)); err == nil {
			t.Errorf("taken: %s", part)
		}
	}
}
