package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
)

// bench is what all experiments of one call share.
type bench struct {
	ctx     context.Context
	self    rig.Launcher
	dir     string         // of this call, removed at the end
	disk    string         // where dir is made
	network string         // interface
	match   *regexp.Regexp // of the names of candidates
	full    bool
	turns   int
	port    int // the next free one
	made    int // directories made
}

func (b *bench) open(ctx context.Context) (err error) {
	b.ctx = ctx
	if b.self, err = rig.Self(roleWord); err != nil {
		return err
	}
	b.port = firstPort + os.Getpid()%500*portsOf
	b.dir, err = os.MkdirTemp(b.disk, "tapecast-bench-")
	return err
}

// Ports of the runs: below those that the kernel gives out.
const (
	firstPort = 20000
	lastPort  = 32000
	portsOf   = 8 // of one run
)

// ports gives the first of portsOf ports.
func (b *bench) ports() int {
	if b.port += portsOf; b.port > lastPort {
		b.port = firstPort
	}
	return b.port
}

// folder makes a new one for a journal.
func (b *bench) folder() string {
	b.made++
	return filepath.Join(b.dir, fmt.Sprint(b.made))
}

// pick is a number of the short form, or of the full one.
func pick[T any](b *bench, short, full T) T {
	if b.full {
		return full
	}
	return short
}

// rounds is how many turns an experiment takes.
func (b *bench) rounds(short, full int) int {
	if b.turns > 0 {
		return b.turns
	}
	return pick(b, short, full)
}

// candidate is one of those that are compared.
type candidate struct {
	name string
	run  func(ctx context.Context, r *rig.Run) error
}

// longest is how long one candidate may take in a turn, down all its rates.
func (b *bench) longest() time.Duration { return pick(b, 2*time.Minute, 10*time.Minute) }

// compare runs all candidates, turn by turn, and tells of each run.
func (b *bench) compare(turns int, cs []candidate) (rs rig.Runs) {
	for turn := range turns {
		for _, c := range cs {
			if b.ctx.Err() != nil {
				return rs
			}
			if b.match != nil && !b.match.MatchString(c.name) {
				continue
			}
			r := rig.Run{Name: c.name, Turn: turn}
			ctx, cancel := context.WithTimeout(b.ctx, b.longest())
			if err := c.run(ctx, &r); err != nil {
				r.Fail("%v", err)
			}
			cancel()
			fmt.Fprintf(os.Stderr, "turn %d  %-34s %s %s\n", turn+1, c.name, r.Latency, r.Failed)
			rs = append(rs, r)
		}
	}
	return rs
}

// alone runs one child and reads its result.
func (b *bench) alone(ctx context.Context, role string, args, result any) error {
	p, err := b.self.Start(ctx, role, args)
	if err != nil {
		return err
	}
	return p.Result(result)
}

// pair starts two children, the first one ready before the second starts, and
// reads the second's result and then, if into is not nil, the first's.
func (b *bench) pair(ctx context.Context, first, second string, argsFirst, argsSecond, into, result any) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, err := b.self.Start(ctx, first, argsFirst)
	if err != nil {
		return err
	}
	if err := p.Ready(nil); err != nil {
		return err
	}
	q, err := b.self.Start(ctx, second, argsSecond)
	if err != nil {
		return err
	}
	if err := q.Result(result); err != nil {
		return err
	}
	if into == nil {
		return p.Stop()
	}
	return p.Result(into)
}
