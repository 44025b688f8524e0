package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// dataEnd is the length of the file's head that was written, 0 where it is not there.
func dataEnd(t *testing.T, dir, name string) int64 {
	f, err := os.Open(filepath.Join(dir, "20240103", name))
	if err != nil {
		return 0
	}
	defer f.Close()
	at, err := f.Seek(0, 4) // SEEK_HOLE
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Segments that are written ahead are whole, the next start keeps those that are left
// and adds what lacks, and recovery knows none of it.
func TestPrewrite(t *testing.T) {
	const segment = 64 << 10
	dir := t.TempDir()
	o := journal.Options{Dir: dir, Session: session(t), Channel: channel, SegmentBytes: segment, Prewrite: 3*segment - 1}
	for epoch := uint32(1); epoch <= 2; epoch++ {
		st := recoverState(t, o)
		if st.Torn != nil || st.Last != 0 {
			t.Fatalf("epoch %d: %+v", epoch, st)
		}
		w, err := journal.Open(o, st, journal.Cut{Epoch: epoch, Previous: epoch - 1})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int64{"00000002.tcj": segment, "00000003.tcj": segment, "00000004.tcj": segment, "00000005.tcj": 0} {
			if at := dataEnd(t, dir, name); at != want {
				t.Errorf("epoch %d: %s is written to %d, want %d", epoch, name, at, want)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever fails while segments are written ahead is found by Open.
func TestPrewriteFails(t *testing.T) {
	o := journal.Options{SegmentBytes: 4 << 10, Prewrite: 16 << 10}
	calls := func(o journal.Options) []journaltest.Op {
		fs := journaltest.New()
		fs.Record()
		r, err := start(t, o, fs)
		if err != nil {
			t.Fatal(err)
		}
		defer r.w.Close()
		return fs.Ops()
	}
	plain := o
	plain.Prewrite = 0
	skip, all := len(calls(plain)), calls(o)
	for k := skip + 1; k <= len(all); k++ {
		if all[k-1].Call == "Close" {
			continue // of what was synced
		}
		fs := journaltest.New()
		fs.FailCall(k, syscall.ENOSPC, false)
		if r, err := start(t, o, fs); r.w != nil || !errors.Is(err, journal.ErrDead) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v: Open: %v", all[k-1], err)
		}
		checkEmpty(t, fs, all[k-1].String())
	}
}

// checkEmpty fails for a segment behind the first one that takes space.
func checkEmpty(t *testing.T, fs *journaltest.FS, when string) {
	t.Helper()
	for _, path := range fs.Files() {
		if name := filepath.Base(path); name > "00000001.tcj" && name != "lock" && len(fs.Bytes(path)) > 0 {
			t.Errorf("%s: %s has %d bytes", when, path, len(fs.Bytes(path)))
		}
	}
}

// A session that is over leaves no segments that nobody will write; the journal is
// whole, whichever call fails while they are given back.
func TestEndGivesBack(t *testing.T) {
	for _, o := range []journal.Options{
		{SegmentBytes: 4 << 10, Prewrite: 16 << 10},
		{SegmentBytes: 4 << 10}, // with one prepared
	} {
		ops := endGivesBack(t, o, 0)
		checked := 0
		for k, op := range ops {
			if op.Call == "Create" || op.Call == "Truncate" {
				checked++
				endGivesBack(t, o, k+1)
			}
		}
		if checked == 0 {
			t.Errorf("prewrite %d: nothing was given back", o.Prewrite)
		}
	}
}

// endGivesBack ends a session, with its k-th call from End on failing, and returns the
// calls of End.
func endGivesBack(t *testing.T, o journal.Options, k int) []journaltest.Op {
	t.Helper()
	r := mustStart(t, o, journaltest.New())
	for range 3 {
		r.put(3, 200)
	}
	r.settle()
	r.fs.Record()
	r.fs.FailCall(k, syscall.EIO, false)
	if err := r.w.End(r.next-1, r.chain); err != nil {
		t.Errorf("call %d fails: End: %v", k, err)
	}
	ops := r.fs.Ops()
	if k == 0 {
		checkEmpty(t, r.fs, "after End")
	}
	if err := r.w.Close(); err != nil {
		t.Errorf("call %d fails: Close: %v", k, err)
	}
	if st := recoverState(t, r.o); !st.Ended || st.Last != r.next-1 || st.Torn != nil {
		t.Errorf("call %d fails: recovered %+v", k, st)
	}
	return ops
}

// Segments that an earlier writer left are kept when they are whole, and written again
// when a part of them was never written.
func TestPrewriteKeepsWhatIsWhole(t *testing.T) {
	o := journal.Options{SegmentBytes: 64 << 10, Prewrite: 256 << 10}
	r := mustStart(t, o, journaltest.New())
	if err := r.w.Close(); err != nil {
		t.Fatal(err)
	}
	fs := r.fs.Kill()
	f, err := fs.Create("/j/20240103/00000003.tcj")
	if err == nil {
		err = errors.Join(f.Truncate(0), f.Preallocate(o.SegmentBytes), f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	fs.Record()
	r = mustStart(t, o, fs)
	defer r.w.Close()
	written := map[string]int{}
	for _, op := range fs.Ops() {
		if name := filepath.Base(op.Path); op.Call == "WriteAt" && name != "00000001.tcj" {
			written[name] += op.Length
		}
	}
	if len(written) != 1 || written["00000003.tcj"] != 64<<10 {
		t.Errorf("bytes written: %v", written)
	}
}

// Of segments that are written ahead, recovery and the list of sessions read no more
// than the page with the header.
func TestPrewrittenAreNotRead(t *testing.T) {
	o := journal.Options{SegmentBytes: 64 << 10, Prewrite: 256 << 10}
	fs := journaltest.New()
	r := mustStart(t, o, fs)
	defer r.w.Close()
	fs.Record()
	if _, err := journal.Recover(r.o); err != nil {
		t.Fatal(err)
	}
	looks := map[string]int{}
	for _, op := range fs.Ops() {
		if op.Call == "ReadAt" && filepath.Base(op.Path) != "00000001.tcj" {
			looks[filepath.Base(op.Path)]++
			if op.Length > 4<<10 {
				t.Errorf("read %d bytes of %s", op.Length, op.Path)
			}
		}
	}
	if len(looks) != 4 {
		t.Errorf("looked at %v, want 4 segments", looks)
	}
}
