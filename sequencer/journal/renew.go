package journal

import (
	"errors"
	"io"
	"path/filepath"
)

// renew writes again what st read and no record says to be durable. When a sync
// fails, the kernel holds what it could not write for clean: a process that starts
// after it reads those bytes, and its own syncs do not write them. A power cut would
// then take them from below records that are durable.
func (w *Writer) renew(st *State) error {
	if st.Segments == 0 {
		return nil
	}
	from := st.floor
	for id := max(from.segment, 1); id <= st.at.segment; id++ {
		p := place{segment: id}
		if id == from.segment {
			p.offset = from.offset
		}
		end := int64(-1) // of the file
		if id == st.at.segment {
			end = st.at.offset
		}
		if err := w.renewSegment(p, end); err != nil {
			return err
		}
	}
	return nil
}

// renewSegment writes a segment again from p to end, -1: its last byte.
func (w *Writer) renewSegment(p place, end int64) error {
	if p.offset == end {
		return nil
	}
	path := filepath.Join(w.dir, segmentName(p.segment))
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("open", path, err)
	}
	defer f.Close()
	if end < 0 {
		if end, err = f.Size(); err != nil {
			return dead("stat", path, err)
		}
	}
	for p.offset < end {
		b := w.batch[:min(int64(batchBytes), end-p.offset)]
		if n, err := f.ReadAt(b, p.offset); n < len(b) {
			return dead("read", path, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := f.WriteAt(b, p.offset); err != nil {
			return dead("write", path, err)
		}
		p.offset += int64(len(b))
	}
	if err := f.Sync(); err != nil {
		return dead("sync", path, err)
	}
	return nil
}
