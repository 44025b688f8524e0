package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// CompileC compiles one C file to binary with the host's C compiler and these
// further arguments, such as libraries. The error says what is missing.
func CompileC(ctx context.Context, code []byte, binary string, args ...string) error {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return fmt.Errorf("no C compiler: %w; apt-get install gcc libc6-dev", err)
	}
	source := binary + ".c"
	if err := os.WriteFile(source, code, 0o644); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, cc, append([]string{"-O2", "-o", binary, source}, args...)...).CombinedOutput()
	if err != nil {
		first, _, _ := bytes.Cut(out, []byte("\n"))
		return fmt.Errorf("cc: %w: %s", err, first)
	}
	return nil
}

// Program is a child that is not one of ours.
type Program struct {
	cmd *exec.Cmd
	out *bufio.Reader
	err bytes.Buffer
}

// StartProgram starts cmd and waits for its first line, which must be "ready".
func StartProgram(cmd *exec.Cmd) (*Program, error) {
	p := &Program{cmd: cmd}
	cmd.Stderr = &p.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if line, err := p.out.ReadString('\n'); line != "ready\n" {
		p.Kill()
		return nil, fmt.Errorf("%w: said %q instead of ready: %s", errors.Join(err), line, bytes.TrimSpace(p.err.Bytes()))
	}
	return p, nil
}

// Kill ends the program, whatever it does.
func (p *Program) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
}

// Latencies reads what the program writes until it ends: int64 of ns, in this
// host's byte order.
func (p *Program) Latencies() (*Latency, error) {
	b, err := io.ReadAll(p.out)
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(p.err.Bytes()))
	}
	h := NewHistogram()
	for ; len(b) >= 8; b = b[8:] {
		h.Add(int64(binary.NativeEndian.Uint64(b)))
	}
	return h.Latency(), nil
}
