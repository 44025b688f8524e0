package clocktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Chronyd is a real server on a loopback address, which tells the host's own time
// and leaves the host's clock alone.
type Chronyd struct {
	Address string // literal address and port to ask
	Command string // of its command port
	dir     string
	command *exec.Cmd
}

// ChronydKey is key 7 of every Chronyd, AES-128-CMAC, hexadecimal.
const ChronydKey = "00112233445566778899aabbccddeeff"

// StartChronyd starts one on 127.0.0.n, on free ports, and skips t where there is no
// chronyd; it fails instead where TAPECAST_REQUIRE lists chrony.
func StartChronyd(t testing.TB, n int) *Chronyd {
	t.Helper()
	_, err := exec.LookPath("chronyd")
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("not root, which chronyd must be at its start")
	}
	if err != nil {
		if strings.Contains(","+os.Getenv("TAPECAST_REQUIRE")+",", ",chrony,") {
			t.Fatalf("required on this machine: chrony: %v", err)
		}
		t.Skipf("skipped: needs chronyd (Debian's package chrony): %v", err)
	}
	host := fmt.Sprintf("127.0.0.%d", n)
	ntp, command := freePort(t, host), freePort(t, "127.0.0.1")
	c := &Chronyd{Address: fmt.Sprintf("%s:%d", host, ntp), Command: fmt.Sprintf("127.0.0.1:%d", command), dir: t.TempDir()}
	conf := fmt.Sprintf(`local stratum 1
allow all
bindaddress %s
port %d
bindcmdaddress 127.0.0.1
cmdport %d
pidfile %s/pid
keyfile %s/keys
`, host, ntp, command, c.dir, c.dir)
	c.write(t, "conf", conf)
	c.write(t, "keys", "7 AES128 HEX:"+ChronydKey+"\n")
	c.Start(t)
	t.Cleanup(c.Stop)
	return c
}

func (c *Chronyd) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Start starts it, also again after Stop.
func (c *Chronyd) Start(t testing.TB) {
	t.Helper()
	c.command = exec.CommandContext(context.Background(), "chronyd", "-x", "-d", "-u", "root", "-f", filepath.Join(c.dir, "conf"))
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
}

// Stop kills it.
func (c *Chronyd) Stop() {
	if c.command != nil {
		_ = c.command.Process.Kill()
		_ = c.command.Wait()
		c.command = nil
	}
}

// Process is the running server's.
func (c *Chronyd) Process() *os.Process { return c.command.Process }

func freePort(t testing.TB, host string) int {
	t.Helper()
	l, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.LocalAddr().(*net.UDPAddr).Port
}

// Await asks until the server answers, at most for 10 s.
func (c *Chronyd) Await(t testing.TB, ask func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if err = ask(); err == nil {
			return
		}
	}
	t.Fatalf("chronyd at %s does not answer: %v", c.Address, err)
}
