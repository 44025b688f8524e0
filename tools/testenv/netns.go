package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// NetNS skips t unless it may make network namespaces with nftables in them.
func NetNS(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "netns", errNotRoot)
	}
	for _, tool := range []string{"ip", "nft", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			Missing(t, "netns", err)
		}
	}
}
