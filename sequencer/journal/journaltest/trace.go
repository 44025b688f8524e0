package journaltest

import (
	"bytes"
	"maps"
	"slices"
)

// Trace is every change to an FS from one moment on, in order, with its bytes, and
// the syncs between: enough to rebuild each image that a power cut could have left.
// It shares nothing with what FS keeps, so the two check each other.
type Trace struct {
	base   map[string][]byte // durable contents when it began
	dirs   map[string]bool
	events []traced
}

// traced is one event. A sync of a file or of a directory has neither bytes nor size.
type traced struct {
	kind tracedKind
	path string
	change
}

type tracedKind uint8

const (
	tracedName    tracedKind = iota // a file came to be
	tracedChange                    // a write or a change of size
	tracedSync                      // fdatasync of a file
	tracedLost                      // a sync of a file that failed
	tracedSyncDir                   // of the names in a directory
)

// Trace begins a trace: what the files hold now counts as durable. It goes on
// until the next one begins.
func (f *FS) Trace() *Trace {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &Trace{base: map[string][]byte{}, dirs: maps.Clone(f.dirs)}
	for path, n := range f.files {
		t.base[path] = slices.Clone(n.data)
	}
	f.trace = t
	return t
}

// Len is how many events there are so far. No FS call may run meanwhile.
func (t *Trace) Len() int { return len(t.events) }

// log adds an event to the trace, if there is one. The caller holds mu.
func (f *FS) log(kind tracedKind, path string, c change) {
	if f.trace != nil {
		c.bytes = bytes.Clone(c.bytes)
		f.trace.events = append(f.trace.events, traced{kind, path, c})
	}
}

// Replay walks through a Trace event by event. At each it can build images.
type Replay struct {
	t     *Trace
	at    int
	dirs  map[string]bool
	files map[string]*content
}

// content is a file during a Replay.
type content struct {
	durable bool // its name is
	synced  []byte
	pending []change // units: no write among them crosses a sector
}

// Replay begins before the first event.
func (t *Trace) Replay() *Replay {
	r := &Replay{t: t, dirs: maps.Clone(t.dirs), files: map[string]*content{}}
	for path, b := range t.base {
		r.files[path] = &content{durable: true, synced: slices.Clone(b)}
	}
	return r
}

// At is how many events are behind.
func (r *Replay) At() int { return r.at }

// Next takes one more event in; false: there is none.
func (r *Replay) Next() bool {
	if r.at == len(r.t.events) {
		return false
	}
	e := r.t.events[r.at]
	r.at++
	switch c := r.files[e.path]; e.kind {
	case tracedName:
		r.files[e.path] = &content{}
	case tracedChange:
		c.pending = append(c.pending, units(e.change)...)
	case tracedSync:
		for _, u := range c.pending {
			c.synced = u.apply(c.synced)
		}
		c.pending = nil
	case tracedLost:
		c.pending = nil // clean to the kernel, and never written
	case tracedSyncDir:
		r.syncDir(e.path)
	}
	return true
}

func (r *Replay) syncDir(dir string) {
	for path, c := range r.files {
		if parent(path) == dir {
			c.durable = true
		}
	}
}

// units splits a change into what a power cut keeps or loses whole.
func units(c change) (us []change) {
	if c.bytes == nil {
		return []change{c}
	}
	for off, end := c.off, c.off+int64(len(c.bytes)); off < end; {
		next := min((off/Sector+1)*Sector, end)
		us = append(us, change{off: off, bytes: c.bytes[off-c.off : next-c.off]})
		off = next
	}
	return us
}

// Units is how many sectors, changes of size and names are not durable now. Each
// may survive a power cut, or not.
func (r *Replay) Units() (n int) {
	for _, c := range r.files {
		n += len(c.pending)
		if !c.durable {
			n++
		}
	}
	return n
}

// Image is what a power cut now leaves when those units survive for which keep
// says so. Units are numbered from 0: by path, a name before its contents, these in
// the order in which they were written.
func (r *Replay) Image(keep func(unit int) bool) *FS {
	g := New()
	maps.Copy(g.dirs, r.dirs)
	unit := 0
	for _, path := range slices.Sorted(maps.Keys(r.files)) {
		c := r.files[path]
		named := c.durable
		if !named {
			named = keep(unit)
			unit++
		}
		b := slices.Clone(c.synced)
		for _, u := range c.pending {
			if keep(unit) {
				b = u.apply(b)
			}
			unit++
		}
		if named {
			n := &inode{data: b, synced: slices.Clone(b)}
			g.files[path], g.durable[path] = n, n
			g.addDirs(parent(path))
		}
	}
	return g
}
