package e2e

import (
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// limitDescriptors leaves p at most n open descriptors, as prlimit --nofile does.
func limitDescriptors(t *testing.T, p *proc, n uint64) {
	t.Helper()
	l := unix.Rlimit{Cur: n, Max: n}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_NOFILE, &l, nil); err != nil {
		t.Fatal(err)
	}
	if have := descriptors(t, p); have >= int(n) {
		t.Fatalf("%s has %d descriptors open before the test", p.name, have)
	}
}

// descriptors is how many p has open.
func descriptors(t *testing.T, p *proc) int {
	t.Helper()
	names, err := os.ReadDir("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// crowd connects n times to server and says nothing; what the server refuses counts.
func crowd(t *testing.T, server string, n int) (conns []net.Conn) {
	t.Helper()
	for range n {
		conn, err := net.DialTimeout("tcp", server, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

// TestDescriptors lets serve run out of descriptors: strangers connect to the
// retransmit service until it has no more, and stay. Receivers that are there are
// repaired and the journal goes on to its next segments; once the strangers have
// left, newcomers are served.
func TestDescriptors(t *testing.T) {
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:22", "--pace", "100000/s", "--count", "600000", "--await", "1", "--end-at-eof", "--linger", "4s", "--segment", "1MiB")...)
	s.ready(`"started"`)
	limitDescriptors(t, s, 64)
	r := start(t, "listen", with(c.listen, "--drop", "20%", "--status", "50ms")...)
	r.until(20_000)
	strangers := crowd(t, c.server, 200)
	from := r.lastSeen()
	r.until(from + 250_000)
	for _, conn := range strangers {
		conn.Close()
	}
	late := start(t, "late", c.listen...)
	for _, p := range []*proc{r, late} {
		p.wait(0)
	}
	s.wait(0)
	served := s.summary()
	complete(t, served, late)
	if sum := complete(t, served, r); sum.Repaired == 0 {
		t.Error("nothing was repaired")
	}
	if served.Journal != "alive" {
		t.Errorf("the journal is %s\n%s", served.Journal, s.tail())
	}
}
