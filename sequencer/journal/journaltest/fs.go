// Package journaltest is a file system in memory that fails and crashes on demand,
// for tests of the journal and for the simulator.
//
// An FS keeps, for every file, what a reader sees and what the last sync made
// durable. FailCall makes one call fail; Crash makes the image that a power cut
// would leave, by seed:
//
//   - of what was written since a file's last sync, any set of 512-byte sectors
//     survives, in any order; a change of size survives or not;
//   - a name whose directory was not synced survives or not;
//   - what was written before a failed sync is never made durable by a later one.
//
// Kill makes the image that the death of the process alone would leave: all of it.
package journaltest

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tapecast/tapecast/sequencer/journal"
)

// Sector is the unit that a power cut keeps or loses whole, in bytes.
const Sector = 512

// Op is one call.
type Op struct {
	Call   string // method name
	Path   string
	Offset int64
	Length int
}

// String gives the call as a transcript shows it.
func (o Op) String() string {
	return fmt.Sprintf("%s %s %d %d", o.Call, o.Path, o.Offset, o.Length)
}

// FS implements journal.FS. It is safe for concurrent use.
type FS struct {
	mu      sync.Mutex
	dirs    map[string]bool
	files   map[string]*inode
	durable map[string]*inode // names that survive
	locks   map[string]bool
	calls   int
	failAt  int // of calls; 0 never
	failure error
	short   bool
	record  bool
	ops     []Op
	trace   *Trace // nil: none
}

// New returns an empty file system.
func New() *FS {
	return &FS{dirs: map[string]bool{}, files: map[string]*inode{}, durable: map[string]*inode{}, locks: map[string]bool{}}
}

// FailCall makes the k-th call from now on fail with err, once; those after it
// succeed, as they do on Linux. With short a failing write writes half of its
// bytes first. k 0: none fails.
func (f *FS) FailCall(k int, err error, short bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.failure, f.short = 0, err, short
	if k > 0 {
		f.failAt = f.calls + k
	}
}

// Calls is how many calls there were.
func (f *FS) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Record keeps every call from now on, for Ops.
func (f *FS) Record() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.record, f.ops = true, nil
}

// Ops returns the calls recorded.
func (f *FS) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ops)
}

// Bytes returns a copy of what a reader of the file would see; nil: no such file.
func (f *FS) Bytes(path string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.files[filepath.Clean(path)]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// Put makes a durable file of these bytes, which are copied.
func (f *FS) Put(path string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path = filepath.Clean(path)
	n := &inode{data: slices.Clone(b), synced: slices.Clone(b), filled: int64(len(b))}
	f.files[path], f.durable[path] = n, n
	f.addDirs(filepath.Dir(path))
}

// Remove takes a file away.
func (f *FS) Remove(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.files, filepath.Clean(path))
	delete(f.durable, filepath.Clean(path))
}

// Flip inverts one bit of a file, on the disk and for readers: rot.
func (f *FS) Flip(path string, bit int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[filepath.Clean(path)]
	n.data[bit/8] ^= 1 << (bit % 8)
	if bit/8 < int64(len(n.synced)) {
		n.synced[bit/8] ^= 1 << (bit % 8)
	}
}

// Files returns the paths of all files, sorted.
func (f *FS) Files() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.files))
}

// Kill returns the file system as a restarted process finds it.
func (f *FS) Kill() *FS {
	return f.image(func(n *inode) []byte { return slices.Clone(n.data) }, func(bool) bool { return true })
}

// Crash returns the file system as it may be after a power cut now. Equal seeds
// give equal images.
func (f *FS) Crash(seed uint64) *FS {
	rng := rand.New(rand.NewPCG(seed, 0x7461706563617374))
	keep := []float64{0, 0.2, 0.5, 0.8, 1}[rng.IntN(5)]
	coin := func() bool { return rng.Float64() < keep }
	return f.image(
		func(n *inode) []byte { return n.crash(coin) },
		func(durable bool) bool { return durable || coin() },
	)
}

// image copies the file system, each file as contents gives it, if kept says so.
func (f *FS) image(contents func(*inode) []byte, kept func(durable bool) bool) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := New()
	maps.Copy(g.dirs, f.dirs)
	for _, path := range slices.Sorted(maps.Keys(f.files)) { // in order: seeds repeat
		if b := contents(f.files[path]); kept(f.durable[path] != nil) {
			n := &inode{data: b, synced: slices.Clone(b)}
			if len(f.files[path].pending) == 0 {
				n.filled = f.files[path].filled
			}
			g.files[path], g.durable[path] = n, n
		}
	}
	return g
}

// call counts a call; an error is what it must fail with.
func (f *FS) call(name, path string, off int64, n int) error {
	f.calls++
	if f.record {
		f.ops = append(f.ops, Op{name, path, off, n})
	}
	if f.calls == f.failAt {
		return &fs.PathError{Op: name, Path: path, Err: f.failure}
	}
	return nil
}

func (f *FS) addDirs(dir string) {
	for d := dir; ; d = filepath.Dir(d) {
		f.dirs[d] = true
		if d == filepath.Dir(d) {
			return
		}
	}
}

// MkdirAll implements journal.FS.
func (f *FS) MkdirAll(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("MkdirAll", dir, 0, 0); err != nil {
		return err
	}
	f.addDirs(filepath.Clean(dir))
	return nil
}

// Create implements journal.FS.
func (f *FS) Create(path string) (journal.File, error) { return f.open("Create", path, true) }

// Open implements journal.FS.
func (f *FS) Open(path string) (journal.File, error) { return f.open("Open", path, false) }

func (f *FS) open(call, path string, create bool) (journal.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path = filepath.Clean(path)
	if err := f.call(call, path, 0, 0); err != nil {
		return nil, err
	}
	n := f.files[path]
	if n == nil && (!create || !f.dirs[filepath.Dir(path)]) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if n == nil {
		n = &inode{}
		f.files[path] = n
		f.log(tracedName, path, change{})
	}
	return &file{fs: f, path: path, inode: n, readOnly: !create}, nil
}

// List implements journal.FS.
func (f *FS) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := f.call("List", dir, 0, 0); err != nil {
		return nil, err
	}
	if !f.dirs[dir] {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	names := map[string]bool{}
	for path := range f.files {
		addChild(names, dir, path)
	}
	for path := range f.dirs {
		addChild(names, dir, path)
	}
	return slices.Sorted(maps.Keys(names)), nil
}

func addChild(names map[string]bool, dir, path string) {
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/"); ok && rest != "" {
		name, _, _ := strings.Cut(rest, "/")
		names[name] = true
	}
}

// SyncDir implements journal.FS.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := f.call("SyncDir", dir, 0, 0); err != nil {
		return err
	}
	for path, n := range f.files {
		if parent(path) == dir {
			f.durable[path] = n
		}
	}
	f.log(tracedSyncDir, dir, change{})
	return nil
}

func parent(path string) string { return filepath.Dir(path) }

// Lock implements journal.FS.
func (f *FS) Lock(path string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path = filepath.Clean(path)
	if err := f.call("Lock", path, 0, 0); err != nil {
		return nil, err
	}
	if f.locks[path] {
		return nil, fmt.Errorf("%w: %s", journal.ErrLocked, filepath.Dir(path))
	}
	f.locks[path] = true
	return unlocker{f, path}, nil
}

type unlocker struct {
	fs   *FS
	path string
}

func (u unlocker) Close() error {
	u.fs.mu.Lock()
	defer u.fs.mu.Unlock()
	delete(u.fs.locks, u.path)
	return nil
}
