package e2e

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/tools/testenv"
)

// small mounts a file system of a few MiB, to be filled.
func small(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		testenv.Missing(t, "netns", errors.New("not root: mounting a small file system needs it"))
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		testenv.Missing(t, "netns", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// TestDiskFullFast: in fast mode publishing goes on when the disk is full, and
// everybody is told that the journal is dead.
func TestDiskFullFast(t *testing.T) {
	c := onLoopback(t, small(t))
	s := start(t, "serve", with(c.serve, "--source", "synth:3", "--pace", "200000/s", "--count", "400000", "--await", "1", "--end-at-eof", "--linger", "500ms", "--segment", "2MiB")...)
	s.ready(`"started"`)
	r := start(t, "listen", c.listen...)
	r.wait(0)
	s.wait(1)
	complete(t, s.summary(), r)
	for _, p := range []*proc{s, r} {
		if !strings.Contains(p.err.String(), "journal") {
			t.Errorf("%s did not say that the journal is dead\n%s", p.name, p.tail())
		}
	}
	if !strings.Contains(s.err.String(), "no space left") {
		t.Errorf("serve did not say why\n%s", s.tail())
	}
}

// TestDiskFullStrict: in strict mode nothing is taken any more, nothing that was
// delivered is lost, and a restart with more room goes on without orphans.
func TestDiskFullStrict(t *testing.T) {
	dir := small(t)
	c := onLoopback(t, dir)
	flags := with(c.serve, "--source", "synth:3", "--pace", "100000/s", "--count", "300000", "--end-at-eof", "--linger", "1s", "--segment", "2MiB", "--durability", "strict")
	s := start(t, "serve", flags...)
	s.ready(`"started"`)
	r := start(t, "listen", with(c.listen, "--status", "20ms")...)
	s.ready("nothing more is taken")
	r.settled()
	s.interrupt()
	s.wait(1)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	s = start(t, "serve again", flags...)
	r.wait(0)
	s.wait(0)
	if sum := complete(t, s.summary(), r); sum.Delivered != 300_000 {
		t.Errorf("delivered %d messages", sum.Delivered)
	}
}
