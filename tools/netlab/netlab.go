// Package netlab makes small networks for tests: network namespaces joined by veth
// pairs, with nftables rules that lose packets. Everything that it makes, the test
// that asked for it removes when it ends.
//
// nftables sees a batch of UDP_SEGMENT as one packet, so a Link turns
// tx-udp-segmentation off at both ends, and drops in the netdev ingress chain of
// the receiving end, before any socket, AF_PACKET included.
package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tapecast/tapecast/tools/testenv"
)

var serial atomic.Int64

// Link is two namespaces joined by one veth pair: what From sends, To receives.
type Link struct {
	From, To         string // namespaces
	FromIf, ToIf     string // interfaces in them
	FromAddr, ToAddr string // IPv4 addresses

	t testing.TB
}

// NewLink makes a link, or skips t where that is not possible.
func NewLink(t testing.TB) *Link {
	t.Helper()
	l := newLink(t)
	t.Cleanup(l.remove)
	l.namespace(l.From)
	l.namespace(l.To)
	l.must("ip", "link", "add", l.FromIf, "netns", l.From, "type", "veth", "peer", "name", l.ToIf, "netns", l.To)
	l.up(l.From, l.FromIf, l.FromAddr)
	l.up(l.To, l.ToIf, l.ToAddr)
	return l
}

// newLink names the parts of a link and makes none.
func newLink(t testing.TB) *Link {
	t.Helper()
	testenv.NetNS(t)
	id := fmt.Sprintf("%d-%d", os.Getpid(), serial.Add(1))
	return &Link{
		From: "tca-" + id, To: "tcb-" + id, FromIf: "va", ToIf: "vb",
		FromAddr: "192.0.2.1", ToAddr: "192.0.2.2", t: t,
	}
}

// namespace makes one, or skips the test where the kernel will not.
func (l *Link) namespace(name string) {
	l.t.Helper()
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		testenv.Missing(l.t, "netns", fmt.Errorf("ip netns add: %w: %s", err, out))
	}
}

func (l *Link) up(ns, ifi, addr string) {
	l.t.Helper()
	l.in(ns, "ip", "addr", "add", addr+"/24", "dev", ifi)
	l.in(ns, "ip", "link", "set", "lo", "up")
	l.in(ns, "ip", "link", "set", ifi, "txqueuelen", "10000", "up")
	l.in(ns, "ethtool", "-K", ifi, "tx-udp-segmentation", "off")
}

// Batches lets a batch of UDP_SEGMENT cross the link in one piece: a receiver with
// UDP_GRO gets it as one read. Rules then see one packet.
func (l *Link) Batches() {
	l.t.Helper()
	l.in(l.From, "ethtool", "-K", l.FromIf, "tx-udp-segmentation", "on")
	l.in(l.To, "ethtool", "-K", l.ToIf, "tx-udp-segmentation", "on")
}

// in runs a command in a namespace.
func (l *Link) in(ns string, args ...string) {
	l.t.Helper()
	l.must("ip", append([]string{"netns", "exec", ns}, args...)...)
}

func (l *Link) remove() {
	run("ip", "netns", "del", l.From)
	run("ip", "netns", "del", l.To)
}

// run runs a command of which nothing is expected.
func run(name string, args ...string) { _ = exec.Command(name, args...).Run() }

func (l *Link) must(name string, args ...string) {
	l.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// Rules replaces the rules that packets meet as they arrive at To. Each is one
// nftables rule without its verdict's table, such as
//
//	ip daddr 239.255.0.1 numgen random mod 1000 < 10 drop
func (l *Link) Rules(rules ...string) {
	l.t.Helper()
	l.rules(l.To, "ingress", l.ToIf, rules)
}

// Leaving replaces the rules that packets meet as they leave From. The kernel
// duplicates there, and not where they arrive:
//
//	ip daddr 239.255.0.1 numgen random mod 100 < 5 dup to "va"
func (l *Link) Leaving(rules ...string) {
	l.t.Helper()
	l.rules(l.From, "egress", l.FromIf, rules)
}

func (l *Link) rules(ns, hook, ifi string, rules []string) {
	l.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "table netdev %[1]s {}\ndelete table netdev %[1]s\ntable netdev %[1]s {\nchain c {\ntype filter hook %[1]s device %[2]q priority 0;\n", hook, ifi)
	for _, r := range rules {
		fmt.Fprintf(&b, "%s;\n", r)
	}
	b.WriteString("}\n}\n")
	cmd := l.Command(ns, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("nft: %v: %s\n%s", err, out, b.String())
	}
}

// Command is a command that runs in the namespace ns.
func (l *Link) Command(ns, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns, name}, args...)...)
}
