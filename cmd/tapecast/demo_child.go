package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
)

const (
	longestLine = 4 << 20         // bytes of a line of a child: a summary with many losses
	childGrace  = 5 * time.Second // from SIGTERM to SIGKILL
)

// child is one process of the demo.
type child struct {
	name    string
	cmd     *exec.Cmd
	summary []byte // the last line of its stdout, once it has exited
}

// childEvent is one line of a child's stderr, or its exit.
type childEvent struct {
	from   *child
	name   string // of the object on the line; empty for a line of text
	data   []byte
	exited bool
	err    error // of the exit, with what the child said last
}

// start runs this program again. When ctx ends the child is asked to stop, and
// killed if it does not, or if this process dies.
func (d *demo) start(ctx context.Context, name string, args []string) (*child, error) {
	c := &child{name: name, cmd: exec.CommandContext(ctx, d.self, args...)}
	c.cmd.Env = childEnv(os.Environ())
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = childGrace
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go c.follow(stdout, stderr, d.events)
	return c, nil
}

// childEnv leaves our own settings out: the demo gives all that it needs as flags.
func childEnv(env []string) []string {
	var out []string
	for _, v := range env {
		if !strings.HasPrefix(v, settings.Prefix) || strings.HasPrefix(v, testVariable) {
			out = append(out, v)
		}
	}
	return out
}

// testVariable begins the names of variables that this program's tests set.
const testVariable = settings.Prefix + "TEST_"

// follow passes on what the child says until it has exited.
func (c *child) follow(stdout, stderr io.Reader, events chan<- childEvent) {
	var last string
	var both sync.WaitGroup
	both.Go(func() { lines(stdout, func(line []byte) { c.summary = bytes.Clone(line) }) })
	both.Go(func() {
		lines(stderr, func(line []byte) {
			e := parseEvent(c, bytes.Clone(line))
			if e.name == "" {
				last = string(line)
			}
			events <- e
		})
	})
	both.Wait()
	err := c.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", c.name, err, last)
	}
	events <- childEvent{from: c, exited: true, err: err}
}

func lines(r io.Reader, each func(line []byte)) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, longestLine)
	for s.Scan() {
		each(s.Bytes())
	}
	io.Copy(io.Discard, r) // a line that is too long must not block the child
}

func parseEvent(c *child, line []byte) childEvent {
	var head struct {
		Event string `json:"event"`
	}
	_ = json.Unmarshal(line, &head) // a line of text has no name
	return childEvent{from: c, name: head.Event, data: line}
}
