package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	minBackoff  = 10 * time.Millisecond
	maxBackoff  = time.Second
	welcomeTime = 5 * time.Second
)

// link is one connection of a Client, owned by its goroutine but for wake.
type link struct {
	conn *net.UnixConn
	raw  syscall.RawConn
	in   []byte // received, not yet used

	// Of Client.mu: whether the goroutine waits for bytes, or is about to, and
	// whether its wait was cut short by a read deadline in the past.
	idle, woken bool
}

// dial connects, says hello and returns the daemon's welcome, all within welcomeTime.
func dial(ctx context.Context, path, name string) (*link, welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, welcomeTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, welcome{}, fmt.Errorf("local: is the daemon running? %w", err)
	}
	unixConn := conn.(*net.UnixConn)
	raw, err := unixConn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, welcome{}, err
	}
	l := &link{conn: unixConn, raw: raw, in: make([]byte, 0, 4096)}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	w, err := l.hello(name)
	if !stop() {
		err = fmt.Errorf("local: no welcome from %s: %w", path, ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, welcome{}, err
	}
	return l, w, nil
}

// hello writes the hello and reads the welcome, or returns the Refusal.
func (l *link) hello(name string) (w welcome, err error) {
	if _, err := l.conn.Write(appendHello(nil, name)); err != nil {
		return w, l.closing(err)
	}
	t, body, n, err := l.frame()
	switch {
	case err != nil:
		return w, err
	case t == frameRefusal:
		return w, refusalIn(body)
	case t != frameWelcome:
		return w, ErrProtocol
	}
	w, err = parseWelcome(body)
	l.use(n)
	if err != nil || w.journalled > w.last {
		return w, ErrProtocol
	}
	return w, nil
}

// frame blocks until a whole frame, of n bytes, is at the head of l.in.
func (l *link) frame() (t frameType, body []byte, n int, err error) {
	for {
		t, body, n, err = next(l.in)
		if err != nil {
			return 0, nil, 0, ErrProtocol
		}
		if n > 0 {
			return t, body, n, nil
		}
		if err := l.read(); err != nil {
			return 0, nil, 0, err
		}
	}
}

// closing looks for the daemon's reason after a failed write.
func (l *link) closing(failed error) error {
	for {
		t, body, n, err := l.frame()
		if err != nil {
			return failed
		}
		if t == frameRefusal {
			return refusalIn(body)
		}
		l.use(n)
	}
}

func refusalIn(body []byte) error {
	r, err := parseRefusal(body)
	if err != nil {
		return ErrProtocol
	}
	return r
}

// use drops the first n bytes received.
func (l *link) use(n int) { l.in = l.in[:copy(l.in, l.in[n:])] }

// read blocks for more bytes. It returns nil without any when wake was called.
func (l *link) read() error {
	if len(l.in) == cap(l.in) {
		return ErrProtocol // the daemon's frames are all far smaller
	}
	n, err := l.conn.Read(l.in[len(l.in):cap(l.in)])
	l.in = l.in[:len(l.in)+n]
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// tryRead reads what is there, and does not block.
func (l *link) tryRead() error {
	return l.raw.Read(func(fd uintptr) bool {
		n, _ := unix.Read(int(fd), l.in[len(l.in):cap(l.in)])
		l.in = l.in[:len(l.in)+max(n, 0)] // an error shows again at the next write or read
		return true
	})
}

// wake ends a blocking read, so that the goroutine looks at the queue.
func (l *link) wake() {
	if l.idle {
		l.idle, l.woken = false, true
		l.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// rest says whether the goroutine will block for bytes until wake is called.
func (l *link) rest(idle bool) {
	if l.woken {
		l.woken = false
		l.conn.SetReadDeadline(time.Time{})
	}
	l.idle = idle
}
