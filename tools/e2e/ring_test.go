package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/tools/netlab"
	"github.com/tapecast/tapecast/tools/testenv"
)

// TestRandomLossByRing: a receive ring, a relay by ring that also serves, and sockets
// hear the same lossy link, and all end with the chain of serve.
func TestRandomLossByRing(t *testing.T) {
	for _, permille := range []int{10, 200} {
		t.Run(fmt.Sprintf("%d‰", permille), func(t *testing.T) {
			l := netlab.NewLink(t)
			l.Rules(random(permille)...)
			c := onLink(t, l, t.TempDir())
			s := startIn(t, l, l.From, "serve", with(c.serve, "--source", "synth:7", "--pace", "100000/s",
				"--count", fmt.Sprint(million/5), "--await", "3", "--end-at-eof", "--linger", "3s")...)
			s.ready("\"started\"")
			ring := startIn(t, l, l.To, "ring", with(c.listen, "--receive", "ring")...)
			relay := startIn(t, l, l.To, "relay", with(c.listen, "--receive", "ring", "--journal", t.TempDir(), "--serve", "127.0.0.1:30004", "--linger", "1s")...)
			sockets := startIn(t, l, l.To, "sockets", c.listen...)
			ring.wait(0)
			relay.wait(0)
			sockets.wait(0)
			s.wait(0)
			served := s.summary()
			for _, p := range []*proc{ring, relay, sockets} {
				r := complete(t, served, p)
				if p != sockets && r.Receive != "ring" || r.Repaired == 0 || r.Lines[0].Packets == 0 || r.Lines[1].Packets == 0 {
					t.Errorf("%s: received by %s, %d messages repaired, lines %+v", p.name, r.Receive, r.Repaired, r.Lines)
				}
			}
		})
	}
}

// needRing skips the test where packet sockets are not allowed.
func needRing(t *testing.T) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	if err != nil {
		testenv.Missing(t, "netns", err)
	}
	syscall.Close(fd)
}

// TestRingIsRefused: without the capability listen says what is missing and what else
// would do.
func TestRingIsRefused(t *testing.T) {
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:7", "--pace", "1000/s")...)
	s.ready("\"started\"")
	args := with(c.listen, "--receive", "ring")
	cmd := exec.Command(command, args...)
	if os.Geteuid() == 0 {
		cmd = exec.Command("setpriv", append([]string{"--bounding-set=-net_raw", "--inh-caps=-net_raw", command}, args...)...)
	}
	p := launch(t, "listen", cmd)
	p.wait(2)
	for _, word := range []string{"CAP_NET_RAW", "setcap", "receive by sockets"} {
		if !strings.Contains(p.err.String(), word) {
			t.Errorf("stderr does not say %q:\n%s", word, p.err.String())
		}
	}
}
