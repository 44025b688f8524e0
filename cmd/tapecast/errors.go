package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// Exit codes, as scripts read them.
const (
	exitFine        = 0
	exitFailure     = 1 // at run time
	exitUsage       = 2 // command line or configuration
	exitData        = 3 // messages lost for good, or a check that failed
	exitUnreachable = 4 // nobody at the other end
)

var (
	errData        = errors.New("data fault")
	errPromise     = errors.New("it promises nothing")
	errUnreachable = errors.New("unreachable")
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s; see `%s --help`", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

// exitCode maps an error to the exit code: here and nowhere else.
func exitCode(err error) int {
	var rot *journal.RotError
	var source *daemon.SourceError
	var lookup *net.DNSError
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errData), errors.Is(err, errPromise), errors.Is(err, recovery.ErrDiverged), errors.As(err, &rot), errors.As(err, &source):
		return exitData
	case errors.Is(err, syscall.EPIPE): // whoever read the output has had enough
		return exitFine
	case isUsage(err):
		return exitUsage
	case errors.Is(err, errUnreachable), errors.Is(err, recovery.ErrRefused), errors.As(err, &lookup):
		return exitUnreachable
	}
	return exitFailure
}

func isUsage(err error) bool {
	var usage *usageError
	var setting *settings.Error
	var config *daemon.ConfigError
	if errors.As(err, &usage) || errors.As(err, &setting) || errors.As(err, &config) {
		return true
	}
	var child *exec.ExitError // of the demo's, which was told what we were
	if errors.As(err, &child) && child.ExitCode() == exitUsage {
		return true
	}
	for _, e := range []error{
		recovery.ErrConfig, recovery.ErrResume, recovery.ErrSession,
		multicast.ErrLines, multicast.ErrGroup, multicast.ErrInterface, multicast.ErrFamily, multicast.ErrWait, multicast.ErrRing,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// message is err in words that name the place as its user wrote it.
func message(err error) string {
	var config *daemon.ConfigError
	if errors.As(err, &config) {
		return "--" + config.Error()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// flagError puts errors of the flag parser into our words.
func flagError(flags *pflag.FlagSet, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s=%q: %w", invalid.GetFlag().Name, invalid.GetValue(), invalid.Unwrap())
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		name := unknown.GetSpecifiedName()
		return fmt.Errorf("unknown flag --%s%s", name, settings.DidYouMean(name, "--", flagNames(flags)))
	}
	return err
}

func flagNames(flags *pflag.FlagSet) []string {
	var out []string
	flags.VisitAll(func(f *pflag.Flag) { out = append(out, f.Name) })
	return out
}
