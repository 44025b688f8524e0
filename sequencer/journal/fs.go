package journal

import "io"

// FS is what the journal asks of a file system. OS is the real one;
// journaltest.FS is one that fails and crashes on demand. Errors wrap
// fs.ErrNotExist and syscall.Errno as those of package os do.
type FS interface {
	// MkdirAll makes dir and its parents, and makes their names durable.
	MkdirAll(dir string) error

	// Create opens a file for reading and writing; it makes one when there is none.
	// The name is durable after SyncDir.
	Create(path string) (File, error)

	// Open opens a file for reading.
	Open(path string) (File, error)

	// List returns the names in dir, sorted.
	List(dir string) ([]string, error)

	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error

	// Lock takes the exclusive lock of path until it is closed. It returns
	// ErrLocked, and the holder's process id where it is known, when it is held.
	Lock(path string) (lock io.Closer, err error)
}

// File is an open file. A write that returns an error may have written any part.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Size is the file's length in bytes.
	Size() (int64, error)

	// Sync makes what was written durable, and what is needed to read it (fdatasync).
	Sync() error

	// Preallocate gives the file size bytes that later writes cannot fail to find;
	// new ones are zero (fallocate). It never shortens the file.
	Preallocate(size int64) error

	// Truncate shortens the file.
	Truncate(size int64) error
}
