package e2e

import (
	"fmt"
	"math"
	"testing"

	"github.com/tapecast/tapecast/tools/netlab"
)

// million is how many synthetic messages a run at full size has.
const million = 1_000_000

// overLink publishes n synthetic messages across l to one receiver and returns what
// it says. Nothing may be lost.
func overLink(t *testing.T, l *netlab.Link, n int, serveFlags ...string) summary {
	t.Helper()
	c := onLink(t, l, t.TempDir())
	s := startIn(t, l, l.From, "serve", with(c.serve, append(serveFlags, "--count", fmt.Sprint(n), "--await", "1", "--end-at-eof", "--linger", "1m")...)...)
	s.ready("\"started\"")
	r := startIn(t, l, l.To, "listen", c.listen...)
	r.wait(0)
	s.dismiss()
	sum := complete(t, s.summary(), r)
	if sum.Delivered != uint64(n) {
		t.Errorf("%d of %d messages delivered", sum.Delivered, n)
	}
	return sum
}

// random drops permille of what arrives for either group, independently.
func random(permille int) []string {
	rule := "ip daddr %s numgen random mod 1000 < %d drop"
	return []string{fmt.Sprintf(rule, groupA, permille), fmt.Sprintf(rule, groupB, permille)}
}

func TestRandomLoss(t *testing.T) {
	for _, c := range []struct {
		pace     string
		messages int
	}{{"50000/s", sized(million, 100_000)}, {"max", sized(million, 500_000)}} {
		for _, permille := range []int{1, 10, 100, 500} {
			t.Run(fmt.Sprintf("%s/%d‰", c.pace, permille), func(t *testing.T) {
				l := netlab.NewLink(t)
				l.Rules(random(permille)...)
				chance(t, overLink(t, l, c.messages, "--source", "synth:7", "--pace", c.pace, "--wait", "spin"), permille)
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
	// Of few gaps chance itself makes more than 40 %: four standard deviations then.
	if permille >= 10 && math.Abs(got-want) > max(0.4*want, 4*math.Sqrt(want)) {
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
	r := overLink(t, l, sized(million, 200_000), "--source", "synth:8", "--pace", "50000/s", "--wait", "spin")
	if r.Repaired == 0 || r.Gaps == 0 {
		t.Errorf("%d gaps, %d messages repaired: the bursts did not happen", r.Gaps, r.Repaired)
	}
}

func TestLineADead(t *testing.T) {
	l := netlab.NewLink(t)
	l.Rules("ip daddr " + groupA + " drop")
	r := overLink(t, l, sized(million, 100_000), "--source", "synth:9", "--pace", "50000/s")
	if r.Requests != 0 || r.Lines[0].Packets != 0 {
		t.Errorf("%d requests, %d packets on the dead line", r.Requests, r.Lines[0].Packets)
	}
}
