package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
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

	failed bool // some call of this process failed

	rotten string // a bit was flipped in this file,
	bit    int64  // this one,
	bad    byte   // which made its byte this;
	healed bool   // it was written over, but not synced
}

func newDisk(w *world) *disk {
	return &disk{w: w, rand: newRandom(w.seed, 3), fs: journaltest.New()}
}

// kill is the death of the process: files stay as they are, its lock goes.
func (d *disk) kill() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// power cuts the power: what was not synced is there, torn or gone.
func (d *disk) power() {
	d.kill()
	d.off = false
	if !d.w.o.Disk.Tear {
		d.w.cover("power cut, nothing torn")
		d.fs = d.fs.Kill()
		return
	}
	d.w.cover("power cut, torn")
	d.fs = d.fs.Crash(d.rand.next())
}

// rot flips a bit of some segment.
func (d *disk) rot() {
	var segments []string
	for _, f := range d.fs.Files() {
		if strings.HasSuffix(f, ".tcj") && len(d.fs.Bytes(f)) > 0 {
			segments = append(segments, f)
		}
	}
	if len(segments) == 0 || d.rotten != "" {
		return
	}
	d.w.cover("bit rot")
	d.rotten = segments[d.rand.n(len(segments))]
	b := d.fs.Bytes(d.rotten)
	used := len(b)
	for used > 1 && b[used-1] == 0 {
		used--
	}
	d.bit = int64(d.rand.n(8 * used))
	d.fs.Flip(d.rotten, d.bit)
	d.bad, d.healed = b[d.bit/8]^1<<(d.bit%8), false
}

// written notices that the rotten byte is written over, or cut off.
func (d *disk) written(path string, from, to int64) {
	if path == d.rotten && from <= d.bit/8 && d.bit/8 < to {
		d.healed = true
	}
}

// restore is the operator who copies the damaged file back from elsewhere.
func (d *disk) restore() {
	if b := d.fs.Bytes(d.rotten); int64(len(b)) > d.bit/8 && b[d.bit/8] == d.bad {
		d.fs.Flip(d.rotten, d.bit)
	}
	d.rotten = ""
}

// before decides what becomes of a call: an error that it must return, or nil.
func (d *disk) before(call string) error {
	o := &d.w.o.Disk
	switch {
	case d.off:
		return errPower
	case d.safe:
		return nil
	case d.full && (call == "Create" || call == "Preallocate" || call == "MkdirAll"):
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
	f.d.written(f.path, off, off+int64(len(b)))
	n, err := f.File.WriteAt(b, off)
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
	f.d.written(f.path, size, 1<<62)
	return f.d.after(f.File.Truncate(size))
}
