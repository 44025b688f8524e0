package limit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/tapecast/tapecast/bench/rig"
	"golang.org/x/sys/unix"
)

// The test's own binary plays the children.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "role" {
		if err := Roles().Play(context.Background(), os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, role string, args any) *rig.Process {
	t.Helper()
	self, err := rig.Self("role")
	if err != nil {
		t.Fatal(err)
	}
	p, err := self.Start(t.Context(), role, args)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// freePort is a UDP port that was free, with the next ones.
func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		method string
		lines  int
	}{{Sockets, 1}, {Sockets, 2}, {Block, 1}, {Ring, 2}} {
		t.Run(fmt.Sprint(c.method, c.lines), func(t *testing.T) {
			a := Ping{Net: Net{"lo", freePort(t), c.lines}, Method: c.method, Size: 64, Count: 50, Warmup: 5, CPU: -1}
			if c.method == Ring && os.Geteuid() != 0 {
				t.Skip("a packet ring needs CAP_NET_RAW: run as root")
			}
			pong := start(t, "limit-pong", a)
			if err := pong.Ready(nil); err != nil {
				t.Fatal(err)
			}
			var out Pinged
			if err := start(t, "limit-ping", a).Result(&out); err != nil || out.Latency.Count+int64(out.Lost) != 50 || out.Latency.Min < 1000 {
				t.Errorf("%+v, %v", out, err)
			}
			if err := pong.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// All ways to send reach all ways to receive, and the file beside gets its bytes.
func TestSendReceive(t *testing.T) {
	for _, c := range [][2]string{{"gso", "gro"}, {"mmsg", "mmsg"}, {"single", "gro"}, {"mmsg", Ring}} {
		t.Run(c[0]+" "+c[1], func(t *testing.T) {
			if c[1] == Ring && os.Geteuid() != 0 {
				t.Skip("a packet ring needs CAP_NET_RAW: run as root")
			}
			n := Net{"lo", freePort(t), 2}
			load := rig.Load{Rate: 100_000, Seconds: 0.05}
			receiver := start(t, "limit-receive", Receive{Net: n, Method: c[1], Size: 40, Count: load.Count(), Every: true, CPU: -1})
			sender := start(t, "limit-send", Send{Net: n, Load: load, Method: c[0], Size: 40, CPU: -1, Disk: Disk{Dir: t.TempDir()}})
			for _, p := range []*rig.Process{receiver, sender} {
				if err := p.Ready(nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := sender.Go(); err != nil {
				t.Fatal(err)
			}
			var got Received
			if err := receiver.Result(&got); err != nil {
				t.Fatal(err)
			}
			var sent Sent
			if err := sender.Result(&sent); err != nil {
				t.Fatal(err)
			}
			if got.Messages+got.Missing != 5000 || got.Latency.Count != int64(got.Messages) || sent.Refused != 0 {
				t.Errorf("sent %+v, received %+v", sent, got)
			}
		})
	}
}

func TestTCP(t *testing.T) {
	a := TCP{Addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), Request: 40, Answer: 200, Count: 20}
	pong := start(t, "limit-tcppong", a)
	if err := pong.Ready(nil); err != nil {
		t.Fatal(err)
	}
	var out Pinged
	if err := start(t, "limit-tcpping", a).Result(&out); err != nil || out.Latency.Count != 20 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestCompileC(t *testing.T) {
	c, err := CompileC(t.Context(), t.TempDir())
	if err != nil {
		t.Skipf("cannot compile C here: %v", err)
	}
	l, err := c.Ping(t.Context(), Ping{Net: Net{"lo", freePort(t), 2}, Size: 64, Count: 50, Warmup: 5})
	if err != nil || l.Count != 50 {
		t.Errorf("%v, %v", l, err)
	}
}

// Every way to send brings full datagrams to whoever listens.
func TestSends(t *testing.T) {
	for _, method := range SendMethods() {
		t.Run(method, func(t *testing.T) {
			if method == SendTXRing && os.Geteuid() != 0 {
				t.Skip("a packet ring needs CAP_NET_RAW: run as root")
			}
			n := Net{"lo", freePort(t), 1}
			fds, err := n.receivers(0, false)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Sends{Net: n, Method: method}.batcher()
			if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
				t.Skipf("this kernel refuses it: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			const rounds = 3 // past the end of the rings
			for range rounds {
				if err := b.send(); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.finish(); err != nil {
				t.Fatal(err)
			}
			buf, got := make([]byte, 2*longest), 0
			for {
				n, e := read(fds[0], buf)
				if e != 0 {
					break
				}
				if n != longest {
					t.Fatalf("a datagram of %d bytes, want %d", n, longest)
				}
				got++
			}
			if got != rounds*batch {
				t.Errorf("%d datagrams of %d", got, rounds*batch)
			}
		})
	}
}
