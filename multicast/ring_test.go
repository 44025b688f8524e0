package multicast

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/tools/netlab"
	"github.com/tapecast/tapecast/tools/testenv"
	"golang.org/x/sys/unix"
)

// openRing opens a ring, or skips the test where it may not.
func openRing(t testing.TB, c ReceiverConfig) *Ring {
	t.Helper()
	needRing(t)
	r, err := NewRing(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func needRing(t testing.TB) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		testenv.Missing(t, "netns", err)
	}
	unix.Close(fd)
}

// Every packet comes once, as it was sent, by every send method, on loopback, where
// the kernel shows each frame as it leaves and as it arrives.
func TestRingOnLoopback(t *testing.T) {
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		line := loLine(t)
		other := Line{Group: netip.AddrPortFrom(line.Group.Addr(), line.Group.Port()^1), Interface: "lo"}
		r := openRing(t, ReceiverConfig{Line: line, Index: 1})
		p := openPublisher(t, PublisherConfig{Lines: []Line{other, line}, Method: m})
		ps := packetsOf(t, append(same(60, 1400), 300, 64, 1399, 1300, 2100, 9000)...)
		if err := p.Send(ps); err != nil {
			t.Fatal(err)
		}
		g := receive(t, r, len(ps))
		checkPackets(t, g, ps)
		nothing(t, r)
		if g.rx[0] == 0 || g.lines[0] != 1 {
			t.Errorf("%v: stamp %d, line %d", m, g.rx[0], g.lines[0])
		}
		if s := r.Stats(); s.Datagrams != 66 || s.Drops != 0 || s.Refused != [Refusals]uint64{} {
			t.Errorf("%v: %+v", m, s)
		}
	}
}

// A batch that comes as one frame is one read, and its datagrams share the stamp.
func TestRingReadsBatches(t *testing.T) {
	line := loLine(t)
	r := openRing(t, ReceiverConfig{Line: line})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	if m, reason := p.Method(); m != MethodGSO {
		t.Skip(reason)
	}
	ps := packetsOf(t, same(46, 1400)...)
	p.Send(ps)
	checkPackets(t, receive(t, r, 46), ps)
	if s := r.Stats(); s.Calls != 1 || s.Bytes != 46*1400 {
		t.Errorf("46 packets sent as one were not read as one: %+v", s)
	}
}

func TestRingSource(t *testing.T) {
	line := loLine(t)
	from := func(a string) Line {
		l := line
		l.Source = netip.MustParseAddr(a)
		return l
	}
	r := openRing(t, ReceiverConfig{Line: from("127.0.0.2")})
	wanted := openPublisher(t, PublisherConfig{Lines: []Line{from("127.0.0.2")}})
	other := openPublisher(t, PublisherConfig{Lines: []Line{from("127.0.0.3")}})
	ps := packetsOf(t, 100, 200)
	other.Send(ps[:1])
	wanted.Send(ps[1:])
	checkPackets(t, receive(t, r, 1), ps[1:])
	nothing(t, r)
}

// A full ring drops, counts, and goes on in order.
func TestRingCountsDrops(t *testing.T) {
	line := loLine(t)
	r := openRing(t, ReceiverConfig{Line: line, Buffer: ringBlock})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodMMsg})
	ps := packetsOf(t, same(100, 1400)...)
	p.Send(ps)
	const slots = ringBlock / leastSlot
	if drops, err := r.Drops(); drops != uint64(len(ps)-slots) || err != nil {
		t.Fatalf("%d drops, %v; want %d", drops, err, len(ps)-slots)
	}
	checkPackets(t, receive(t, r, slots), ps[:slots])
	p.Send(ps[:3])
	checkPackets(t, receive(t, r, 3), ps[:3])
	if drops, err := r.Drops(); drops != uint64(len(ps)-slots) || err != nil {
		t.Errorf("%d drops, %v, after nothing more was lost", drops, err)
	}
}

// A batch for which the queue has no room is this host's loss.
func TestRingCountsBatchesWithoutRoom(t *testing.T) {
	line := loLine(t)
	r := openRing(t, ReceiverConfig{Line: line})
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodSingle})
	ps := packetsOf(t, append(same(10, 9000), 100)...)
	p.Send(ps)
	g := &got{}
	for r.pending() {
		r.Receive(1, g)
	}
	s := r.Stats()
	if s.Drops == 0 || s.Drops != s.Truncated || int(s.Drops)+len(g.datagrams) != len(ps) || checkPacket(g.datagrams[len(g.datagrams)-1], ps[10]) != nil {
		t.Errorf("%d datagrams of %d, %+v", len(g.datagrams), len(ps), s)
	}
}

