package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// renew writes again what st read and no record says to be durable. When a sync
// fails, the kernel holds what it could not write for clean: a process that starts
// after it reads those bytes, and its own syncs do not write them. A power cut would
// then take them from below records that are durable. What is not what Recover read is
// not written, or a floor would come to stand over it.
func (w *Writer) renew(st *State) error {
	if st.Segments == 0 {
		return nil
	}
	r := segmentReader{fs: w.o.FS, dir: w.dir}
	defer r.close()
	p := st.floor
	for p.segment = max(p.segment, 1); p.segment < st.at.segment; p = (place{segment: p.segment + 1}) {
		if err := w.renewSegment(&r, p, MaxSegment); err != nil {
			return err
		}
	}
	if p.offset < st.at.offset {
		if err := w.renewSegment(&r, p, st.at.offset); err != nil {
			return err
		}
	}
	if r.file != nil && r.chain != st.chain {
		return stale(&r, "there are other records")
	}
	return nil
}

// renewSegment writes a segment again from p to end, or to its roll record.
func (w *Writer) renewSegment(r *segmentReader, p place, end int64) error {
	if err := w.collectHeader(r, p); err != nil { // before Create, which would make a file that is gone
		return err
	}
	path := filepath.Join(w.dir, segmentName(p.segment))
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("open", path, err)
	}
	defer f.Close()
	for done := false; err == nil && !done; {
		if done, err = w.collect(r, p.offset, end); err != nil || len(w.batch) == 0 {
			break
		}
		if _, err := f.WriteAt(w.batch, r.off-int64(len(w.batch))); err != nil {
			return dead("write", path, err)
		}
		w.batch = w.batch[:0]
	}
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return dead("sync", path, err)
	}
	return nil
}

// collectHeader turns r to p's segment and takes its header into the batch if p is
// before it.
func (w *Writer) collectHeader(r *segmentReader, p place) error {
	if err := r.open(p.segment); errors.Is(err, fs.ErrNotExist) {
		return stale(r, "the segment is gone")
	} else if err != nil {
		return dead("open", r.path, err)
	}
	h, ok, err := r.header()
	switch {
	case err != nil:
		return dead("read", r.path, err)
	case !ok:
		return stale(r, "segment header does not verify")
	case p.offset == 0:
		w.batch = h.appendTo(w.batch)
	}
	return nil
}

// collect takes the next records of r from p on into the batch, which then ends where r
// is. It is done at end, and behind a roll record.
func (w *Writer) collect(r *segmentReader, p, end int64) (done bool, err error) {
	for len(w.batch) < batchBytes && r.off < end {
		at := r.off
		rec, reason, err := r.next()
		switch {
		case err != nil:
			return false, dead("read", r.path, err)
		case reason != "":
			return false, stale(r, reason)
		}
		roll := rec.typ == typeRoll
		if at >= p {
			b, err := r.window(at, int(r.off-at)) // which next has read
			if err != nil {
				return false, dead("read", r.path, err)
			}
			w.batch = append(w.batch, b...)
		}
		if roll {
			return true, nil
		}
	}
	return r.off >= end, nil
}

// stale says that what r is at is not what Recover read there.
func stale(r *segmentReader, reason string) error {
	return fmt.Errorf("%w: %s, offset %d: %s", ErrStale, r.path, r.off, reason)
}
