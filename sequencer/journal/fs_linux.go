package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// OS is the real file system.
type OS struct{}

// MkdirAll implements FS.
func (OS) MkdirAll(dir string) error {
	if fi, err := os.Stat(dir); err == nil && fi.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := (OS{}).MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return err
	}
	return OS{}.SyncDir(parent)
}

// Create implements FS.
func (OS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open implements FS.
func (OS) Open(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// List implements FS.
func (OS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Lock implements FS with flock: the kernel lets go of it when the process dies.
func (OS) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(f)
		f.Close()
		if err != unix.EWOULDBLOCK {
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		return nil, fmt.Errorf("%w: %s%s", ErrLocked, filepath.Dir(path), holder)
	}
	// Who holds it is only for people to read: not worth failing for.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return f, nil
}

func readHolder(f *os.File) string {
	var b [20]byte
	n, _ := f.ReadAt(b[:], 0)
	if pid := strings.TrimSpace(string(b[:n])); pid != "" {
		return ": process " + pid
	}
	return ""
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (f osFile) Sync() error {
	return f.control("fdatasync", unix.Fdatasync)
}

func (f osFile) Preallocate(size int64) error {
	return f.control("fallocate", func(fd int) error { return unix.Fallocate(fd, 0, 0, size) })
}

// Holes reports whether a part of the file was never written, or cannot be told.
func (f osFile) Holes() bool {
	size, err := f.Size()
	if err != nil {
		return true
	}
	const seekHole = 4 // SEEK_HOLE: unwritten extents count as holes
	at, err := f.Seek(0, seekHole)
	return err != nil || at < size
}

// control runs one system call on the descriptor, again when a signal stops it.
func (f osFile) control(op string, call func(fd int) error) error {
	for {
		err := call(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: op, Path: f.Name(), Err: err}
		}
		return nil
	}
}
