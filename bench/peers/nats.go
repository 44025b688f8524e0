package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tapecast/tapecast/bench/rig"
)

// NATS is a NATS server and two clients, a process each, on loopback.
type NATS struct{ launcher rig.Launcher }

// NATSArgs are those of every role of the nested module: nats-server, nats-ping,
// nats-pong, nats-send, nats-receive.
type NATSArgs struct {
	Port   int `json:"port"`
	Size   int `json:"size"`
	Count  int `json:"count"`
	Warmup int `json:"warmup"`
}

// NATSResult is what nats-ping and nats-receive give.
type NATSResult struct {
	Latency *rig.Latency `json:"latency,omitempty"`
	Rate    float64      `json:"rate,omitempty"` // messages a second, first to last
}

// BuildNATS builds the nested module below root, the project's folder, into dir,
// or wraps ErrMissing.
func BuildNATS(ctx context.Context, root, dir string) (NATS, error) {
	binary := filepath.Join(dir, "nats")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	cmd.Dir = filepath.Join(root, "bench", "peers", "nats")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		return NATS{}, fmt.Errorf("%w: %w: %.200s", missing("NATS", "run in the project's folder, with the Go module proxy in reach"), err, out)
	}
	return NATS{rig.Launcher{binary}}, nil
}

// Ping makes round trips from one client to the other through the server.
func (n NATS) Ping(ctx context.Context, a NATSArgs) (*rig.Latency, error) {
	r, err := n.run(ctx, "nats-pong", "nats-ping", a)
	return r.Latency, err
}

// Stream sends a.Count messages from one client to the other and gives how many a
// second arrived.
func (n NATS) Stream(ctx context.Context, a NATSArgs) (float64, error) {
	r, err := n.run(ctx, "nats-send", "nats-receive", a)
	return r.Rate, err
}

func (n NATS) run(ctx context.Context, other, role string, a NATSArgs) (r NATSResult, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var ps []*rig.Process
	for _, role := range []string{"nats-server", role, other} {
		p, err := n.launcher.Start(ctx, role, a)
		if err != nil {
			return r, err
		}
		if err := p.Ready(nil); err != nil {
			return r, err
		}
		ps = append(ps, p)
	}
	if err := ps[1].Go(); err != nil {
		return r, err
	}
	return r, ps[1].Result(&r)
}
