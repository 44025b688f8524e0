package netlab

import (
	"strings"
	"testing"
)

func TestLink(t *testing.T) {
	l := NewLink(t)
	out, err := l.Command(l.From, "ping", "-c", "1", "-W", "2", l.ToAddr).CombinedOutput()
	if err != nil {
		t.Logf("ping is missing or failed (%v): %s", err, out)
	}
	l.Rules("ip daddr 239.255.0.1 numgen random mod 1000 < 10 counter drop", "ip daddr 239.255.0.2 drop")
	out, err = l.Command(l.To, "nft", "list", "ruleset").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "239.255.0.1") {
		t.Fatalf("rules are not there: %v: %s", err, out)
	}
	l.Rules()
	out, _ = l.Command(l.To, "nft", "list", "ruleset").CombinedOutput()
	if strings.Contains(string(out), "drop") {
		t.Fatalf("old rules stayed: %s", out)
	}
}
