package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Role is what a child process does. What it returns is its result, as JSON.
type Role func(ctx context.Context, p *Part) (any, error)

// Roles are those that a binary can play, by name.
type Roles map[string]Role

// Part is the child's end of the conversation.
type Part struct {
	args json.RawMessage
	out  *json.Encoder
	told chan struct{} // closed when the parent said go
}

// Args reads what the parent wants.
func (p *Part) Args(to any) error { return json.Unmarshal(p.args, to) }

// Ready tells the parent that the child can begin, and v.
func (p *Part) Ready(v any) error { return p.out.Encode(map[string]any{"ready": v}) }

// Go waits until the parent says go.
func (p *Part) Go(ctx context.Context) error {
	select {
	case <-p.told:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Told is closed when the parent said go.
func (p *Part) Told() <-chan struct{} { return p.told }

// Play runs one role of a child: its result, or what failed, goes to standard
// output. The role's context ends with standard input.
func (r Roles) Play(ctx context.Context, name, args string) error {
	role, ok := r[name]
	if !ok {
		return fmt.Errorf("no role %q", name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &Part{args: json.RawMessage(args), out: json.NewEncoder(os.Stdout), told: make(chan struct{})}
	go func() {
		defer cancel()
		var b [1]byte
		if n, _ := os.Stdin.Read(b[:]); n == 1 {
			close(p.told)
			io.Copy(io.Discard, os.Stdin)
		}
	}()
	v, err := role(ctx, p)
	if err != nil {
		return p.out.Encode(map[string]string{"error": err.Error()})
	}
	return p.out.Encode(map[string]any{"result": v})
}

// Launcher is the command that plays a role: the role's name and its arguments
// follow.
type Launcher []string

// Self is a Launcher of this binary with these arguments in front.
func Self(args ...string) (Launcher, error) {
	exe, err := os.Executable()
	return append(Launcher{exe}, args...), err
}

// patience is how long a child may take beyond what its context allows to die.
const patience = 2 * time.Second

// Process is a child as its parent sees it.
type Process struct {
	role   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	err    bytes.Buffer
	waited bool
}

// Start starts a child. It dies with ctx.
func (l Launcher) Start(ctx context.Context, role string, args any) (*Process, error) {
	b, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	p := &Process{role: role, cmd: exec.CommandContext(ctx, l[0], append(l[1:len(l):len(l)], role, string(b))...)}
	p.cmd.Stderr, p.cmd.WaitDelay = &p.err, patience
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return p, nil
}

// Ready waits until the child can begin, and reads what it says.
func (p *Process) Ready(v any) error { return p.hear("ready", v) }

// Go tells the child to begin.
func (p *Process) Go() error {
	_, err := p.in.Write([]byte{'\n'})
	return err
}

// Result waits for the child to end and reads its result. That it was ready need
// not have been waited for.
func (p *Process) Result(v any) error {
	err := p.hear("result", v)
	if errors.Is(err, errReady) {
		err = p.hear("result", v)
	}
	return errors.Join(err, p.Stop())
}

// errReady says that a child was only ready.
var errReady = errors.New("ready")

// Stop ends the child's input, which ends the child, and waits for it.
func (p *Process) Stop() error {
	if p.waited {
		return nil
	}
	p.waited = true
	p.in.Close()
	io.Copy(io.Discard, p.out)
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.role, err, bytes.TrimSpace(p.err.Bytes()))
	}
	return nil
}

// CPU is the processor time that the child has taken, in ns: all threads, user and
// system.
func (p *Process) CPU() (int64, error) {
	const scheduled = 2 // the clock of what the scheduler gave to a process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid)<<3|scheduled, &t); err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", p.role, err)
	}
	return t.Nano(), nil
}

// hear reads one line, which must be of this name.
func (p *Process) hear(name string, v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s ended without a word: %w: %s", p.role, err, bytes.TrimSpace(p.err.Bytes()))
	}
	var said map[string]json.RawMessage
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("%s: %w: %.100q", p.role, err, line)
	}
	if body, ok := said["error"]; ok {
		var why string
		if err := json.Unmarshal(body, &why); err != nil {
			why = err.Error()
		}
		return fmt.Errorf("%s: %s", p.role, why)
	}
	body, ok := said[name]
	if _, ready := said["ready"]; ready && !ok {
		return fmt.Errorf("%s is %w and no more", p.role, errReady)
	}
	if !ok {
		return fmt.Errorf("%s said %.100q instead of %s", p.role, line, name)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}
