// Command tapecast sequences market data, publishes it over UDP multicast and
// receives it complete. `tapecast help` lists its commands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
)

func main() {
	// A closed pipe is an error of the write, which ends the command like a
	// signal: with its summary, its files flushed, and no word.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	os.Exit(run(ctx, os.Args[1:], &app{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}))
}

// app is what commands use of the process.
type app struct {
	out io.Writer // data
	err io.Writer // diagnostics
	env func(string) (string, bool)

	started bool // a command runs: what fails from here on is not the command line
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, a *app) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	var place *settings.Error // says all there is to say
	if err != nil && !a.started && !errors.As(err, &place) {
		err = &usageError{err: err, command: cmd.CommandPath()}
	}
	code := exitCode(err)
	if code != exitFine {
		fmt.Fprintln(a.err, "tapecast:", message(err))
	}
	return code
}
