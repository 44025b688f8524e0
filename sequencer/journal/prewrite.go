package journal

import "path/filepath"

// prewrite makes the segments that follow and fills them with zeros: what is written
// over them later finds its pages in memory and its blocks on disk, so that a sync
// has no more to write than the bytes. Those that an earlier writer left so are kept.
// None behind the last begun segment was ever written otherwise: a segment is durable
// to its end before the next one is begun.
func (w *Writer) prewrite() error {
	n := (w.o.Prewrite + w.o.SegmentBytes - 1) / w.o.SegmentBytes
	last := w.seg.id + uint64(n)
	var err error
	for w.zero = w.seg.id; w.zero < last && err == nil; {
		w.zero++
		err = w.zeros(filepath.Join(w.dir, segmentName(w.zero)))
	}
	if err == nil {
		if err = w.o.FS.SyncDir(w.dir); err != nil {
			err = dead("sync directory", w.dir, err)
		}
	}
	if err != nil {
		w.giveBack()
	}
	return err
}

// giveBack empties the segments made ahead: nobody will write them, and they may be
// most of a disk. One that cannot be emptied costs space and no data, which is not worth
// an error.
func (w *Writer) giveBack() {
	last := w.zero
	if w.next != nil {
		last = max(last, w.next.id)
		w.next.file.Close()
		w.next = nil
	}
	for id := w.seg.id + 1; id <= last; id++ {
		f, err := w.o.FS.Create(filepath.Join(w.dir, segmentName(id)))
		if err != nil {
			continue
		}
		_ = f.Truncate(0)
		f.Close()
	}
	w.zero = w.seg.id
}

// zeros fills the file at path with zeros, unless it has been.
func (w *Writer) zeros(path string) error {
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("create", path, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return dead("stat", path, err)
	}
	if h, ok := f.(interface{ Holes() bool }); ok && size == w.o.SegmentBytes && !h.Holes() {
		return nil
	}
	if err := f.Truncate(0); err != nil {
		return dead("truncate", path, err)
	}
	b := w.batch[:batchBytes] // empty: what there was is settled
	clear(b)
	for off := int64(0); off < w.o.SegmentBytes; off += batchBytes {
		if _, err := f.WriteAt(b[:min(batchBytes, w.o.SegmentBytes-off)], off); err != nil {
			return dead("write", path, err)
		}
	}
	if err := f.Sync(); err != nil {
		return dead("sync", path, err)
	}
	return nil
}

// prewritten opens a segment that is there already, all zeros and durable.
func (w *Writer) prewritten(id uint64, path string) error {
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("open", path, err)
	}
	w.next = &segment{file: f, path: path, id: id, size: w.o.SegmentBytes}
	return nil
}
