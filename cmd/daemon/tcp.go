package daemon

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock"
)

const (
	produceSize = 256 << 10        // bytes that one Produce may give
	receiveSize = 4 << 10          // bytes that one read takes
	writeLimit  = 10 * time.Second // a peer that takes nothing for so long is dropped
	writeSize   = 64 << 10         // bytes of one write: what the peer took is known so often
	acceptPause = 20 * time.Millisecond
	spare       = 32 // descriptors that connections leave to the journal: its segments, and blocks read for repair
)

// shell is the sockets of the retransmit service: it moves bytes between
// connections and their sessions.
type shell struct {
	server  *retransmit.Server
	clock   clock.Clock
	buffers sync.Pool    // of *[]byte, produceSize long: as many as there are writers at work
	turns   chan func()  // to the writers
	waiting atomic.Int64 // for a turn
	conns   sync.WaitGroup
}

// writers is how many threads copy packets and write them to sockets, for all
// connections in turn: first come, first served. With as many as there are
// processors, a hundred receivers that lose the same range would keep the ingest
// loop waiting for one.
func writers() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// rest is how long a writer rests after a turn for which others were waiting, in
// multiples of the turn: a herd takes half of what a writer could, its receivers as
// much again where they are on this host, and the ingest loop finds a processor idle.
// One receiver alone is served as fast as it reads.
const rest = 1

// humble is how much lower than the ingest loop's the priority of a writer is: it
// gives its processor up as soon as there is something to publish.
const humble = 10

// write is the loop of one writer.
func (s *shell) write() {
	runtime.LockOSThread()                             // for good: the thread, and its priority, end with the loop
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, humble) // where that is refused the priority is the same
	for do := range s.turns {
		began := time.Now()
		do()
		if s.waiting.Load() > 0 {
			sleep(rest * time.Since(began))
		}
	}
}

// turn runs fn on a writer.
func (s *shell) turn(fn func()) {
	done := make(chan struct{})
	s.waiting.Add(1)
	s.turns <- func() {
		s.waiting.Add(-1)
		fn()
		close(done)
	}
	<-done
}

func newShell(server *retransmit.Server, c clock.Clock) *shell {
	return &shell{server: server, clock: c, turns: make(chan func()), buffers: sync.Pool{New: func() any {
		b := make([]byte, produceSize)
		return &b
	}}}
}

// serve accepts until ctx ends, then closes every connection and waits for them.
func (s *shell) serve(ctx context.Context, ln net.Listener) {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for range writers() {
		go s.write()
	}
	defer close(s.turns)
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
		c.wake()
		if err != nil || bad != nil {
			return bad == nil
		}
	}
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
	b := c.shell.buffers.Get().(*[]byte)
	defer c.shell.buffers.Put(b)
	now := c.shell.clock.Now()
	var n int
	var next wire.Nanos
	c.shell.turn(func() { n, next, err = c.next(now, *b) })
	if n == 0 || err != nil {
		return max(time.Duration(next-now), time.Microsecond), err
	}
	for sent := 0; sent < n && err == nil; {
		var k int
		c.conn.SetWriteDeadline(time.Now().Add(writeLimit))
		k, err = c.put((*b)[sent:min(sent+writeSize, n)])
		c.taken(k)
		sent += k
	}
	return 0, err
}

// put writes some of b, waiting for room first and for a turn then: a peer that
// takes nothing holds none.
func (c *connection) put(b []byte) (n int, err error) {
	broken := c.raw.Write(func(fd uintptr) bool {
		c.shell.turn(func() { n, err = unix.Write(int(fd), b) })
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if broken != nil {
		return 0, broken
	}
	return max(n, 0), err
}

// next asks the session for bytes, and when to ask again.
func (c *connection) next(now wire.Nanos, b []byte) (n int, next wire.Nanos, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit, err := c.session.Poll(now)
	if err != nil {
		return 0, 0, err
	}
	n, next = c.session.Produce(now, b)
	if n == 0 && c.session.Done() {
		return 0, 0, net.ErrClosed
	}
	return n, min(next, limit), nil
}

func (c *connection) taken(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.Taken(c.shell.clock.Now(), n)
}