func TestRingRefusesWhereItCannotWork(t *testing.T) {
	needRing(t)
	_, err := NewRing(ReceiverConfig{Line: Line{Group: netip.MustParseAddrPort("[ff15::7a:1]:5002"), Interface: "lo"}})
	if !errors.Is(err, ErrRing) || !strings.Contains(err.Error(), "not IPv4") {
		t.Errorf("IPv6 group: error %v", err)
	}
	l := netlab.NewLink(t)
	must(t, l.Command(l.To, "ip", "tuntap", "add", "tun7", "mode", "tun"))
	must(t, l.Command(l.To, "ip", "link", "set", "tun7", "up"))
	in(t, l.To, func() {
		_, err := NewRing(ReceiverConfig{Line: Line{Group: netip.MustParseAddrPort("239.77.1.1:5001"), Interface: "tun7"}})
		if !errors.Is(err, ErrRing) || !strings.Contains(err.Error(), "neither Ethernet nor loopback") {
			t.Errorf("tun: error %v", err)
		}
	})
}

// Without the capability the error says what is missing and what else would do.
func TestRingNeedsACapability(t *testing.T) {
	line := loLine(t)
	check := func() {
		_, err := NewRing(ReceiverConfig{Line: line})
		if !errors.Is(err, ErrRing) || !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_RAW") {
			t.Errorf("error %v", err)
		}
	}
	if os.Geteuid() != 0 {
		check()
		return
	}
	without(t, unix.CAP_NET_RAW, check)
}

func TestRingOverVeth(t *testing.T) {
	l := netlab.NewLink(t)
	ps := packetsOf(t, append(same(100, 1400), 1390, 200, 64, 1400)...)
	for _, offload := range []string{"on", "off"} {
		must(t, l.Command(l.From, "ethtool", "-K", l.FromIf, "tx", offload))
		for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
			p, r := ringPair(t, l, l.ToIf, m)
			if err := p.Send(ps); err != nil {
				t.Fatalf("offload %s, %v: %v", offload, m, err)
			}
			checkPackets(t, receive(t, r, len(ps)), ps)
			nothing(t, r)
			if s := r.Stats(); s.Refused != [Refusals]uint64{} {
				t.Errorf("offload %s, %v: %+v", offload, m, s)
			}
		}
	}
}

// ringPair opens a publisher at one end of l and a ring on an interface at the other.
func ringPair(t *testing.T, l *netlab.Link, ifi string, m Method) (p *Publisher, r *Ring) {
	t.Helper()
	var errP, errR error
	to := netip.MustParseAddrPort("239.77.1.1:5001")
	in(t, l.To, func() { r, errR = NewRing(ReceiverConfig{Line: Line{Group: to, Interface: ifi}}) })
	in(t, l.From, func() {
		p, errP = NewPublisher(PublisherConfig{Lines: []Line{{Group: to, Interface: l.FromIf}}, Method: m})
	})
	if errP != nil || errR != nil {
		t.Fatal(errP, errR)
	}
	t.Cleanup(func() { p.Close(); r.Close() })
	return p, r
}

// The ring keeps the membership, for as long as it is open.
func TestRingJoins(t *testing.T) {
	l := netlab.NewLink(t)
	_, r := ringPair(t, l, l.ToIf, MethodSingle)
	member := func() bool {
		out, err := l.Command(l.To, "ip", "maddr", "show", "dev", l.ToIf).Output()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(out, []byte("239.77.1.1"))
	}
	if !member() {
		t.Error("not a member of the group")
	}
	r.Close()
	if member() {
		t.Error("still a member after Close")
	}
}

// inject sends Ethernet frames to the group's address from an interface.
func inject(ifi string, frames ...[]byte) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	i, err := net.InterfaceByName(ifi)
	if err != nil {
		return err
	}
	for _, f := range frames {
		f = append([]byte{1, 0, 0x5e, 77, 1, 1, 2, 0, 0, 0, 0, 1}, f...)
		if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
			return err
		}
	}
	return nil
}

