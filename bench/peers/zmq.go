package peers

import (
	"context"
	"embed"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/tapecast/tapecast/bench/rig"
)

//go:embed zmq/zmq.c
var zmqSource embed.FS

// ZeroMQ is libzmq over TCP on loopback.
type ZeroMQ struct{ binary string }

// CompileZeroMQ compiles the program into dir, or wraps ErrMissing.
func CompileZeroMQ(ctx context.Context, dir string) (ZeroMQ, error) {
	code, err := zmqSource.ReadFile("zmq/zmq.c")
	if err != nil {
		return ZeroMQ{}, err
	}
	z := ZeroMQ{filepath.Join(dir, "zmq")}
	if err := rig.CompileC(ctx, code, z.binary, "-lzmq"); err != nil {
		return z, fmt.Errorf("%w: %w", missing("ZeroMQ", "apt-get install gcc libc6-dev libzmq3-dev"), err)
	}
	return z, nil
}

// Ping makes round trips between two processes.
func (z ZeroMQ) Ping(ctx context.Context, port, size, count, warmup int) (*rig.Latency, error) {
	return z.pair(ctx, "pong", "ping", port, size, count, warmup, false)
}

// Stream sends count messages from one process to another and gives how many a
// second arrived.
func (z ZeroMQ) Stream(ctx context.Context, port, size, count int) (float64, error) {
	l, err := z.pair(ctx, "send", "receive", port, size, count, 0, true)
	if err != nil {
		return 0, err
	}
	return float64(count-1) / float64(l.Max) * 1e9, nil
}

// pair starts two processes and reads what the second writes. The one that binds
// comes first.
func (z ZeroMQ) pair(ctx context.Context, first, second string, port, size, count, warmup int, swap bool) (*rig.Latency, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := func(role string) (*rig.Program, error) {
		return rig.StartProgram(exec.CommandContext(ctx, z.binary, role, strconv.Itoa(port), strconv.Itoa(size), strconv.Itoa(count), strconv.Itoa(warmup)))
	}
	if swap {
		first, second = second, first
	}
	p, err := start(first)
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	q, err := start(second)
	if err != nil {
		return nil, err
	}
	if swap {
		defer q.Kill()
		return p.Latencies()
	}
	return q.Latencies()
}
