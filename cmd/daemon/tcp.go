package daemon

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock"
)

const (
	produceSize = 256 << 10 // bytes that one Produce may give
	kept        = 16        // buffers for that, beside those in use
	receiveSize = 4 << 10   // bytes that one read takes
	writeLimit  = 10 * time.Second
	turnSize    = 64 << 10 // bytes after which others that wait have their turn
	writeSize   = 16 << 10 // bytes of one write: the kernel may let nobody else on the processor meanwhile
	promptSize  = 16 << 10 // bytes of an answer that the reader gives by itself
	acceptPause = 20 * time.Millisecond
	spare       = 32 // descriptors that connections leave to the journal: its segments, and blocks read for repair
)

// shell is the sockets of the retransmit service: it moves bytes between
// connections and their sessions.
type shell struct {
	server  *retransmit.Server
	clock   clock.Clock
	buffers stock
	copies  gate
	writers writers
	limit   time.Duration // a peer that takes nothing for so long is dropped
	conns   sync.WaitGroup
}

func newShell(server *retransmit.Server, c clock.Clock) *shell {
	return &shell{server: server, clock: c, copies: make(gate, half()), writers: newWriters(), limit: writeLimit, buffers: make(stock, kept)}
}

// stock is buffers of produceSize bytes that nobody uses: at most kept of them. A sync.Pool
// would have some for each processor.
type stock chan []byte

func (s stock) take() []byte {
	select {
	case b := <-s:
		return b
	default:
		return make([]byte, produceSize)
	}
}

func (s stock) give(b []byte) {
	select {
	case s <- b:
	default: // a herd has gone
	}
}

// serve accepts until ctx ends, then closes every connection and waits for them.
func (s *shell) serve(ctx context.Context, ln net.Listener) {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for range half() {
		go s.writers.run()
	}
	defer close(s.writers.turns)
	defer s.conns.Wait()
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			s.accept(ctx, conn.(*net.TCPConn))
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default: // out of descriptors, most likely: those that are open go on
			pause(ctx, acceptPause)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// accept starts a connection, or says why it is refused.
func (s *shell) accept(ctx context.Context, conn *net.TCPConn) {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	session, err := s.admit(conn, host)
	if err != nil {
		var r *retransmit.Refusal
		if errors.As(err, &r) {
			conn.SetWriteDeadline(time.Now().Add(acceptPause))
			conn.Write(retransmit.AppendRefusal(nil, 0, *r))
		}
		conn.Close()
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		session.Close()
		return
	}
	c := &connection{shell: s, conn: conn, raw: raw, session: session, kick: make(chan struct{}, 1)}
	s.conns.Go(func() { c.run(ctx) })
}

// admit asks the server, unless conn took one of the last descriptors: then the
// journal would die for want of one.
func (s *shell) admit(conn *net.TCPConn, host string) (*retransmit.Session, error) {
	if scarce(conn) {
		return nil, s.server.Refuse("the server is short of file descriptors")
	}
	return s.server.Accept(s.clock.Now(), host)
}

// scarce reports whether fewer than spare descriptors are left behind conn's. The
// kernel gives the lowest one that is free, so its number tells.
func scarce(conn *net.TCPConn) (yes bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { yes = uint64(fd)+spare >= l.Cur })
	return yes
}

// connection is one receiver's. Its two goroutines share the session under mu.
type connection struct {
	shell   *shell
	conn    *net.TCPConn
	raw     syscall.RawConn // conn's
	kick    chan struct{}   // the reader took something: there may be an answer
	mu      sync.Mutex
	session *retransmit.Session

	out    sync.Mutex // held from asking the session for bytes until the socket has them, or rest does
	buffer []byte     // nil while rest is empty
	rest   []byte     // of buffer: produced, and not taken by the socket
}

func (c *connection) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.write(ctx)
		cancel()
	}()
	if c.read() {
		cancel() // nobody is there to answer
	}
	c.wake()
	<-done
	cancel()
	c.session.Close()
}

