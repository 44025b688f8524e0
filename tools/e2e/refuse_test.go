package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestConfigurationErrors: what cannot work is refused at the start with exit code
// 2, and the message names the setting and the remedy.
func TestConfigurationErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("[serve]\nsource = \"synth:1\"\nspeed = 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	base := func(more ...string) []string { return with(onLoopback(t, t.TempDir()).serve, more...) }
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"missing file", base("--source", "itch:/nowhere/session.bin"), []string{"/nowhere/session.bin", "no such file", "give the path"}},
		{"used port", base("--source", "synth:1", "--retransmit", taken.Addr().String()), []string{taken.Addr().String(), "in use", "give a free"}},
		{"wrong interface", base("--source", "synth:1", "--interface", "nosuch0"), []string{"nosuch0", "there are", "ip link"}},
		{"unwritable journal", base("--source", "synth:1", "--journal", filepath.Join(file, "journal")), []string{filepath.Join(file, "journal"), "not a directory", "name a directory"}},
		{"unknown key", base("-c", file), []string{file + ":3", "speed", "did you mean"}},
		{"no source", base(), []string{"source"}},
		{"no journal", []string{"serve", "--source", "synth:1", "--interface", "lo"}, []string{"journal", "none"}},
		{"unknown flag", base("--sauce", "synth:1"), []string{"--sauce"}},
		{"bad pace", base("--source", "synth:1", "--pace", "fast"), []string{"fast", "50000/s"}},
		{"not multicast", base("--source", "synth:1", "--line-a", "127.0.0.1:3000"), []string{"127.0.0.1:3000", "multicast"}},
		{"fragmented", base("--source", "synth:1", "--packet-size", "65000", "--interface", "lo", "--line-a", "239.255.77.9:1"), nil},
		{"unknown command", []string{"serv"}, []string{"serv"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.says == nil {
				t.Skip("lo takes packets of that size")
			}
			p := start(t, c.name, c.args...)
			p.wait(2)
			for _, word := range c.says {
				if !strings.Contains(p.err.String(), word) {
					t.Errorf("stderr does not say %q:\n%s", word, p.err.String())
				}
			}
		})
	}
}

// TestHostileClients: a thousand connections that say nothing and a hundred that
// send garbage to the retransmit service change nothing for a receiver that has to
// have many gaps repaired.
func TestHostileClients(t *testing.T) {
	c := onLoopback(t, t.TempDir())
	s := start(t, "serve", with(c.serve, "--source", "synth:21", "--pace", "50000/s", "--count", "150000", "--await", "1", "--end-at-eof", "--linger", "1m")...)
	s.ready("\"started\"")
	idle(t, c.server, 1000)
	stop := make(chan struct{})
	garbage := make(chan int)
	for range 100 {
		go func() { garbage <- rubbish(c.server, stop) }()
	}
	r := start(t, "listen", with(c.listen, "--drop", "5%", "--drop-seed", "3")...)
	r.wait(0)
	close(stop)
	sent := 0
	for range 100 {
		sent += <-garbage
	}
	s.dismiss()
	got := complete(t, s.summary(), r)
	if got.Repaired == 0 || sent == 0 {
		t.Errorf("%d messages repaired among %d bytes of garbage: the test did not happen", got.Repaired, sent)
	}
}

// idle opens n connections that stay silent until the test ends.
func idle(t *testing.T, addr string, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

// rubbish connects again and again and sends random bytes until stop is closed, a
// thousand times at most.
func rubbish(addr string, stop <-chan struct{}) (sent int) {
	for range 1000 {
		select {
		case <-stop:
			return sent
		default:
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		var b [512]byte
		rand.Read(b[:])
		n, _ := c.Write(b[:])
		sent += n
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		c.Read(b[:])
		c.Close()
	}
	return sent
}

// TestTwiceAtOnce: a second serve on the same journal is refused and says why; the
// first goes on.
func TestTwiceAtOnce(t *testing.T) {
	journal := t.TempDir()
	one, two := onLoopback(t, journal), onLoopback(t, journal)
	s := start(t, "first", with(one.serve, "--source", "synth:1", "--pace", "1000/s", "--count", "500", "--await", "1", "--end-at-eof", "--linger", "100ms")...)
	s.ready("\"started\"")
	p := start(t, "second", with(two.serve, "--source", "synth:1")...)
	p.wait(2)
	if !strings.Contains(p.err.String(), journal) {
		t.Errorf("stderr does not name the journal:\n%s", p.err.String())
	}
	r := start(t, "listen", one.listen...)
	r.wait(0)
	s.wait(0)
	complete(t, s.summary(), r)
}

// TestDamagedFile: what stands before the damage is published, the place of the
// damage is named, and the exit code says data fault.
func TestDamagedFile(t *testing.T) {
	var b bytes.Buffer
	for i := range 100 {
		fmt.Fprintf(&b, "\x00\x13D\x00\x01\x00\x00\x00\x00\x00\x00\x00%c\x00\x00\x00\x00\x00\x00\x00%c", i, i)
	}
	whole := b.Len()
	b.WriteString("\x00\x13D\x00\x01")
	file := filepath.Join(t.TempDir(), "cut.itch")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := start(t, "serve", with(onLoopback(t, dir).serve, "--source", "itch:"+file, "--end-at-eof")...)
	s.wait(3)
	if !strings.Contains(s.err.String(), fmt.Sprint(whole)) || !strings.Contains(s.err.String(), file) {
		t.Errorf("stderr does not name %s at byte %d:\n%s", file, whole, s.err.String())
	}
	if got := s.summary(); got.Messages != 101 {
		t.Errorf("%d messages published, want 100 and a definition", got.Messages)
	}
}
