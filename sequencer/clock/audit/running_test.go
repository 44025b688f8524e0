package audit

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed/wire"
)

// TestReadWhileWritten: a block that a clock is writing is waited for, and read; one that
// nobody goes on with is damage.
func TestReadWhileWritten(t *testing.T) {
	dir := t.TempDir()
	small(t, dir)
	all := files(t, dir)
	name := all[len(all)-1]
	data := read(t, name)
	if err := os.Truncate(name, int64(len(data)-9)); err != nil {
		t.Fatal(err)
	}
	r, err := openFile(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for err == nil {
		_, err = r.next()
	}
	if err != errTorn || r.again() {
		t.Fatalf("nobody writes: %v", err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	more := make(chan bool, 1)
	go func() { more <- r.again() }()
	if _, err := f.Write(data[len(data)-9:]); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if !<-more {
		t.Fatal("the rest of the block is not seen")
	}
	if records, err := r.next(); err != nil || len(records) == 0 {
		t.Errorf("%d records, %v", len(records), err)
	}
	if _, err := r.next(); err != errEnd {
		t.Error(err)
	}
}

// TestReaderDelaysNobody: a reader that holds a file does not keep the writer from it.
func TestReaderDelaysNobody(t *testing.T) {
	dir := t.TempDir()
	tr := open(t, dir, midnight)
	if err := tr.Step(midnight + 20e9); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(files(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(midnight + 30e9); err != nil {
		t.Error(err)
	}
	if s, err := Verify(dir, ""); err != nil || !s.Ended {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestStartsAreEvents: a report tells every start, and whether the one before it ended.
func TestStartsAreEvents(t *testing.T) {
	dir := t.TempDir()
	r := rows{open(t, dir, midnight), 0}
	r.put(midnight, 300, 1)
	if err := r.Step(midnight + 300e9); err != nil { // and no end
		t.Fatal(err)
	}
	if err := r.lock.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{300, 450} {
		r = rows{open(t, dir, midnight+wire.Nanos(at)*1e9), 0}
		r.put(midnight+wire.Nanos(at)*1e9, 150, 1)
		if err := r.Close(midnight + wire.Nanos(at+150)*1e9); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for _, e := range made(t, dir).Events {
		if e.Kind == KindHeader {
			told = append(told, e.Text)
		}
	}
	const starts, unended = "p starts on h", ": the one before has not ended the trail"
	if len(told) != 3 || told[0] != starts || told[1] != starts+unended || told[2] != starts {
		t.Errorf("%q", told)
	}
}