// What does not come in one plain, undamaged datagram is counted, not delivered.
func TestRingCountsWhatItRefuses(t *testing.T) {
	l := netlab.NewLink(t)
	p, r := ringPair(t, l, l.ToIf, MethodSingle)
	ps := packetsOf(t, 1400, 300)
	good := ipPacket([]byte{148, 4, 0, 0}, ps[1])
	bad := append([]byte(nil), good...)
	bad[60] ^= 1
	in(t, l.From, func() {
		err := inject(l.FromIf,
			append([]byte{0x81, 0, 0, 5, 8, 0}, good...),    // VLAN 5, which is not here
			append([]byte{0x81, 0, 0xe0, 0, 8, 0}, good...), // no VLAN, priority 7
			append([]byte{8, 0}, bad...),
			append([]byte{8, 0}, good...))
		if err != nil {
			t.Error(err)
		}
		unix.SetsockoptInt(p.lines[0].fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
		unix.Write(p.lines[0].fd, make([]byte, 4000)) // three fragments
	})
	p.Send(ps[:1])
	checkPackets(t, receive(t, r, 3), []wire.Packet{ps[1], ps[1], ps[0]})
	want := [Refusals]uint64{RefusedElsewhere: 1, RefusedFragment: 3, RefusedChecksum: 1}
	if s := r.Stats(); s.Refused != want {
		t.Errorf("refused %v, want %v", s.Refused, want)
	}
}

// The interface of a VLAN hears its VLAN; the one below it does not.
func TestRingOnVLAN(t *testing.T) {
	l := netlab.NewLink(t)
	for _, end := range [][2]string{{l.From, l.FromIf}, {l.To, l.ToIf}} {
		add := l.Command(end[0], "ip", "link", "add", "link", end[1], "name", "v5", "type", "vlan", "id", "5")
		if out, err := add.CombinedOutput(); err != nil {
			t.Skipf("no VLAN interfaces: %s", out)
		}
		must(t, l.Command(end[0], "ip", "link", "set", "v5", "up"))
	}
	must(t, l.Command(l.From, "ip", "addr", "add", "198.51.100.1/24", "dev", "v5"))
	_, below := ringPair(t, l, l.ToIf, MethodSingle)
	_, on := ringPair(t, l, "v5", MethodSingle)
	ps := packetsOf(t, 1400, 200)
	in(t, l.From, func() {
		p, err := NewPublisher(PublisherConfig{Lines: []Line{{Group: on.Group, Interface: "v5"}}})
		if err != nil {
			t.Error(err)
			return
		}
		defer p.Close()
		p.Send(ps)
	})
	checkPackets(t, receive(t, on, 2), ps)
	nothing(t, below)
	if s := below.Stats(); s.Refused != [Refusals]uint64{} {
		t.Errorf("the interface below refused %v", s.Refused)
	}
}

// An interface that goes down is told once; when it is up again, so is the ring.
func TestRingSurvivesItsInterface(t *testing.T) {
	l := netlab.NewLink(t)
	p, r := ringPair(t, l, l.ToIf, MethodSingle)
	must(t, l.Command(l.To, "ip", "link", "set", l.ToIf, "down"))
	if _, err := r.Drops(); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("interface down: error %v", err)
	}
	if _, err := r.Drops(); err != nil {
		t.Errorf("told again: %v", err)
	}
	must(t, l.Command(l.To, "ip", "link", "set", l.ToIf, "up"))
	ps := packetsOf(t, 1400)
	for r.Stats().Datagrams == 0 { // the link takes a moment
		p.Send(ps)
		r.Receive(1, &got{})
	}
}

// A whole subscription by ring.
func TestSubscribeByRing(t *testing.T) {
	needRing(t)
	for _, how := range []Wait{WaitBlock, WaitSpin} {
		r := startRig(t, loLine(t), loLine(t))
		h := newReader()
		h.notify = 1
		r.publish(1)
		o := listen(t, r, Config{Method: ReceiveRing, Wait: how}, h)
		<-h.ready
		for range 50 {
			r.publish(20)
		}
		o.finish(t, r)
		h.check(t, r.tape)
		live := h.from[recovery.LineA] + h.from[recovery.LineB]
		if s := o.Stats(); live == 0 || h.stamps < live || s.Sockets[1].Datagrams == 0 {
			t.Errorf("%v: deliveries by provenance %v, stamped %d, counters %+v", how, h.from, h.stamps, s.Sockets)
		}
	}
}

func TestReceiveMethodText(t *testing.T) {
	for _, m := range []ReceiveMethod{ReceiveSockets, ReceiveRing} {
		var back ReceiveMethod
		if err := back.UnmarshalText([]byte(m.String())); err != nil || back != m {
			t.Errorf("%v: read back as %v, %v", m, back, err)
		}
	}
	var m ReceiveMethod
	if err := m.UnmarshalText([]byte("xdp")); !errors.Is(err, ErrMethod) {
		t.Errorf("unknown name: error %v", err)
	}
	if _, err := Open(Config{Lines: []Line{{}}, Method: 9}, newReader()); !errors.Is(err, ErrMethod) {
		t.Errorf("unknown method: error %v", err)
	}
}
