package multicast

import (
	"errors"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/tools/netlab"
	"golang.org/x/sys/unix"
)

// in runs fn in a network namespace. Sockets that fn opens stay there. fn runs on
// a goroutine of its own: it must not end the test.
func in(t *testing.T, ns string, fn func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- enter(ns, fn)
	}()
	if err := <-done; err != nil {
		t.Skipf("cannot enter namespace %s: %v", ns, err)
	}
}

func enter(ns string, fn func()) error {
	fd, err := unix.Open("/var/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return err
	}
	fn()
	return nil
}

// without runs fn on a thread that has lost a capability.
func without(t *testing.T, capability uint, fn func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var d [2]unix.CapUserData
		err := unix.Capget(&h, &d[0])
		if err == nil {
			d[0].Effective &^= 1 << capability
			err = unix.Capset(&h, &d[0])
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("cannot give a capability up: %v", err)
	}
}

// pair opens a publisher at one end of l and a receiver at the other.
func pair(t *testing.T, l *netlab.Link, group string, m Method) (p *Publisher, r *Receiver) {
	t.Helper()
	var errP, errR error
	to := netip.MustParseAddrPort(group)
	in(t, l.To, func() { r, errR = NewReceiver(ReceiverConfig{Line: Line{Group: to, Interface: l.ToIf}}) })
	in(t, l.From, func() {
		p, errP = NewPublisher(PublisherConfig{Lines: []Line{{Group: to, Interface: l.FromIf}}, Method: m})
	})
	if errP != nil || errR != nil {
		t.Fatal(errP, errR)
	}
	t.Cleanup(func() { p.Close(); r.Close() })
	return p, r
}

func must(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, out)
	}
}

func TestOverVeth(t *testing.T) {
	l := netlab.NewLink(t)
	must(t, l.Command(l.From, "ip", "addr", "add", "fd77::1/64", "dev", l.FromIf, "nodad"))
	must(t, l.Command(l.To, "ip", "addr", "add", "fd77::2/64", "dev", l.ToIf, "nodad"))
	ps := packetsOf(t, append(same(100, 1400), 1390, 200, 1400)...)
	for _, offload := range []string{"on", "off"} {
		must(t, l.Command(l.From, "ethtool", "-K", l.FromIf, "tx", offload))
		for _, group := range []string{"239.77.1.1:5001", "[ff15::7a:1]:5002"} {
			for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
				p, r := pair(t, l, group, m)
				if err := p.Send(ps); err != nil {
					t.Fatalf("offload %s, %s, %v: %v", offload, group, m, err)
				}
				checkPackets(t, receive(t, r, len(ps)), ps)
			}
		}
	}
}

func TestPublisherRefusesFragments(t *testing.T) {
	l := netlab.NewLink(t)
	line := Line{Group: netip.MustParseAddrPort("239.77.1.1:5001"), Interface: l.FromIf}
	ps := packetsOf(t, same(3, 1472)...)
	in(t, l.From, func() {
		_, err := NewPublisher(PublisherConfig{Lines: []Line{line}, PacketSize: 1473})
		if !errors.Is(err, ErrFragment) || !strings.Contains(err.Error(), "MTU 1500, so at most 1472") {
			t.Errorf("error %v", err)
		}
	})
	in(t, l.From, func() {
		p, err := NewPublisher(PublisherConfig{Lines: []Line{line}, PacketSize: 1472})
		if err != nil {
			t.Error(err)
			return
		}
		defer p.Close()
		if err := p.Send(ps); err != nil {
			t.Error(err)
		}
	})
}

// What happens to an interface later is counted by its reason.
func TestPublisherCountsErrors(t *testing.T) {
	l := netlab.NewLink(t)
	ps := packetsOf(t, same(3, 1400)...)
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		must(t, l.Command(l.From, "ip", "link", "set", l.FromIf, "mtu", "1500", "up"))
		p, r := pair(t, l, "239.77.1.1:5001", m)
		must(t, l.Command(l.From, "ip", "link", "set", l.FromIf, "mtu", "1300"))
		if err := p.Send(ps); !errors.Is(err, ErrUnsent) {
			t.Errorf("%v, packets longer than the MTU: error %v", m, err)
		}
		must(t, l.Command(l.From, "ip", "link", "set", l.FromIf, "down"))
		if err := p.Send(ps); !errors.Is(err, ErrUnsent) {
			t.Errorf("%v, interface down: error %v", m, err)
		}
		must(t, l.Command(l.From, "ip", "link", "set", l.FromIf, "mtu", "1500", "up"))
		s := p.Stats()[0]
		if s.Failed != 6 || s.Packets != 0 || len(s.Errors) != 2 {
			t.Errorf("%v: %+v", m, s)
		}
		if err := p.Send(ps); err != nil {
			t.Errorf("%v, mended: error %v", m, err)
		}
		checkPackets(t, receive(t, r, 3), ps)
	}
}

func TestInterfaceDown(t *testing.T) {
	l := netlab.NewLink(t)
	must(t, l.Command(l.From, "ip", "link", "set", l.FromIf, "down"))
	in(t, l.From, func() {
		_, err := FindInterface(l.FromIf)
		if err == nil || !strings.Contains(err.Error(), "ip link set "+l.FromIf+" up") {
			t.Errorf("error %v; want the remedy", err)
		}
	})
}
