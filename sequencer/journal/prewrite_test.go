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
