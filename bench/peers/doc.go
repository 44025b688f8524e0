// Package peers runs what others use for the same job, beside tapecast and in the
// same call: sockperf (Debian's, bare UDP), ZeroMQ (Debian's libzmq, a C program
// compiled on the spot) and NATS (server and client as Go modules, in a module of
// its own below this folder). What is not installed is skipped with a reason.
package peers

import (
	"errors"
	"fmt"
)

// ErrMissing says that a peer is not installed here.
var ErrMissing = errors.New("not installed")

func missing(what, remedy string) error {
	return fmt.Errorf("%s is %w: %s", what, ErrMissing, remedy)
}
