// Package testenv says what a test needs of its machine. Where that is missing the
// test is skipped and says why; where TAPECAST_REQUIRE names it, as on CI, the test
// fails instead, so that no skip hides there.
package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Missing skips t because of err, or fails it where TAPECAST_REQUIRE lists need.
func Missing(t testing.TB, need string, err error) {
	t.Helper()
	for _, required := range strings.Split(os.Getenv("TAPECAST_REQUIRE"), ",") {
		if required == need {
			t.Fatalf("required on this machine: %s: %v", need, err)
		}
	}
	t.Skipf("skipped: needs %s: %v", need, err)
}

// Root returns the module's root folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

// Data returns the path of a file of real market data, below the folder that
// TAPECAST_DATA names, or shared/data beside the checkout.
func Data(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TAPECAST_DATA")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		Missing(t, "data", err)
	}
	return path
}

// errNotRoot is why a test cannot make network namespaces.
var errNotRoot = errors.New("not root: network namespaces and nftables need it")
