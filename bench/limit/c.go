package limit

import (
	"context"
	"embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/tapecast/tapecast/bench/rig"
)

// sources are the C programs.
//
//go:embed c/*.c
var sources embed.FS

// C is the raw ping-pong in C, compiled.
type C struct{ binary string }

// CompileC compiles the ping-pong into dir. The error says why it cannot run here.
func CompileC(ctx context.Context, dir string) (C, error) {
	code, err := sources.ReadFile("c/ping.c")
	if err != nil {
		return C{}, err
	}
	c := C{filepath.Join(dir, "c-ping")}
	return c, rig.CompileC(ctx, code, c.binary)
}

// Ping makes round trips between two processes, as p says, spinning.
func (c C) Ping(ctx context.Context, p Ping) (*rig.Latency, error) {
	index, err := p.index()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := func(role string, cpu int) []string {
		a := []string{role}
		for _, n := range []int{index, p.Port, p.Lines, p.Size, p.Count, p.Warmup, cpu} {
			a = append(a, strconv.Itoa(n))
		}
		return a
	}
	pong, err := rig.StartProgram(exec.CommandContext(ctx, c.binary, args("pong", 1)...))
	if err != nil {
		return nil, fmt.Errorf("pong: %w", err)
	}
	defer pong.Kill()
	ping, err := rig.StartProgram(exec.CommandContext(ctx, c.binary, args("ping", 0)...))
	if err != nil {
		return nil, fmt.Errorf("ping: %w", err)
	}
	return ping.Latencies()
}
