package journaltest

import (
	"io"
	"io/fs"
	"slices"
)

// inode is a file's contents: as read, as synced, and the changes between.
type inode struct {
	data    []byte
	synced  []byte
	pending []change
	filled  int64 // what was written from the start on, with no hole
}

// change is a write at off, or a change of size when bytes is nil.
type change struct {
	off   int64
	bytes []byte
	size  int64
	grow  bool // size is never made smaller
}

// resized returns b with size bytes, new ones zero.
func resized(b []byte, size int64) []byte {
	if int64(len(b)) >= size {
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

func (c change) apply(b []byte) []byte {
	if c.bytes == nil {
		if c.grow && c.size < int64(len(b)) {
			return b
		}
		return resized(b, c.size)
	}
	if end := c.off + int64(len(c.bytes)); int64(len(b)) < end {
		b = resized(b, end)
	}
	copy(b[c.off:], c.bytes)
	return b
}

func (n *inode) change(c change) {
	n.data = c.apply(n.data)
	if end := c.off + int64(len(c.bytes)); c.bytes != nil && c.off <= n.filled {
		n.filled = max(n.filled, end)
	}
	n.filled = min(n.filled, int64(len(n.data)))
	n.pending = append(n.pending, c)
}

// crash returns the contents after a power cut: of what is pending, what coin says.
func (n *inode) crash(coin func() bool) []byte {
	b := slices.Clone(n.synced)
	for _, c := range n.pending {
		if c.bytes == nil {
			if coin() {
				b = c.apply(b)
			}
			continue
		}
		for off := c.off; off < c.off+int64(len(c.bytes)); {
			end := min((off/Sector+1)*Sector, c.off+int64(len(c.bytes)))
			if coin() {
				b = change{off: off, bytes: c.bytes[off-c.off : end-c.off]}.apply(b)
			}
			off = end
		}
	}
	return b
}

// file is an open file. It outlives nothing: the FS is memory.
type file struct {
	fs       *FS
	path     string
	inode    *inode
	readOnly bool
	closed   bool
}

// enter begins a call; the caller unlocks.
func (f *file) enter(call string, off int64, n int) error {
	f.fs.mu.Lock()
	if f.closed {
		return &fs.PathError{Op: call, Path: f.path, Err: fs.ErrClosed}
	}
	return f.fs.call(call, f.path, off, n)
}

// change makes a change, and keeps it for the trace.
func (f *file) change(c change) {
	f.inode.change(c)
	f.fs.log(tracedChange, f.path, c)
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	defer f.fs.mu.Unlock()
	if err := f.enter("ReadAt", off, len(b)); err != nil {
		return 0, err
	}
	if off >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(b []byte, off int64) (int, error) {
	defer f.fs.mu.Unlock()
	err := f.enter("WriteAt", off, len(b))
	switch {
	case err != nil && !f.fs.short:
		return 0, err
	case err != nil:
		b = b[:len(b)/2]
	case f.readOnly:
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: fs.ErrPermission}
	}
	f.change(change{off: off, bytes: append([]byte{}, b...)})
	return len(b), err
}

// Sync makes the pending changes durable. When it fails they are clean all the
// same, as in the kernel: no later sync writes them.
func (f *file) Sync() error {
	defer f.fs.mu.Unlock()
	err := f.enter("Sync", 0, 0)
	if err == nil {
		for _, c := range f.inode.pending {
			f.inode.synced = c.apply(f.inode.synced)
		}
		f.fs.log(tracedSync, f.path, change{})
	} else {
		f.fs.log(tracedLost, f.path, change{})
	}
	f.inode.pending = nil
	return err
}

func (f *file) Preallocate(size int64) error {
	defer f.fs.mu.Unlock()
	if err := f.enter("Preallocate", 0, int(size)); err != nil {
		return err
	}
	if size > int64(len(f.inode.data)) {
		f.change(change{size: size, grow: true})
	}
	return nil
}

func (f *file) Truncate(size int64) error {
	defer f.fs.mu.Unlock()
	if err := f.enter("Truncate", size, 0); err != nil {
		return err
	}
	f.change(change{size: size})
	return nil
}

func (f *file) Size() (int64, error) {
	defer f.fs.mu.Unlock()
	if err := f.enter("Size", 0, 0); err != nil {
		return 0, err
	}
	return int64(len(f.inode.data)), nil
}

// Holes reports whether a part of the file was never written. After a crash or kill
// that of a file with changes not synced cannot be told.
func (f *file) Holes() bool {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.inode.filled < int64(len(f.inode.data))
}

func (f *file) Close() error {
	defer f.fs.mu.Unlock()
	if err := f.enter("Close", 0, 0); err != nil {
		return err
	}
	f.closed = true
	return nil
}
