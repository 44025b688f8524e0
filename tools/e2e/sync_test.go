package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/tools/testenv"
)

// traced starts serve under strace, which lets the when-th fdatasync of a thread fail
// with EIO, and logs every sync.
func traced(t *testing.T, log, when string, args ...string) *proc {
	t.Helper()
	testenv.Tool(t, "strace")
	full := append([]string{"-f", "-qq", "-o", log, "-e", "signal=none", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync:error=EIO:when=" + when, command}, args...)
	return launch(t, "serve under strace", exec.Command("strace", full...))
}

// interruptChild sends SIGINT to the only child of p.
func (p *proc) interruptChild() {
	p.t.Helper()
	pid := p.cmd.Process.Pid
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		p.t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		p.t.Fatalf("children %q: %v", b, err)
	}
	if err := syscall.Kill(child, syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
}

// syncsAfterFailure counts the syncs in strace's log behind the one that failed.
func syncsAfterFailure(t *testing.T, log string) int {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	_, after, failed := strings.Cut(string(b), "EIO")
	if !failed {
		t.Fatalf("no sync failed:\n%s", b)
	}
	return strings.Count(after, "sync(")
}

// TestSyncFails lets one fdatasync fail; those after it would succeed, as they do on
// Linux, where the pages that could not be written count as clean. Fast: the journal
// is declared dead and publishing goes on. Strict: nothing more is taken, and what
// was delivered is there after a restart. No sync is tried again.
func TestSyncFails(t *testing.T) {
	for _, durability := range []string{"fast", "strict"} {
		t.Run(durability, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "strace")
			c := onLoopback(t, t.TempDir())
			flags := with(c.serve, "--source", "synth:23", "--pace", "50000/s", "--count", "100000", "--end-at-eof", "--linger", "2s", "--durability", durability)
			s := traced(t, log, "6", // the disk loop is the only thread with so many
				with(flags, "--await", "1")...)
			s.ready(`"started"`)
			r := start(t, "listen", with(c.listen, "--status", "20ms")...)
			s.ready("fdatasync")
			if durability == "strict" {
				r.settled()
				s.interruptChild()
				s.wait(1)
				s = start(t, "serve again", flags...)
				s.wait(0)
			} else {
				s.wait(1)
				if s.summary().Journal != "dead" {
					t.Errorf("the journal is %s", s.summary().Journal)
				}
			}
			r.wait(0)
			if sum := complete(t, s.summary(), r); sum.Delivered != 100_000 {
				t.Errorf("delivered %d messages", sum.Delivered)
			}
			if durability == "fast" && !strings.Contains(r.err.String(), "journal dead") {
				t.Errorf("the receiver was not told that the journal is dead\n%s", r.tail())
			}
			if n := syncsAfterFailure(t, log); n != 0 {
				t.Errorf("%d syncs after the one that failed", n)
			}
		})
	}
}
