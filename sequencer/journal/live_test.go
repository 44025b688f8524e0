package journal_test

import (
	"errors"
	"io"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// busyFS is a file system on which somebody writes between any two reads.
type busyFS struct {
	journal.FS
	write func()
}

func (f busyFS) Open(path string) (journal.File, error) {
	file, err := f.FS.Open(path)
	return busyFile{file, f.write}, err
}

type busyFile struct {
	journal.File
	write func()
}

func (f busyFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.write()
	return n, err
}

// TestReadWhileWriting: a journal that grows while it is read is neither torn nor
// rotten, and what was there at the beginning is read.
func TestReadWhileWriting(t *testing.T) {
	for _, size := range []int{10, 300} {
		r := mustStart(t, journal.Options{Strict: true}, journaltest.New())
		grow := func() {
			for range 3 {
				r.put(2, size)
				r.step()
			}
		}
		grow()
		before := r.next - 1
		writes := 0
		reader, err := journal.NewReader(busyFS{r.fs, func() {
			if writes++; writes < 200 {
				grow()
			}
		}}, "/j", 0)
		if err != nil {
			t.Fatal(err)
		}
		last := uint64(0)
		for {
			p, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("size %d: after %d: %v", size, last, err)
			}
			last = p.Next() - 1
		}
		if last < before || reader.State().Torn != nil {
			t.Errorf("size %d: read to %d of %d, torn %v", size, last, before, reader.State().Torn)
		}
	}
}

// TestGrowingBlockIsReadOnce: repairs of one range read its block once, though it grows
// between them.
func TestGrowingBlockIsReadOnce(t *testing.T) {
	r := mustStart(t, journal.Options{Strict: true, SegmentBytes: 1 << 20}, journaltest.New())
	put := func() {
		for range 3 {
			r.put(2, 100)
			r.step()
		}
	}
	put()
	b := make([]byte, 64<<10)
	var read int64
	for i := range 50 {
		if n, err := r.w.Copy(b, 1); n == 0 || err != nil {
			t.Fatalf("Copy: %d bytes, %v", n, err)
		}
		if i == 0 {
			read = r.w.BytesRead()
		}
		put()
	}
	if now := r.w.BytesRead(); now != read {
		t.Errorf("%d bytes read, %d at first", now, read)
	}
	last := r.next - 1
	if n, err := r.w.Copy(b, last); n == 0 || err != nil { // which came since
		t.Errorf("Copy(%d): %d bytes, %v", last, n, err)
	}
}
