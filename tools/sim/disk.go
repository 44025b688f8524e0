package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"syscall"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// errPower is what calls return while the power is off.
var errPower = errors.New("no power")

// disk is the sequencer's file system. It outlives its processes. Between the
// journal and journaltest.FS it makes calls fail, and the power go in the middle of
// one.
type disk struct {
	w    *world
	rand *random
	fs   *journaltest.FS
	lock io.Closer
	off  bool // the power went: the node must crash
	full bool
	safe bool // no faults

	failed bool   // some call of this process failed
	during func() // what others see while the disk loop waits for a call; nil: nobody looks

	rotten string // a bit was flipped in this file,
	bit    int64  // this one,
	bad    byte   // which made its byte this;
	lost   []byte // or the file is gone, which held this;
	healed bool   // it was written over, but not synced
	below  bool   // it lies where all is known to be durable: it must be told

	ends  map[string]int64   // up to where this process wrote each file, zeros not counted
	syncs map[string][]int64 // where that was at the last syncs
}

func newDisk(w *world, stream uint64) *disk {
	d := &disk{w: w, rand: newRandom(w.seed, stream), fs: journaltest.New()}
	d.begin()
	return d
}

// begin is the start of a process.
func (d *disk) begin() { d.ends, d.syncs = map[string]int64{}, map[string][]int64{} }

// settled is how far a process promises that rot in a file is told: a sync is followed by
// a record that says how far it reached, which the next one makes durable. A start syncs
// twice before it does so.
func (d *disk) settled(file string) int64 {
	if n := len(d.syncs[file]); n > 3 {
		return d.syncs[file][n-4]
	}
	return 0
}

// before decides what becomes of a call: an error that it must return, or nil.
func (d *disk) before(call string) error {
	o := &d.w.o.Disk
	if d.during != nil {
		d.during()
	}
	switch {
	case d.off:
		return errPower
	case d.safe:
		return nil
	case d.full && (call == "Create" || call == "Preallocate" || call == "MkdirAll") && d.rand.n(2) == 0:
		d.w.cover("disk full: " + call)
		d.failed = true
		d.fs.FailCall(1, syscall.ENOSPC, false)
	case changes(call) && d.rand.chance(o.Crash):
		d.w.cover("power cut inside " + call)
		d.off = true
		if d.rand.n(2) == 0 {
			return errPower // before it did anything
		}
	case call == "WriteAt" && d.rand.chance(o.Short):
		d.w.cover("disk short write")
		d.failed = true
		d.fs.FailCall(1, syscall.EIO, true)
	case d.rand.chance(o.Fail):
		d.w.cover("disk fails: " + call)
		d.failed = true
		d.fs.FailCall(1, syscall.EIO, false)
	}
	return nil
}

// changes reports whether a call changes the disk: only the disk loop makes those.
func changes(call string) bool {
	switch call {
	case "ReadAt", "Open", "Size", "List":
		return false
	}
	return true
}

// after is the end of a call that was let through.
func (d *disk) after(err error) error {
	if d.off {
		return errPower
	}
	return err
}

// MkdirAll implements journal.FS.
func (d *disk) MkdirAll(dir string) error {
	if err := d.before("MkdirAll"); err != nil {
		return err
	}
	return d.after(d.fs.MkdirAll(dir))
}

// Create implements journal.FS.
func (d *disk) Create(path string) (journal.File, error) {
	return d.open("Create", path, d.fs.Create)
}

// Open implements journal.FS.
func (d *disk) Open(path string) (journal.File, error) {
	return d.open("Open", path, d.fs.Open)
}

func (d *disk) open(call, path string, open func(string) (journal.File, error)) (journal.File, error) {
	if err := d.before(call); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err = d.after(err); err != nil {
		return nil, err
	}
	return &diskFile{f, d, path}, nil
}

// List implements journal.FS.
func (d *disk) List(dir string) ([]string, error) {
	if err := d.before("List"); err != nil {
		return nil, err
	}
	names, err := d.fs.List(dir)
	return names, d.after(err)
}

// SyncDir implements journal.FS.
func (d *disk) SyncDir(dir string) error {
	if err := d.before("SyncDir"); err != nil {
		return err
	}
	return d.after(d.fs.SyncDir(dir))
}

// Lock implements journal.FS.
func (d *disk) Lock(path string) (io.Closer, error) {
	if err := d.before("Lock"); err != nil {
		return nil, err
	}
	c, err := d.fs.Lock(filepath.Clean(path))
	if err = d.after(err); err != nil {
		return nil, err
	}
	d.lock = c
	return c, nil
}

// diskFile is an open file of a disk.
type diskFile struct {
	journal.File
	d    *disk
	path string
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.d.before("ReadAt"); err != nil {
		return 0, err
	}
	n, err := f.File.ReadAt(b, off)
	return n, f.d.after(err)
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.d.before("WriteAt"); err != nil {
		return 0, err
	}
	f.d.written(f.path, off, off+int64(len(b)), b)
	n, err := f.File.WriteAt(b, off)
	data := bytes.TrimRight(b[:n], "\x00") // zeros are for what is to come
	f.d.ends[f.path] = max(f.d.ends[f.path], off+int64(len(data)))
	return n, f.d.after(err)
}

func (f *diskFile) Size() (int64, error) {
	if err := f.d.before("Size"); err != nil {
		return 0, err
	}
	n, err := f.File.Size()
	return n, f.d.after(err)
}

func (f *diskFile) Sync() error {
	if err := f.d.before("Sync"); err != nil {
		return err
	}
	err := f.File.Sync()
	if err == nil && f.d.healed && f.path == f.d.rotten {
		f.d.rotten = ""
	}
	if err == nil {
		f.d.syncs[f.path] = append(f.d.syncs[f.path], f.d.ends[f.path])
	}
	return f.d.after(err)
}

func (f *diskFile) Preallocate(size int64) error {
	if err := f.d.before("Preallocate"); err != nil {
		return err
	}
	return f.d.after(f.File.Preallocate(size))
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.d.before("Truncate"); err != nil {
		return err
	}
	f.d.written(f.path, size, 1<<62, nil)
	f.d.ends[f.path] = min(f.d.ends[f.path], size)
	return f.d.after(f.File.Truncate(size))
}
