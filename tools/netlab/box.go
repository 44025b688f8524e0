package netlab

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Path is a Link through a third namespace: what From sends to a group reaches To
// only as far as a Box in the middle passes it on. TCP is routed.
type Path struct {
	Link
	mid string // namespace of the Box
}

// The middle's interfaces, towards From and towards To.
const (
	midFrom = "vc"
	midTo   = "vd"
)

// NewPath makes a path, or skips t where that is not possible.
func NewPath(t testing.TB) *Path {
	t.Helper()
	p := &Path{Link: *newLink(t)}
	p.mid = "tcm" + p.From[len("tca"):]
	t.Cleanup(p.remove)
	for _, ns := range []string{p.From, p.mid, p.To} {
		p.namespace(ns)
	}
	p.ToAddr = "198.51.100.2"
	p.must("ip", "link", "add", p.FromIf, "netns", p.From, "type", "veth", "peer", "name", midFrom, "netns", p.mid)
	p.must("ip", "link", "add", midTo, "netns", p.mid, "type", "veth", "peer", "name", p.ToIf, "netns", p.To)
	p.up(p.From, p.FromIf, p.FromAddr)
	p.up(p.mid, midFrom, "192.0.2.9")
	p.up(p.mid, midTo, "198.51.100.9")
	p.up(p.To, p.ToIf, p.ToAddr)
	p.in(p.From, "ip", "route", "add", "default", "via", "192.0.2.9")
	p.in(p.To, "ip", "route", "add", "default", "via", "198.51.100.9")
	p.in(p.mid, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
	return p
}

func (p *Path) remove() {
	p.Link.remove()
	run("ip", "netns", "del", p.mid)
}

// Damage is what a Box does to datagrams, by seed.
type Damage struct {
	Seed    uint64
	Delay   time.Duration // of every datagram
	Jitter  time.Duration // at most, on top: longer than the distance of two datagrams reorders them
	Stray   float64       // share of datagrams that are late by Late more: reordered far
	Late    time.Duration
	Twice   float64 // share that arrives twice
	Dropped float64 // share that does not arrive
}

// Box passes the datagrams of groups along a Path, as Damage says, one line by one.
type Box struct {
	Passed, Strays, Doubled, Dropped atomic.Uint64

	t      testing.TB
	damage Damage
	lines  sync.WaitGroup
}

// Box starts passing groups on. It ends with the test.
func (p *Path) Box(d Damage, groups ...netip.AddrPort) *Box {
	p.t.Helper()
	b := &Box{t: p.t, damage: d}
	ctx, cancel := context.WithCancel(context.Background())
	p.t.Cleanup(func() { cancel(); b.lines.Wait() })
	for i, g := range groups {
		var in, out *net.UDPConn
		err := Enter(p.mid, func() (err error) {
			if in, err = listenGroup(g, midFrom); err == nil {
				out, err = dialGroup(g, midTo)
			}
			return err
		})
		if err != nil {
			p.t.Fatalf("box: %v", err)
		}
		l := &boxLine{box: b, in: in, out: out, rng: rand.New(rand.NewPCG(d.Seed, uint64(i))), wake: make(chan struct{}, 1)}
		context.AfterFunc(ctx, func() { in.Close(); out.Close() })
		b.lines.Go(l.read)
		b.lines.Go(func() { l.write(ctx) })
	}
	return b
}

// Enter runs fn on a thread in the namespace; sockets that it opens stay there.
func Enter(ns string, fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- enter(ns, fn)
	}()
	return <-done
}

func enter(ns string, fn func() error) error {
	fd, err := unix.Open("/var/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", ns, err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("namespace %s: %w", ns, err)
	}
	return fn()
}

func listenGroup(g netip.AddrPort, ifi string) (*net.UDPConn, error) {
	i, err := net.InterfaceByName(ifi)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenMulticastUDP("udp4", i, net.UDPAddrFromAddrPort(g))
	if err == nil {
		err = c.SetReadBuffer(4 << 20)
	}
	return c, err
}

func dialGroup(g netip.AddrPort, ifi string) (*net.UDPConn, error) {
	i, err := net.InterfaceByName(ifi)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
		})
		if err == nil {
			err = failed
		}
		return err
	}}
	c, err := d.Dial("udp4", g.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// boxLine is one group's way through the box.
type boxLine struct {
	box     *Box
	in, out *net.UDPConn
	rng     *rand.Rand
	wake    chan struct{}

	mu    sync.Mutex
	queue held
}

// datagram waits in the box until it is due.
type datagram struct {
	due time.Time
	b   []byte
}

// held is a heap, the first one due on top.
type held []datagram

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *held) Push(x any)        { *h = append(*h, x.(datagram)) }
func (h *held) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// read takes datagrams until the socket is closed.
func (l *boxLine) read() {
	b := make([]byte, 1<<16)
	for {
		n, err := l.in.Read(b)
		if err != nil {
			return
		}
		l.take(append([]byte(nil), b[:n]...), time.Now())
	}
}

// take decides what becomes of b.
func (l *boxLine) take(b []byte, now time.Time) {
	d, box := &l.box.damage, l.box
	if l.rng.Float64() < d.Dropped {
		box.Dropped.Add(1)
		return
	}
	copies := 1
	if l.rng.Float64() < d.Twice {
		box.Doubled.Add(1)
		copies = 2
	}
	for range copies {
		due := now.Add(d.Delay + time.Duration(l.rng.Float64()*float64(d.Jitter)))
		if l.rng.Float64() < d.Stray {
			box.Strays.Add(1)
			due = due.Add(d.Late)
		}
		l.mu.Lock()
		heap.Push(&l.queue, datagram{due, b})
		l.mu.Unlock()
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write sends what is due until ctx ends.
func (l *boxLine) write(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for ctx.Err() == nil {
		t.Reset(l.sendDue(time.Now()))
		select {
		case <-ctx.Done():
		case <-l.wake:
		case <-t.C:
		}
	}
}

// sendDue sends what is due and says how long it is until the next one.
func (l *boxLine) sendDue(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		if wait := l.queue[0].due.Sub(now); wait > 0 {
			return wait
		}
		d := heap.Pop(&l.queue).(datagram)
		if _, err := l.out.Write(d.b); err == nil {
			l.box.Passed.Add(1)
		}
	}
	return time.Second
}
