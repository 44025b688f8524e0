package local

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	socketMode = 0o660
	maxPath    = 107 // what a socket address holds, in bytes
	backlog    = 512
)

// listen makes a listening socket at path, where no live one may be.
func listen(path string) (fd int, err error) {
	if path == "" || len(path) > maxPath {
		return -1, fmt.Errorf("local: socket path %q has %d bytes, 1 to %d fit: choose a shorter one", path, len(path), maxPath)
	}
	if err := clearStale(path); err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("local: socket for %s: %w", path, err)
	}
	if err := bind(fd, path); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("local: listen on %s: %w: check that the folder exists and is writable", path, err)
	}
	return fd, nil
}

// bind never lets the socket be more open than socketMode: the mode of the
// unbound socket is that of the file, less the umask, which Chmod then undoes.
func bind(fd int, path string) error {
	if err := unix.Fchmod(fd, socketMode); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return err
	}
	return unix.Listen(fd, backlog)
}

// clearStale removes the socket file that a dead daemon left at path.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("local: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("local: %s exists and is no socket: remove it or choose another path", path)
	}
	switch err := probe(path); {
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	case err == nil || errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("local: another daemon listens on %s: stop it or choose another path", path)
	default:
		return fmt.Errorf("local: %s: %w: remove it or choose another path", path, err)
	}
}

// probe connects to path: nil, or EAGAIN when its queue is full, means that
// somebody listens, ECONNREFUSED that nobody does.
func probe(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}
