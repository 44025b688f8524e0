// Package e2e runs the built command as its users do: several processes, real
// sockets, real files, on loopback and across network namespaces that lose packets.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tapecast/tapecast/tools/netlab"
)

// command is the command under test, built once by TestMain.
var command string

func TestMain(m *testing.M) {
	if file := os.Getenv(recorderEnv); file != "" {
		if err := record(file, os.Getenv("TAPECAST_E2E_SERVER")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tapecast-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	command = filepath.Join(dir, "tapecast")
	build := exec.Command("go", "build", "-o", command, "github.com/tapecast/tapecast/cmd/tapecast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v: %s", err, out)
		return 1
	}
	return m.Run()
}

// full asks for the sizes that a release is held to, ten minutes in all,
// instead of those that fit into every CI run.
var full = os.Getenv("TAPECAST_FULL") != ""

// sized is n messages or restarts at full size, and less otherwise.
func sized(n, less int) int {
	if full {
		return n
	}
	return less
}

// limit bounds every process: a test that hangs says so instead of running on.
const limit = 3 * time.Minute

// proc is one running command.
type proc struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  buffer
	err  buffer
	done chan struct{}
}

// buffer keeps what a process writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs tapecast with args on this host.
func start(t *testing.T, name string, args ...string) *proc {
	t.Helper()
	return launch(t, name, exec.Command(command, args...))
}

// startIn runs tapecast with args in a namespace of l.
func startIn(t *testing.T, l *netlab.Link, ns, name string, args ...string) *proc {
	t.Helper()
	return launch(t, name, l.Command(ns, command, args...))
}

func launch(t *testing.T, name string, cmd *exec.Cmd) *proc {
	t.Helper()
	p := &proc{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.err
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *proc) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// wait waits for the process and fails the test unless it exits with code.
func (p *proc) wait(code int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.done
		p.t.Fatalf("%s did not end in %v\n%s", p.name, limit, p.tail())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("%s: exit code %d, want %d\n%s", p.name, got, code, p.tail())
	}
}

// tail is what a failure shows of a process.
func (p *proc) tail() string {
	last := func(s string) string { return s[max(0, len(s)-3000):] }
	return fmt.Sprintf("%v\nstdout: %s\nstderr: %s", p.cmd.Args, last(p.out.String()), last(p.err.String()))
}

// ready waits until the process wrote text to stderr or stdout.
func (p *proc) ready(text string) {
	p.t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.err.String(), text) && !strings.Contains(p.out.String(), text) {
		select {
		case <-tick.C:
		case <-p.done:
			p.t.Fatalf("%s ended before it said %q\n%s", p.name, text, p.tail())
		case <-deadline:
			p.t.Fatalf("%s never said %q\n%s", p.name, text, p.tail())
		}
	}
}

// span is a range with its cause, as summaries give it.
type span struct {
	First, Last uint64
	Cause       string
}

// summary is the last line of stdout under --json.
type summary struct {
	Session     string  `json:"session"`
	Epoch       uint32  `json:"epoch"`
	First       uint64  `json:"first"`
	Last        uint64  `json:"last"`
	Messages    uint64  `json:"messages"`
	Chain       string  `json:"chain"`
	Journal     string  `json:"journal"`
	Delivered   uint64  `json:"delivered"`
	Repaired    uint64  `json:"repaired"`
	Duplicates  uint64  `json:"duplicates"`
	Bad         uint64  `json:"bad_datagrams"`
	Reordered   uint64  `json:"reordered"`
	Lost        []span  `json:"lost"`
	Orphaned    []span  `json:"orphaned"`
	Orphans     uint64  `json:"orphaned_messages"`
	Requests    uint64  `json:"requests"`
	Gaps        uint64  `json:"gaps"`
	KernelDrops uint64  `json:"kernel_drops"`
	Receive     string  `json:"receive_method"`
	Collections uint32  `json:"collections"`
	Resident    int64   `json:"resident_bytes"`
	Rate        float64 `json:"messages_per_second"`
	Packets     uint64  `json:"packets"` // of serve: sent; of listen: delivered
	Lines       []struct {
		Line    string `json:"line"`
		Packets uint64 `json:"packets"`
		First   uint64 `json:"first"`
		Errors  uint64 `json:"errors"` // of serve
		Missing uint64 `json:"missing"`
	} `json:"lines"`
}

// summary parses the last line of stdout.
func (p *proc) summary() summary {
	p.t.Helper()
	var last string
	lines := bufio.NewScanner(strings.NewReader(p.out.String()))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		last = lines.Text()
	}
	var s summary
	if err := json.Unmarshal([]byte(last), &s); err != nil {
		p.t.Fatalf("%s: the last line is no summary: %v\n%s", p.name, err, p.tail())
	}
	return s
}

// complete checks that a receiver lost nothing and has the chain of serve.
func complete(t *testing.T, served summary, p *proc) summary {
	t.Helper()
	s := p.summary()
	if s.Chain != served.Chain || s.Last != served.Last || len(s.Lost) != 0 || len(s.Orphaned) != 0 {
		t.Fatalf("%s: chain %s at %d, serve has %s at %d; lost %v, orphaned %v\n%s",
			p.name, s.Chain, s.Last, served.Chain, served.Last, s.Lost, s.Orphaned, p.tail())
	}
	return s
}

// ports finds n free ports. Others may take them before they are used; the tests
// that ask run one after the other.
func ports(t *testing.T, n int) []int {
	t.Helper()
	var list []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		list = append(list, ln.Addr().(*net.TCPAddr).Port)
	}
	return list
}

// channel is the flags of one serve process and of its receivers.
type channel struct {
	serve  []string
	listen []string
	server string // ADDR:PORT of the retransmit service

	journal string // directory
}

// onLoopback is a channel on the loopback interface, away from any other.
func onLoopback(t *testing.T, journal string) channel {
	t.Helper()
	p := ports(t, 3)
	return newChannel("lo", "lo", fmt.Sprintf("127.0.0.1:%d", p[0]), p[1], p[2], journal)
}

// onLink is a channel across l.
func onLink(t *testing.T, l *netlab.Link, journal string) channel {
	t.Helper()
	return newChannel(l.FromIf, l.ToIf, l.FromAddr+":30003", 30001, 30002, journal)
}

func newChannel(from, to, server string, a, b int, journal string) channel {
	return channel{
		serve: []string{"serve", "--json", "--interface", from, "--retransmit", server, "--journal", journal,
			"--line-a", fmt.Sprintf("%s:%d", groupA, a), "--line-b", fmt.Sprintf("%s:%d", groupB, b)},
		listen: []string{"listen", "--json", "--interface", to, "--retransmit", server, "--exit-at-end"},
		server: server, journal: journal,
	}
}

const (
	groupA = "239.255.77.1"
	groupB = "239.255.77.2"
)

// with is flags with more behind them, in memory of their own.
func with(flags []string, more ...string) []string {
	return append(append([]string(nil), flags...), more...)
}

// interrupt ends the process as Ctrl-C would.
func (p *proc) interrupt() { p.cmd.Process.Signal(syscall.SIGINT) }

// chainOf is a chain as summaries show it.
func chainOf(c uint64) string { return fmt.Sprintf("%016x", c) }

// dismiss ends a serve whose session is over and repaired everywhere, before its
// linger is.
func (p *proc) dismiss() {
	p.t.Helper()
	p.interrupt()
	p.wait(0)
}
