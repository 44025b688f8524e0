package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// midnight is 2026-11-26, UTC.
const midnight = wire.Nanos(1_795_651_200_000_000_000)

func header() Header {
	return Header{Host: "h", Program: "p", Assumption: Assume{Servers: 1, Drift: 1e-4, Wander: 5e-9, WanderCap: 1e-6, Samples: 64, MinSamples: 4, MaxAge: 7200e9, Poll: 1e9, Stale: 3}}
}

func open(t testing.TB, dir string, now wire.Nanos) *Trail {
	t.Helper()
	tr, err := Open(dir, header(), now)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// small writes a trail of two days with blocks of one or two records each.
func small(t testing.TB, dir string) {
	t.Helper()
	tr := open(t, dir, midnight-30e9)
	for now := midnight - 20e9; now < midnight+25e9; now += 10e9 {
		tr.Put(Record{Kind: KindState, UTC: int64(now), Text: "state"})
		if err := tr.Step(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(midnight + 30e9); err != nil {
		t.Fatal(err)
	}
}

// places are the offsets of a file's head and of its blocks.
func places(t testing.TB, data []byte) []int64 {
	t.Helper()
	out := []int64{0}
	for at := int64(fileHead); at < int64(len(data)); {
		out = append(out, at)
		at += int64(blockHead) + int64(binary.LittleEndian.Uint32(data[at:]))
	}
	return out
}

// TestEveryBit flips each bit of a trail: every one is found, in its file and block.
func TestEveryBit(t *testing.T) {
	dir := t.TempDir()
	small(t, dir)
	flips := 0
	for _, name := range files(t, dir) {
		data := read(t, name)
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for at := range data {
			for bit := range 8 {
				flips++
				put(t, f, at, data[at]^1<<bit)
				checkPlaced(t, dir, name, data, at)
			}
			put(t, f, at, data[at])
		}
	}
	if _, err := Verify(dir, ""); err != nil {
		t.Fatal("the trail was not put back:", err)
	}
	t.Logf("%d bits of %d files", flips, len(files(t, dir)))
}

// TestManyBits flips bits that are drawn, of a large trail.
func TestManyBits(t *testing.T) {
	dir, seed := t.TempDir(), rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	tr := open(t, dir, midnight)
	for i := range 8_000 {
		now := midnight + wire.Nanos(i)*3e9
		tr.Put(Record{Kind: KindSecond, UTC: int64(now), Second: &Second{Bound: rng.Int64N(1e6), State: 1, From: int64(i) * 3e9, To: int64(i+1) * 3e9}})
		if i%400 != 0 {
			continue
		}
		if err := tr.Step(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(midnight + 24_000e9); err != nil {
		t.Fatal(err)
	}
	all := files(t, dir)
	for range 20 {
		name := all[rng.IntN(len(all))]
		data := read(t, name)
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := rng.IntN(len(data))
		put(t, f, at, data[at]^1<<rng.IntN(8))
		checkPlaced(t, dir, name, data, at)
		put(t, f, at, data[at])
		f.Close()
	}
	if t.Failed() {
		t.Log("seed", seed)
	}
}

// checkPlaced expects damage in the block of the file that the byte at is in.
func checkPlaced(t *testing.T, dir, name string, data []byte, at int) {
	t.Helper()
	_, err := Verify(dir, "")
	var d *Damage
	if !errors.As(err, &d) {
		t.Fatalf("byte %d of %s changed: %v", at, name, err)
	}
	var want int64
	for _, p := range places(t, data) {
		if p <= int64(at) {
			want = p
		}
	}
	if d.File != name || d.Offset != want {
		t.Errorf("byte %d of %s, in the block at %d: found in %s at %d: %s", at, name, want, d.File, d.Offset, d.What)
	}
}

func put(t *testing.T, f *os.File, at int, b byte) {
	t.Helper()
	if _, err := f.WriteAt([]byte{b}, int64(at)); err != nil {
		t.Fatal(err)
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	all, err := Files(dir)
	if err != nil || len(all) == 0 {
		t.Fatal("no files:", err)
	}
	return all
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSurgery: what is cut out, swapped, put in or cut off is found; of an end cut
// off between blocks only a head that was noted tells.
func TestSurgery(t *testing.T) {
	whole := t.TempDir()
	tr := open(t, whole, midnight-86400e9)
	for now := midnight - 86400e9; now < midnight+2*86400e9; now += 3600e9 {
		tr.Put(Record{Kind: KindState, UTC: int64(now), Text: "state"})
		if err := tr.Step(now); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Close(midnight + 2*86400e9); err != nil {
		t.Fatal(err)
	}
	s, err := Verify(whole, "")
	if err != nil || !s.Ended || s.Files != 4 {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := Verify(whole, s.Head); err != nil {
		t.Error("its own head:", err)
	}
	for _, c := range []struct {
		name  string
		file  int
		cut   func(data []byte, at []int64) []byte // nil takes the file away
		found int                                  // the file that is damaged, -1: the head tells
	}{
		{"a block cut out", 1, func(d []byte, at []int64) []byte { return splice(d, at[2], at[3], nil) }, 1},
		{"a file's last block cut out", 1, func(d []byte, at []int64) []byte { return d[:at[len(at)-1]] }, 2},
		{"a block twice", 1, func(d []byte, at []int64) []byte { return splice(d, at[3], at[3], d[at[2]:at[3]]) }, 1},
		{"two blocks swapped", 1, func(d []byte, at []int64) []byte {
			return splice(d, at[2], at[4], append(bytes.Clone(d[at[3]:at[4]]), d[at[2]:at[3]]...))
		}, 1},
		{"zeros behind", 3, func(d []byte, _ []int64) []byte { return append(d, make([]byte, 100)...) }, 3},
		{"cut inside a block", 3, func(d []byte, _ []int64) []byte { return d[:len(d)-1] }, 3},
		{"cut inside the head", 2, func(d []byte, _ []int64) []byte { return d[:20] }, 2},
		{"an empty file", 2, func([]byte, []int64) []byte { return []byte{} }, 2},
		{"the first file gone", 0, nil, 0},
		{"a file in the middle gone", 1, nil, 1},
		{"the last file gone", 3, nil, -1},
		{"cut off between blocks", 3, func(d []byte, at []int64) []byte { return d[:at[len(at)-1]] }, -1},
	} {
		dir := t.TempDir()
		var left []string
		for i, name := range files(t, whole) {
			data := read(t, name)
			if i == c.file {
				if c.cut == nil {
					continue
				}
				data = c.cut(data, places(t, data))
			}
			to := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(to, data, 0o600); err != nil {
				t.Fatal(err)
			}
			left = append(left, to)
		}
		got, err := Verify(dir, s.Head)
		var d *Damage
		switch {
		case c.found < 0 && (!errors.Is(err, ErrHead) || got.Ended):
			t.Errorf("%s: %v, ended %v", c.name, err, got.Ended)
		case c.found >= 0 && (!errors.As(err, &d) || d.File != left[c.found]):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func splice(d []byte, from, to int64, in []byte) []byte {
	return append(append(bytes.Clone(d[:from]), in...), d[to:]...)
}

// TestTorn: what a crash left of a block is put aside, and the trail says so.
func TestTorn(t *testing.T) {
	whole := t.TempDir()
	small(t, whole)
	last := files(t, whole)[1]
	data := read(t, last)
	at := places(t, data)
	for _, keep := range []int64{at[len(at)-1] + 1, at[len(at)-1] + 20, int64(len(data)) - 1} {
		if err := os.WriteFile(last, data[:keep], 0o600); err != nil {
			t.Fatal(err)
		}
		tr := open(t, whole, midnight+100e9)
		if err := tr.Close(midnight + 110e9); err != nil {
			t.Fatal(err)
		}
		s, err := Verify(whole, "")
		if err != nil || !s.Ended || s.Lost != uint64(keep-at[len(at)-1]) {
			t.Errorf("cut to %d bytes: %+v, %v", keep, s, err)
		}
		aside, err := filepath.Glob(last + ".torn-*")
		if err != nil || len(aside) != 1 || !bytes.Equal(read(t, aside[0]), data[at[len(at)-1]:keep]) {
			t.Errorf("cut to %d bytes: put aside in %v, %v", keep, aside, err)
		}
	}
}

// TestTornHead: a file of which a crash left less than its head is put aside, and the
// trail goes on behind the one before.
func TestTornHead(t *testing.T) {
	for _, keep := range []int{0, 1, fileHead - 1} {
		dir := t.TempDir()
		small(t, dir)
		last := files(t, dir)[1]
		rest := read(t, last)[:keep]
		if err := os.WriteFile(last, rest, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := open(t, dir, midnight+100e9).Close(midnight + 110e9); err != nil {
			t.Fatal(err)
		}
		notes := 0
		s, err := Walk(dir, func(r *Record) error {
			if r.Kind == KindLost {
				notes++
			}
			return nil
		})
		if err != nil || !s.Ended || s.Files != 2 || s.Lost != uint64(keep) || notes != 1 {
			t.Errorf("cut to %d bytes: %+v with %d notes, %v", keep, s, notes, err)
		}
		if aside := read(t, last+".torn-0"); !bytes.Equal(aside, rest) {
			t.Errorf("cut to %d bytes: put aside %d", keep, len(aside))
		}
	}
}

// TestNamedLast: a file of the day has its whole head when it gets its name: until
// then nothing is in the trail's way.
func TestNamedLast(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight-30e9)
	if err := tr.Step(midnight - 20e9); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(dir, "clock.trail.new")
	if err := os.Mkdir(beside, 0o700); err != nil { // so that no head can be written
		t.Fatal(err)
	}
	tr.Put(Record{Kind: KindState, UTC: int64(midnight), Text: "state"})
	if err := tr.Step(midnight); err == nil || len(files(t, dir)) != 1 {
		t.Errorf("%v: %v", err, files(t, dir))
	}
	if err := os.Remove(beside); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	// What a crash before the new name leaves.
	if err := os.WriteFile(beside, []byte(magic), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tr.Step(midnight), tr.Close(midnight+10e9)); err != nil {
		t.Fatal(err)
	}
	if s, err := Verify(dir, ""); err != nil || s.Files != 2 || s.Lost != 0 || !s.Ended {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := os.Lstat(beside); err == nil {
		t.Error("the file of no name is still there")
	}
}

// TestSetBack: records do not wait for a time that the clock was set back from.
func TestSetBack(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight+86400e9)
	if err := tr.Step(midnight); err != nil {
		t.Fatal(err)
	}
	if s, err := Verify(dir, ""); err != nil || s.Records != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := tr.Close(midnight); err != nil {
		t.Error(err)
	}
}

// TestDamagedIsNotContinued: nothing is written behind damage.
func TestDamagedIsNotContinued(t *testing.T) {
	dir := t.TempDir()
	small(t, dir)
	last := files(t, dir)[1]
	data := read(t, last)
	data[fileHead+50] ^= 4
	if err := os.WriteFile(last, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var d *Damage
	if _, err := Open(dir, header(), midnight); !errors.As(err, &d) {
		t.Error(err)
	}
	if !bytes.Equal(read(t, last), data) {
		t.Error("the file was changed")
	}
}

// TestOneWriter: a second process is refused, and may come after the first.
func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	if _, err := Open(dir, header(), midnight); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if err := tr.Close(midnight); err != nil {
		t.Error(err)
	}
	if err := open(t, dir, midnight).Close(midnight); err != nil {
		t.Error(err)
	}
}

// TestFullDisk: what cannot be written waits, what has no room is counted, and the
// count is in the trail.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	if err := tr.Step(midnight + 10e9); err != nil {
		t.Fatal(err)
	}
	good := tr.file
	tr.file = readOnly(t, good.Name()) // every write fails
	const over = 777
	for i := range MaxPending + over {
		tr.Put(Record{Kind: KindState, UTC: int64(midnight), Text: fmt.Sprint(i)})
		if i%1000 == 0 {
			if err := tr.Step(midnight + 20e9); err == nil {
				t.Fatal("written to a file that cannot be")
			}
		}
	}
	for range 2 { // the count of what was lost survives failures too
		if err := tr.Step(midnight + 20e9); err == nil {
			t.Fatal("written to a file that cannot be")
		}
	}
	if got := tr.Lost(); got != over {
		t.Errorf("%d records lost, want %d", got, over)
	}
	tr.file = good
	if err := tr.Close(midnight + 30e9); err != nil {
		t.Fatal(err)
	}
	next := 0
	s, err := Walk(dir, func(r *Record) error {
		if r.Kind == KindState {
			if r.Text != fmt.Sprint(next) {
				return fmt.Errorf("record %s, want %d", r.Text, next)
			}
			next++
		}
		return nil
	})
	if err != nil || s.Lost != over+1 || next != MaxPending || tr.Lost() != s.Lost { // the end had no room either
		t.Errorf("%d records kept, %d counted as lost, of %d: %v", next, s.Lost, MaxPending+over, err)
	}
}

// TestRubble: what a write that failed has left, and could not be taken away at once,
// is taken away before the next block, or nothing is written.
func TestRubble(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	step := func(now wire.Nanos) error {
		tr.Put(Record{Kind: KindState, UTC: int64(now), Text: "state"})
		return tr.Step(now)
	}
	if err := step(midnight + 10e9); err != nil {
		t.Fatal(err)
	}
	name, good := tr.file.Name(), tr.file
	whole := read(t, name)
	rubble := append(bytes.Clone(whole), 9, 0, 0, 0, 7)
	for _, left := range [][]byte{rubble, whole[:len(whole)-1]} {
		if err := os.WriteFile(name, left, 0o600); err != nil {
			t.Fatal(err)
		}
		tr.file = readOnly(t, name)
		if err := step(midnight + 20e9); err == nil || !bytes.Equal(read(t, name), left) {
			t.Errorf("with %d bytes of %d: written to: %v", len(left), len(whole), err)
		}
		tr.file = good
	}
	if err := step(midnight + 20e9); err == nil {
		t.Error("written behind a block that was cut off")
	}
	if err := os.WriteFile(name, rubble, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(step(midnight+30e9), tr.Close(midnight+40e9)); err != nil {
		t.Fatal(err)
	}
	if s, err := Verify(dir, ""); err != nil || !s.Ended || s.Records != 1+5+1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func readOnly(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestRefusedRecords: what no clock writes is damage, though its hash fits.
func TestRefusedRecords(t *testing.T) {
	for _, line := range []string{
		`{}`, `{"kind":"sample"}`, `{"kind":"update","utc":1}`, `{"kind":"second","second":null}`, `{"kind":"header"}`,
		`{"kind":"state","utc":9000000000000000000}`, `{"kind":"second","second":{"from":5,"to":4}}`, `{"kind":`, `[]`, `7`,
	} {
		dir := t.TempDir()
		forge(t, dir, line)
		var d *Damage
		if _, err := Verify(dir, ""); !errors.As(err, &d) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestOutOfRange: a record that no reader would take costs itself alone, and is counted.
func TestOutOfRange(t *testing.T) {
	const in2050 = wire.Nanos(2_540_000_000e9)
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	for _, bad := range []Record{
		{Kind: KindSample, UTC: int64(midnight), Sample: &Sample{T2: int64(in2050)}},
		{Kind: KindUpdate, UTC: int64(midnight), Update: &Update{Ahead: math.NaN()}},
		{Kind: KindUpdate, UTC: int64(midnight), Update: &Update{Rate: math.Inf(-1)}},
		{Kind: KindState, UTC: int64(in2050)},
	} {
		tr.Put(bad)
	}
	if err := tr.Step(in2050); err != nil { // the note of the loss can be read, too
		t.Error(err)
	}
	if err := tr.Close(midnight + 10e9); err != nil {
		t.Error(err)
	}
	if s, err := Verify(dir, ""); err != nil || s.Lost != 4 || tr.Lost() != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := open(t, dir, midnight+20e9).Close(midnight + 30e9); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.TempDir(), header(), in2050); err == nil {
		t.Error("a trail that begins in 2050")
	}
	bad := header()
	bad.Assumption.Drift = math.NaN()
	if _, err := Open(t.TempDir(), bad, midnight); err == nil {
		t.Error("a trail with a header that cannot be written")
	}
}

// forge writes a trail of one block, whose hashes fit.
func forge(t testing.TB, dir string, lines ...string) {
	t.Helper()
	tr, err := Open(dir, header(), midnight)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.lock.Close()
	if err := tr.rotate(midnight); err != nil {
		t.Fatal(err)
	}
	defer tr.file.Close()
	if err := tr.append([]byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
}

// TestReport: coverage counts each moment once, and only what was promised within
// the limit; time without a record is not covered.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	row := func(at time.Duration, length time.Duration, bound int64, state uint8) {
		utc := int64(midnight) + int64(at)
		tr.Put(Record{Kind: KindSecond, UTC: utc, Second: &Second{Bound: bound, State: state, Stamps: 10, From: int64(at), To: int64(at + length)}})
	}
	for s := range 60 {
		at := time.Duration(s) * time.Second
		switch {
		case s < 20: // good
			row(at, time.Second, 50_000, 1)
		case s < 30: // too wide
			row(at, time.Second, 150_000, 2)
		case s < 40: // no promise
			row(at, time.Second, 10, 0)
		case s < 50: // no record
		case s == 50: // a loop that stalled covers little
			row(at, 9*time.Second, 50_000, 1)
		case s == 59: // twice
			row(at, time.Second, 50_000, 1)
			row(at, time.Second, 50_000, 1)
		}
	}
	if err := tr.Close(midnight + 60e9); err != nil {
		t.Fatal(err)
	}
	terms := Terms{Limit: 100 * time.Microsecond, Window: 10 * time.Second, Coverage: 0.5, From: midnight, To: midnight + 60e9}
	r, err := NewReport(dir, terms)
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{1, 1, 0, 0, 0, 0.3}
	for i, w := range r.Windows {
		if i >= len(want) || diff(w.Covered, want[i]) || w.Compliant != (want[i] >= 0.5) {
			t.Errorf("window %d: %+v, want %v", i, w, want)
		}
	}
	if len(r.Windows) != len(want) || r.Compliant || diff(r.Total.Covered, 23./60) || diff(r.Total.Promised, 33./60) || r.Total.Over != 200 {
		t.Errorf("%d windows, compliant %v, in all %+v", len(r.Windows), r.Compliant, r.Total)
	}
	terms.To = midnight + 20e9
	if r, err = NewReport(dir, terms); err != nil || !r.Compliant || r.Total.Max != 50_000 || r.Total.P99 != 50_000 {
		t.Errorf("the good part: %v, %+v", err, r)
	}
	for _, bad := range []Terms{
		{Limit: 1, Window: time.Second, Coverage: 1.1}, {Limit: 0, Window: time.Second}, {Limit: 1, Window: time.Millisecond},
		{Limit: 1, Window: time.Second, From: midnight, To: midnight}, {Limit: 1, Window: time.Second, From: 1, To: 1e18},
	} {
		if _, err := NewReport(dir, bad); !errors.Is(err, ErrTerms) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func diff(a, b float64) bool { return a < b-1e-9 || a > b+1e-9 }