// read hands what arrives to the session, until the peer or the session ends it. It
// reports whether the peer did: otherwise a refusal may still have to be written.
func (c *connection) read() (left bool) {
	b := make([]byte, receiveSize)
	for {
		n, err := c.conn.Read(b)
		c.mu.Lock()
		bad := c.session.Receive(c.shell.clock.Now(), b[:n])
		c.mu.Unlock()
		if err == nil && bad == nil {
			c.prompt()
		}
		c.wake()
		if err != nil || bad != nil {
			return bad == nil
		}
	}
}

// prompt answers from the reader's goroutine when nothing else is being copied or
// written, and the answer is short: a repair of a few packets is not worth the two
// changes of threads that a turn costs. The rest is for write.
func (c *connection) prompt() {
	if c.shell.writers.waiting.Load() > 0 || !c.out.TryLock() {
		return
	}
	defer c.out.Unlock()
	if len(c.rest) > 0 {
		return
	}
	c.shell.copies.try(func() {
		n, _, err := c.fill()
		if err != nil || n == 0 || n > promptSize {
			return // an error comes again, to write
		}
		_ = c.raw.Write(func(fd uintptr) bool { // likewise
			n, err = unix.Write(int(fd), c.rest)
			return true
		})
		if err == nil {
			c.taken(n)
		}
	})
}

func (c *connection) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// write sends what the session produces.
func (c *connection) write(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for ctx.Err() == nil {
		wait, err := c.produce()
		if err != nil {
			return
		}
		if wait == 0 {
			continue
		}
		t.Reset(wait)
		select {
		case <-ctx.Done():
		case <-c.kick:
		case <-t.C:
		}
	}
}

// produce sends one buffer full, or says how long there is nothing to send.
func (c *connection) produce() (wait time.Duration, err error) {
	c.out.Lock()
	defer c.out.Unlock()
	if len(c.rest) == 0 {
		c.shell.copies.pass(func() { _, wait, err = c.fill() })
	}
	if len(c.rest) > 0 && err == nil {
		var n int
		n, err = c.put(c.rest)
		c.taken(n)
	}
	return wait, err
}

// fill asks the session for a buffer full, which is rest then.
func (c *connection) fill() (n int, wait time.Duration, err error) {
	c.buffer = c.shell.buffers.take()
	n, wait, err = c.next(c.buffer)
	c.rest = c.buffer[:n]
	c.spend(0)
	return n, wait, err
}

// spend takes n bytes off rest, and gives its buffer back with the last one.
func (c *connection) spend(n int) {
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.shell.buffers.give(c.buffer)
		c.rest, c.buffer = nil, nil
	}
}

// put writes b, waiting for turns and for room: a peer that takes nothing holds no
// turn, and only the time without room counts against it. n is what the socket took.
func (c *connection) put(b []byte) (n int, err error) {
	limited := false
	broken := c.raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			var k int
			k, err = c.shell.writers.write(int(fd), b[n:])
			n += k
			if err == unix.EAGAIN {
				limited = true
				c.conn.SetWriteDeadline(time.Now().Add(c.shell.limit))
				return false
			}
			if err != nil {
				return true
			}
		}
		return true
	})
	if broken != nil {
		return n, broken
	}
	if limited {
		c.conn.SetWriteDeadline(time.Time{})
	}
	return n, err
}

// next asks the session for bytes, and in how long to ask again: 0 when there are any.
func (c *connection) next(b []byte) (n int, wait time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.shell.clock.Now() // here: the way here may have been long
	limit, err := c.session.Poll(now)
	if err != nil {
		return 0, 0, err
	}
	n, next := c.session.Produce(now, b)
	switch {
	case n > 0:
		return n, 0, nil
	case c.session.Done():
		return 0, 0, net.ErrClosed
	}
	return 0, max(time.Duration(min(next, limit)-now), time.Microsecond), nil
}

// taken notes that the socket took n bytes of rest.
func (c *connection) taken(n int) {
	c.spend(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.Taken(c.shell.clock.Now(), n)
}
