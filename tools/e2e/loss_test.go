package e2e

import (
	"fmt"
	"math"
	"testing"

	"github.com/tapecast/tapecast/tools/netlab"
)

// million is how many synthetic messages a run across the lossy link has.
const million = 1_000_000

// overLink publishes a synthetic session across l to one receiver and returns what
// both ends say. Nothing may be lost.
func overLink(t *testing.T, l *netlab.Link, serveFlags []string) (served, heard summary) {
	t.Helper()
	c := onLink(t, l, t.TempDir())
	s := startIn(t, l, l.From, "serve", with(c.serve, append(serveFlags, "--await", "1", "--end-at-eof", "--linger", "3s")...)...)
	s.ready("\"started\"")
	r := startIn(t, l, l.To, "listen", c.listen...)
	r.wait(0)
	s.wait(0)
	served = s.summary()
	return served, complete(t, served, r)
}

// random drops permille of what arrives for either group, independently.
func random(permille int) []string {
	rule := "ip daddr %s numgen random mod 1000 < %d drop"
	return []string{fmt.Sprintf(rule, groupA, permille), fmt.Sprintf(rule, groupB, permille)}
}

func TestRandomLoss(t *testing.T) {
	for _, pace := range []string{"50000/s", "max"} {
		for _, permille := range []int{1, 10, 100, 500} {
			t.Run(fmt.Sprintf("%s/%d‰", pace, permille), func(t *testing.T) {
				l := netlab.NewLink(t)
				l.Rules(random(permille)...)
				_, r := overLink(t, l, []string{"--source", "synth:7", "--pace", pace, "--count", fmt.Sprint(million), "--wait", "spin"})
				chance(t, r, permille)
			})
		}
	}
}

// chance holds the gaps that a receiver found on both lines against what two
// independent losses of a share p predict: of n packets p*p are lost twice, and
// 1-p*p of those begin a gap. It also holds its requests against its gaps.
func chance(t *testing.T, r summary, permille int) {
	t.Helper()
	p := float64(permille) / 1000
	packets := float64(r.Lines[0].Packets+r.Lines[1].Packets) / 2 / (1 - p)
	want, got := packets*p*p*(1-p*p), float64(r.Gaps)
	t.Logf("%.0f packets, %d gaps, chance says %.0f; %d requests, %d messages repaired", packets, r.Gaps, want, r.Requests, r.Repaired)
	// 40 % is three to four standard deviations of 50 to 100 gaps; of far fewer the
	// figure says nothing.
	if permille >= 10 && want >= 50 && math.Abs(got-want) > 0.4*want {
		t.Errorf("%.0f gaps on both lines, chance says %.0f", got, want)
	}
	if permille == 10 && float64(r.Requests) > math.Ceil(1.1*got) {
		t.Errorf("%d requests for %d gaps", r.Requests, r.Gaps)
	}
	if permille >= 100 && r.Repaired == 0 {
		t.Error("nothing was repaired: the loss did not happen")
	}
}

func TestBursts(t *testing.T) {
	l := netlab.NewLink(t)
	// One counter for both groups: 100 packets in a row go, of both lines.
	l.Rules("ip daddr { " + groupA + ", " + groupB + " } numgen inc mod 10000 < 200 drop")
	_, r := overLink(t, l, []string{"--source", "synth:8", "--pace", "50000/s", "--count", fmt.Sprint(million), "--wait", "spin"})
	if r.Repaired == 0 || r.Gaps == 0 {
		t.Errorf("%d gaps, %d messages repaired: the bursts did not happen", r.Gaps, r.Repaired)
	}
}

func TestLineADead(t *testing.T) {
	l := netlab.NewLink(t)
	l.Rules("ip daddr " + groupA + " drop")
	_, r := overLink(t, l, []string{"--source", "synth:9", "--pace", "50000/s", "--count", fmt.Sprint(million / 5)})
	if r.Requests != 0 || r.Lines[0].Packets != 0 {
		t.Errorf("%d requests, %d packets on the dead line", r.Requests, r.Lines[0].Packets)
	}
}
