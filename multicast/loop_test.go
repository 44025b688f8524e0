package multicast

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPollerStopEndsTheWait(t *testing.T) {
	for _, how := range []Wait{WaitBlock, WaitYield, WaitSpin} {
		var p poller
		if err := p.open(how); err != nil {
			t.Fatal(err)
		}
		go p.stop()
		for !p.stopped.Load() {
			p.wait(3600e9)
		}
		p.close()
	}
}

func TestPollerSaysWhatIsReady(t *testing.T) {
	var p poller
	if err := p.open(WaitBlock); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	a, b := loLine(t), loLine(t)
	ra, rb := openReceiver(t, ReceiverConfig{Line: a}), openReceiver(t, ReceiverConfig{Line: b})
	pub := openPublisher(t, PublisherConfig{Lines: []Line{b}})
	p.watch(slotLine, ra.fd, unix.POLLIN)
	p.watch(slotLine+1, rb.fd, unix.POLLIN)
	pub.Send(packetsOf(t, 100))
	p.wait(waitLimit * 1e6)
	if p.ready(slotLine) || !p.ready(slotLine+1) || p.ready(slotTCP) {
		t.Errorf("ready: %+v", p.fds)
	}
}

func TestWaitText(t *testing.T) {
	for _, w := range []Wait{WaitBlock, WaitYield, WaitSpin} {
		var back Wait
		if err := back.UnmarshalText([]byte(w.String())); err != nil || back != w {
			t.Errorf("%v: read back as %v, %v", w, back, err)
		}
	}
	var w Wait
	if err := w.UnmarshalText([]byte("sleep")); !errors.Is(err, ErrWait) {
		t.Errorf("unknown name: error %v", err)
	}
}

// untilReady waits for an event on c.
func untilReady(t *testing.T, c *conn) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: c.events()}}
	for {
		n, err := unix.Poll(fds, waitLimit)
		if err == unix.EINTR {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("nothing happened on the connection: %v", err)
		}
		return
	}
}

func connected(t *testing.T, c *conn, to net.Addr) {
	t.Helper()
	if err := c.dial(netip.MustParseAddrPort(to.String())); err != nil {
		t.Fatal(err)
	}
	for {
		up, err := c.advance()
		if err != nil {
			t.Fatal(err)
		}
		if up {
			return
		}
		untilReady(t, c)
	}
}

func TestConn(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("no %s: %v", at, err)
			continue
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			if c, err := l.Accept(); err == nil {
				io.CopyN(c, c, 5)
				c.Close()
			}
		}()
		c := newConn()
		connected(t, &c, l.Addr())
		if a, err := c.local(); err != nil || !a.IsLoopback() {
			t.Errorf("local address %v, %v", a, err)
		}
		if n, err := c.write([]byte("hello")); n != 5 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		var have []byte
		for err = nil; err == nil; {
			untilReady(t, &c)
			var b []byte
			b, err = c.read()
			have = append(have, b...)
		}
		if string(have) != "hello" || err != io.EOF {
			t.Errorf("read %q, then %v", have, err)
		}
		c.close()
	}
}

func TestConnRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	l.Close()
	c := newConn()
	defer c.close()
	if err := c.dial(netip.MustParseAddrPort(l.Addr().String())); err != nil {
		t.Fatal(err)
	}
	for {
		up, err := c.advance()
		if errors.Is(err, unix.ECONNREFUSED) {
			return
		}
		if up || err != nil {
			t.Fatalf("up %v, %v; want connection refused", up, err)
		}
		untilReady(t, &c)
	}
}

func TestConnKeepsWhatTheKernelDidNotTake(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	c := newConn()
	defer c.close()
	connected(t, &c, l.Addr())
	b := make([]byte, 64<<20)
	n, err := c.write(b)
	if err != nil || n == 0 || n == len(b) || c.events()&unix.POLLOUT == 0 {
		t.Fatalf("nobody reads, yet the kernel took %d of %d, error %v", n, len(b), err)
	}
	if n, err = c.write(nil); n != 0 || err != nil || c.events() != unix.POLLIN {
		t.Errorf("nothing to write, yet %d, %v, events %d", n, err, c.events())
	}
}
