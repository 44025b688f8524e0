package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/tapecast/tapecast/tools/netlab"
)

// groups is the lines of newChannel on a link.
func groups() []netip.AddrPort {
	return []netip.AddrPort{netip.MustParseAddrPort(groupA + ":30001"), netip.MustParseAddrPort(groupB + ":30002")}
}

// TestDamagedDatagrams: on both lines and at once, datagrams are dropped one by one
// and in bursts of 50, arrive twice, and are changed with a checksum that holds: in
// the header, and in the payload. What is damaged is counted and never delivered.
func TestDamagedDatagrams(t *testing.T) {
	l := netlab.NewLink(t)
	var twice, damage []string
	for _, g := range []string{groupA, groupB} {
		to := "ip daddr " + g + " "
		twice = append(twice, to+fmt.Sprintf("numgen random mod 100 < 5 dup to %q", l.FromIf))
		damage = append(damage,
			to+"numgen random mod 100 < 2 @th,80,8 set 0x5a",      // byte 2 of the packet: its header
			to+"numgen random mod 100 < 2 @th,1064,16 set 0xa55a", // bytes 125 and 126: a message
			to+"numgen random mod 100 < 3 drop",
			to+"numgen inc mod 2000 < 50 drop")
	}
	l.Leaving(twice...)
	l.Rules(damage...)
	served, r := overLink(t, l, []string{"--source", "synth:17", "--pace", "100000/s", "--count", "400000"})
	sent := served.Lines[0].Packets + served.Lines[1].Packets
	t.Logf("%d packets sent on two lines: %d bad, %d duplicates, %d gaps, %d messages repaired", sent, r.Bad, r.Duplicates, r.Gaps, r.Repaired)
	if want := sent / 100; r.Bad < want {
		t.Errorf("%d bad datagrams of %d, want at least %d", r.Bad, sent, want)
	}
	if r.Gaps == 0 || r.Repaired == 0 {
		t.Errorf("%d gaps, %d repaired: the loss did not happen", r.Gaps, r.Repaired)
	}
}

// TestDelayAndReorder: a box on the way delays every datagram of each line for
// itself, so that they overtake one another within a line and between the lines,
// keeps some back for longer than the receiver waits before it asks, sends some
// twice and some not at all. Everything arrives once, in order.
func TestDelayAndReorder(t *testing.T) {
	p := netlab.NewPath(t)
	box := p.Box(netlab.Damage{
		Seed: 2, Delay: time.Millisecond, Jitter: 4 * time.Millisecond,
		Stray: 0.1, Late: 150 * time.Millisecond, Twice: 0.05, Dropped: 0.05,
	}, groups()...)
	_, r := overLink(t, &p.Link, []string{"--source", "synth:18", "--pace", "50000/s", "--count", "150000", "--send", "single"})
	t.Logf("box: %d passed, %d kept back, %d twice, %d dropped; receiver: %d reordered, %d duplicates, %d gaps, %d requests, %d repaired",
		box.Passed.Load(), box.Strays.Load(), box.Doubled.Load(), box.Dropped.Load(), r.Reordered, r.Duplicates, r.Gaps, r.Requests, r.Repaired)
	if r.Reordered == 0 || box.Doubled.Load() == 0 || box.Strays.Load() == 0 || r.Requests == 0 {
		t.Error("not all of it happened")
	}
}
