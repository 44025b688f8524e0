// Command herd measures what a hundred receivers that lost the same range at once
// do to publishing.
//
// A serve process publishes at a steady rate, open loop: every message carries the
// time at which it was due. An undisturbed receiver in another process counts the
// latency from there. A third one holds the herd: clients of the retransmit service,
// logged in on sockets of their own, which all ask for the same 10,000 messages at the
// same moment, take them and check that they are whole. It runs at the lowest
// priority, as the herd is on other hosts in truth, and here on the same two CPUs.
//
// Windows with a herd and windows without take turns. Of each the 99th percentile is
// taken; the ratio is of the two windows of one turn, and its median over all turns.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
)

// settings are what all processes of a run know.
type settings struct {
	Rate    float64       // messages a second
	Clients int           // in the herd
	Range   uint64        // messages that each asks for
	Turns   int           // of two windows each
	Window  time.Duration // length of a window
	Nice    int           // of the herd
	Journal string        // of serve, removed in the end
	Control bool          // no herd in either window: what the machine does by itself
}

func main() {
	var s settings
	flag.Float64Var(&s.Rate, "rate", 20_000, "messages a second")
	flag.IntVar(&s.Clients, "clients", 100, "receivers that ask at once")
	flag.Uint64Var(&s.Range, "range", 10_000, "messages that each has lost")
	flag.IntVar(&s.Turns, "turns", 25, "turns of one window with a herd and one without")
	flag.DurationVar(&s.Window, "window", time.Second, "length of a window")
	flag.IntVar(&s.Nice, "nice", 19, "priority of the herd")
	flag.BoolVar(&s.Control, "control", false, "let no herd come: the ratio should be 1")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "herd:", err)
		os.Exit(1)
	}
}

// run plays a part, or all of the measurement.
func run(ctx context.Context, s settings, args []string) error {
	switch {
	case len(args) == 2 && args[0] != "herd":
		return rig.Roles{"serve": serve}.Play(ctx, args[0], args[1])
	case len(args) == 2:
		return herd(args[1])
	case len(args) > 0:
		return fmt.Errorf("unknown arguments %q", args)
	}
	return measure(ctx, s)
}
