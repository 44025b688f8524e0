package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestLate: a receiver that starts halfway, one that resumes after a SIGKILL, one
// over TCP, and one that loses datagrams and whose first retransmit server is killed
// while it relies on it, all end with the chain of one that was there from the
// beginning. Both retransmit servers of the last one are receivers themselves.
func TestLate(t *testing.T) {
	messages := sized(million, 300_000)
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:11", "--pace", "50000/s", "--count", fmt.Sprint(messages), "--await", "1", "--end-at-eof", "--linger", "1m")...)
	s.ready("\"started\"")
	p := ports(t, 2)
	relays := []string{fmt.Sprintf("127.0.0.1:%d", p[0]), fmt.Sprintf("127.0.0.1:%d", p[1])}
	first := start(t, "first", with(c.listen, "--journal", t.TempDir(), "--serve", relays[0], "--status", "200ms")...)
	doomed := start(t, "doomed", with(c.listen, "--journal", t.TempDir(), "--serve", relays[1])...)
	saved := filepath.Join(t.TempDir(), "position")
	victim := start(t, "victim", with(c.listen, "--resume", saved, "--status", "100ms")...)
	first.until(uint64(messages / 4))
	lossy := start(t, "lossy", with(c.listen, "--retransmit", relays[1]+","+relays[0], "--drop", "20%")...)
	first.until(uint64(messages / 2))
	doomed.kill()
	victim.kill()
	others := []*proc{
		start(t, "late", with(c.listen, "--from", "start", "--compress")...),
		start(t, "from now", with(c.listen, "--from", "now")...),
		start(t, "from a sequence", with(c.listen, "--from", fmt.Sprint(messages/3))...),
		start(t, "resumed", with(c.listen, "--resume", saved)...),
		start(t, "tcp", with(c.listen, "--tcp", "--from", "start")...),
		lossy,
	}
	for _, p := range append(others, first) {
		p.wait(0)
	}
	s.dismiss()
	for _, p := range append(others, first) {
		complete(t, s.summary(), p)
	}
	if sum := lossy.summary(); sum.Repaired == 0 {
		t.Error("lossy had nothing repaired: the test did not happen")
	}
}
