package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// TestDebt: a writer rests for turns that moved bytes while others waited, for as long
// as those took, but neither for less than a sleep is worth nor for long.
func TestDebt(t *testing.T) {
	var d debt
	for i, c := range []struct {
		took    time.Duration
		crowded bool
		want    time.Duration
	}{
		{time.Second, false, 0},
		{30 * time.Microsecond, true, 0},
		{30 * time.Microsecond, true, 60 * time.Microsecond},
		{30 * time.Microsecond, true, 0},
		{30 * time.Microsecond, false, 0}, // alone again: nothing is owed
		{30 * time.Microsecond, true, 0},
		{time.Second, true, mostRest},
		{0, true, 0},
	} {
		if got := d.after(c.took, c.crowded); got != c.want {
			t.Errorf("turn %d: a rest of %v, want %v", i, got, c.want)
		}
	}
}

// TestGate: as many as there are places go in at once, and who stays long gives his up.
func TestGate(t *testing.T) {
	g := make(gate, 1)
	hold, inside := make(chan struct{}), make(chan struct{})
	left := make(chan struct{})
	for range 3 {
		go func() {
			g.pass(func() {
				inside <- struct{}{}
				<-hold
			})
			left <- struct{}{}
		}()
	}
	for range 3 {
		<-inside // the second and the third only because those before are slow
	}
	close(hold)
	for range 3 {
		<-left
	}
	g.pass(func() {
		if len(g) != 1 {
			t.Errorf("%d are inside, want 1", len(g))
		}
	})
	if len(g) != 0 {
		t.Errorf("%d places are taken by nobody", len(g))
	}
}

// TestMoreContexts: contexts are added, taken back, and left alone where the user has
// chosen them.
func TestMoreContexts(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	undo := MoreContexts(func(string) (string, bool) { return "", false })
	if got := runtime.GOMAXPROCS(0); got < was+3 {
		t.Errorf("%d contexts of %d before, want one more for each of three threads at least", got, was)
	}
	if undo(); runtime.GOMAXPROCS(0) != was {
		t.Errorf("%d contexts are left, want %d", runtime.GOMAXPROCS(0), was)
	}
	MoreContexts(func(name string) (string, bool) { return "1", name == "GOMAXPROCS" })
	if got := runtime.GOMAXPROCS(0); got != was {
		t.Errorf("%d contexts against GOMAXPROCS", got)
	}
}

// pair is a connection of a shell whose writers run, and its peer.
func pair(t *testing.T, s *shell) (*connection, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return &connection{shell: s, conn: conn.(*net.TCPConn), raw: raw}, peer
}

// shellOf has one writer and lets a peer take nothing for limit.
func shellOf(t *testing.T, limit time.Duration) *shell {
	s := newShell(nil, nil)
	s.limit = limit
	go s.writers.run()
	t.Cleanup(func() { close(s.writers.turns) })
	return s
}

// TestPutWaitsForRoom: a peer that takes nothing holds no turn, and what it takes late
// is whole.
func TestPutWaitsForRoom(t *testing.T) {
	s := shellOf(t, writeLimit)
	c, peer := pair(t, s)
	other, otherPeer := pair(t, s)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	wrote := make(chan error)
	go func() {
		n, err := c.put(want)
		if n != len(want) {
			err = errors.Join(err, fmt.Errorf("%d of %d bytes", n, len(want)))
		}
		wrote <- err
	}()
	for range 100 { // in between, or behind, the turns of the one without room
		if n, err := other.put([]byte("x")); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := otherPeer.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes arrived than were written: %v", err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// TestPutLimit: only the time without room counts against a peer, not that for which
// it waits for a turn.
func TestPutLimit(t *testing.T) {
	c, _ := pair(t, shellOf(t, time.Nanosecond)) // is over before any turn comes
	for sent := 0; ; {
		n, err := c.put(make([]byte, writeSize))
		if sent += n; err == nil {
			continue
		}
		if sent == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %d bytes: %v; want a deadline once the socket is full", sent, err)
		}
		return
	}
}

// stuck is a channel whose first message is on a disk that does not answer.
type stuck struct {
	*live
	asked chan struct{}
	hold  chan struct{}
}

func (s stuck) Copy(dst []byte, seq uint64) (int, error) {
	if seq == 1 {
		s.asked <- struct{}{}
		<-s.hold
	}
	return s.live.Copy(dst, seq)
}

// TestSlowDisk: what is in memory is served while others wait for the disk, however
// many they are.
func TestSlowDisk(t *testing.T) {
	d, err := Open(Config{
		Feed: &few{}, EndAtEOF: true, Journal: NoJournal,
		Interface: "lo", LineA: netip.MustParseAddrPort("239.255.79.6:30506"), Retransmit: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.ingest.turn(d.clock.Now(), wire.Clock{})
	disk := stuck{live: &d.live, asked: make(chan struct{}), hold: make(chan struct{})}
	ch := retransmit.Channel{Channel: 1, Session: d.state.Session, PacketSize: wire.DefaultPacket, Heartbeat: 1e8}
	server, err := retransmit.NewServer(retransmit.ServerConfig{Channel: ch, Limits: retransmit.DefaultLimits()}, disk)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		newShell(server, d.clock).serve(ctx, d.ln)
		close(served)
	}()
	var waiting []*asker
	for range half() + 3 {
		waiting = append(waiting, newAsker(t, d.Addr(), 1))
	}
	for _, a := range waiting {
		a.send()
		<-disk.asked
	}
	newAsker(t, d.Addr(), 2).receive()
	close(disk.hold)
	for _, a := range waiting {
		a.receive()
	}
	stop()
	<-served
}

// asker is a client that asks for messages up to 3.
type asker struct {
	t     *testing.T
	conn  net.Conn
	proto *retransmit.Client
	done  bool
	ignore
}

func newAsker(t *testing.T, addr string, first uint64) *asker {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	a := &asker{t: t, conn: conn, proto: retransmit.NewClient(retransmit.ClientConfig{Login: retransmit.Login{Channel: retransmit.AnyChannel}}, hostTime())}
	for !a.proto.Ready() {
		a.send()
		a.read()
	}
	if err := a.proto.Request(1, first, 3); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *asker) send() {
	a.t.Helper()
	n, err := a.conn.Write(a.proto.Output())
	if err != nil {
		a.t.Fatal(err)
	}
	a.proto.Sent(n)
}

func (a *asker) read() {
	a.t.Helper()
	b := make([]byte, receiveSize)
	n, err := a.conn.Read(b)
	if err == nil {
		err = a.proto.Receive(hostTime(), b[:n], a)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// receive takes the answer.
func (a *asker) receive() {
	a.t.Helper()
	for a.send(); !a.done; {
		a.read()
	}
}

// Done implements retransmit.ClientHandler.
func (a *asker) Done(uint32, uint64) { a.done = true }
