package multicast

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// waitLimit ends a test whose datagrams never come, in ms.
const waitLimit = 5000

// freePort returns a UDP port that nobody uses at the moment.
func freePort(t testing.TB) uint16 {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no UDP on loopback: %v", err)
	}
	defer c.Close()
	return netip.MustParseAddrPort(c.LocalAddr().String()).Port()
}

// loLine is a line on the loopback interface whose group and port are not shared
// with other tests. It skips the test where loopback has no multicast.
func loLine(t testing.TB) Line {
	t.Helper()
	group := netip.AddrFrom4([4]byte{239, 77, byte(rand.Uint32()), byte(rand.Uint32())})
	l := Line{Group: netip.AddrPortFrom(group, freePort(t)), Interface: "lo"}
	r, err := NewReceiver(ReceiverConfig{Line: l, Buffer: 1 << 16})
	if err != nil {
		t.Skipf("no multicast on the loopback interface: %v", err)
	}
	r.Close()
	return l
}

func openReceiver(t testing.TB, c ReceiverConfig) *Receiver {
	t.Helper()
	r, err := NewReceiver(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func openPublisher(t testing.TB, c PublisherConfig) *Publisher {
	t.Helper()
	c.Loopback = true
	p, err := NewPublisher(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// got keeps copies of what a receiver handed over.
type got struct {
	datagrams [][]byte
	rx        []wire.Nanos
	lines     []int
}

func (g *got) Datagram(line int, b []byte, rx, now wire.Nanos) {
	g.datagrams = append(g.datagrams, append([]byte(nil), b...))
	g.rx = append(g.rx, rx)
	g.lines = append(g.lines, line)
}

// waitReadable waits until one of rs has something to read.
func waitReadable(t testing.TB, rs ...reception) {
	t.Helper()
	fds := make([]unix.PollFd, len(rs))
	for i, r := range rs {
		fds[i] = unix.PollFd{Fd: int32(r.descriptor()), Events: unix.POLLIN}
	}
	for {
		n, err := unix.Poll(fds, waitLimit)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("nothing arrived: %v", err)
		}
		return
	}
}

// receive reads from r until n datagrams have come.
func receive(t testing.TB, r reception, n int) *got {
	t.Helper()
	g := &got{}
	for len(g.datagrams) < n {
		waitReadable(t, r)
		if _, err := r.Receive(1, g); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// nothing fails if r has anything to read. Call it only after something else that
// was sent later arrived.
func nothing(t testing.TB, r reception) {
	t.Helper()
	g := &got{}
	if n, err := r.Receive(1, g); n != 0 || err != nil {
		t.Fatalf("got %d datagrams, error %v; want none", n, err)
	}
}

// packetOf makes a packet of exactly size bytes, of opaque messages.
func packetOf(t testing.TB, seq uint64, size int) wire.Packet {
	t.Helper()
	head := len((&wire.Opaque{}).AppendTo(nil))
	var b wire.Builder
	b.Open(make([]byte, size))
	for left := size - wire.HeaderLen; left > 0; left = size - b.Len() {
		if left > 1000 {
			left = 500
		}
		m := wire.Opaque{Data: make([]byte, max(left-head, 0))}
		for i := range m.Data {
			m.Data[i] = byte(seq) + byte(i)
		}
		if !b.Add(m.AppendTo(nil), 1) {
			t.Fatalf("no packet of %d bytes", size)
		}
	}
	p, _ := b.Close(wire.Header{Type: wire.TypeSequenced, Sequence: seq}, 1)
	return p
}

func packetsOf(t testing.TB, sizes ...int) []wire.Packet {
	ps := make([]wire.Packet, len(sizes))
	for i, size := range sizes {
		ps[i] = packetOf(t, uint64(i+1), size)
	}
	return ps
}

func same(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// checkPackets fails unless the datagrams are ps in order, each with nothing but
// zeros behind it.
func checkPackets(t testing.TB, g *got, ps []wire.Packet) {
	t.Helper()
	if len(g.datagrams) != len(ps) {
		t.Fatalf("%d datagrams, want %d", len(g.datagrams), len(ps))
	}
	for i, b := range g.datagrams {
		if err := checkPacket(b, ps[i]); err != nil {
			t.Fatalf("datagram %d: %v", i, err)
		}
	}
}

func checkPacket(b []byte, want wire.Packet) error {
	p, err := wire.Parse(b)
	if err != nil {
		return err
	}
	if string(p) != string(want) {
		return fmt.Errorf("sequence %d, %d bytes; want %d, %d bytes", p.First(), len(p), want.First(), len(want))
	}
	for _, c := range b[len(p):] {
		if c != 0 {
			return errors.New("padding is not zero")
		}
	}
	return nil
}

func closeAll(fds ...int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
