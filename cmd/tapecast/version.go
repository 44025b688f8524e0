package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/feed/wire"
)

// version prints what was built, by what, and what it speaks.
func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the versions of tapecast, Go and the wire format",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			a.started = true
			_, err := fmt.Fprintf(a.out, "tapecast %s\ngo %s %s/%s\nwire %d\n",
				moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, wire.Version)
			return err
		},
	}
}

// moduleVersion is the module's version, or the commit that it was built from.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
