package e2e

import (
	"fmt"
	"math"
	"testing"

	"github.com/tapecast/tapecast/tools/netlab"
)

// million is how many synthetic messages a run at full size has.
const million = 1_000_000

// overLink publishes a synthetic session across l to one receiver and returns what
// both ends say. Nothing may be lost.
func overLink(t *testing.T, l *netlab.Link, serveFlags []string) (served, heard summary) {
	t.Helper()
	c := onLink(t, l, t.TempDir())
	s := startIn(t, l, l.From, "serve", with(c.serve, append(serveFlags, "--await", "1", "--end-at-eof", "--linger", "1m")...)...)
	s.ready("\"started\"")
	// All of it fits the buffer: only the link loses something, however busy this
	// machine is.
	r := startIn(t, l, l.To, "listen", with(c.listen, "--receive-buffer", "64MiB")...)
	r.wait(0)
	s.dismiss()
	served = s.summary()
	if heard = complete(t, served, r); heard.Delivered != served.Messages {
		t.Errorf("%d of %d messages delivered", heard.Delivered, served.Messages)
	}
	return served, heard
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
				served, r := overLink(t, l, []string{"--source", "synth:7", "--pace", c.pace, "--count", fmt.Sprint(c.messages), "--wait", "spin"})
				chance(t, served, r, permille)
			})
		}
	}
}

// chance holds the packets that neither line brought against what two independent
// losses of a share p predict: p*p of those sent. What the sending kernel had no room
// for may come on top. It also holds the requests against the gaps.
func chance(t *testing.T, served, r summary, permille int) {
	t.Helper()
	p := float64(permille) / 1000
	sent, unsent := served.Packets, served.Lines[0].Errors+served.Lines[1].Errors
	want, got := float64(sent)*p*p, float64(sent-r.Lines[0].First-r.Lines[1].First)
	t.Logf("%d packets, %.0f lost twice, chance says %.1f; %d gaps, %d requests, %d messages repaired, %d datagrams not sent, %d dropped at the receiver", sent, got, want, r.Gaps, r.Requests, r.Repaired, unsent, r.KernelDrops)
	// Of few, chance itself makes more than 40 %: four standard deviations then.
	if permille >= 10 && math.Abs(got-want) > max(0.4*want, 4*math.Sqrt(want))+float64(unsent) {
		t.Errorf("%.0f packets lost twice, chance says %.1f", got, want)
	}
	if permille == 10 && float64(r.Requests) > math.Ceil(1.1*float64(r.Gaps)) {
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
	_, r := overLink(t, l, []string{"--source", "synth:8", "--pace", "50000/s", "--count", fmt.Sprint(sized(million, 200_000)), "--wait", "spin"})
	if r.Repaired == 0 || r.Gaps == 0 {
		t.Errorf("%d gaps, %d messages repaired: the bursts did not happen", r.Gaps, r.Repaired)
	}
}

func TestLineADead(t *testing.T) {
	l := netlab.NewLink(t)
	l.Rules("ip daddr " + groupA + " drop")
	_, r := overLink(t, l, []string{"--source", "synth:9", "--pace", "50000/s", "--count", fmt.Sprint(sized(million, 100_000))})
	if r.Requests != 0 || r.Lines[0].Packets != 0 {
		t.Errorf("%d requests, %d packets on the dead line", r.Requests, r.Lines[0].Packets)
	}
}
