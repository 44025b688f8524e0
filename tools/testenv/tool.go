package testenv

import (
	"os/exec"
	"testing"
)

// Tool skips t unless the command is installed. Its name is what TAPECAST_REQUIRE
// calls it.
func Tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(t, name, err)
	}
}
