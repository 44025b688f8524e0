package multicast

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

func TestPublisherMethods(t *testing.T) {
	batches := map[string][]int{
		"one":       {300},
		"equal":     same(100, 1400),
		"cheap pad": {1400, 1380, 1400, 1390, 1400, 1351},
		"mixed":     {1400, 100, 101, 1400, 1400, 90, 900, 900, 850},
		"rising":    {100, 200, 300, 400, 500, 600},
	}
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		for _, apart := range []bool{false, true} {
			for name, sizes := range batches {
				t.Run(fmt.Sprintf("%v/apart=%v/%s", m, apart, name), func(t *testing.T) {
					line := loLine(t)
					r := openReceiver(t, ReceiverConfig{Line: line, Apart: apart})
					p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: m})
					ps := packetsOf(t, sizes...)
					if err := p.Send(ps); err != nil {
						t.Fatal(err)
					}
					g := receive(t, r, len(ps))
					checkPackets(t, g, ps)
					for i, rx := range g.rx {
						if rx == 0 {
							t.Fatalf("datagram %d has no receive stamp", i)
						}
					}
				})
			}
		}
	}
}

func TestPublisherAutoTakesTheFastest(t *testing.T) {
	p := openPublisher(t, PublisherConfig{Lines: []Line{loLine(t), loLine(t)}})
	m, reason := p.Method()
	if m != MethodGSO {
		t.Skipf("this kernel has no UDP_SEGMENT: %s", reason)
	}
	if reason == "" {
		t.Error("no reason given")
	}
	for _, s := range p.Stats() {
		if s.Packets != 0 || s.Sends != 0 || s.Failed != 0 {
			t.Errorf("probing was counted: %+v", s)
		}
	}
}

func TestPublisherProbeReachesNobody(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	ps := packetsOf(t, 200)
	p.Send(ps)
	checkPackets(t, receive(t, r, 1), ps)
	nothing(t, r)
}

func TestPublisherBothLinesGetEverything(t *testing.T) {
	a, b := loLine(t), loLine(t)
	ra := openReceiver(t, ReceiverConfig{Line: a, Index: 0})
	rb := openReceiver(t, ReceiverConfig{Line: b, Index: 1})
	p := openPublisher(t, PublisherConfig{Lines: []Line{a, b}})
	ps := packetsOf(t, same(150, 1200)...)
	if err := p.Send(ps); err != nil {
		t.Fatal(err)
	}
	checkPackets(t, receive(t, ra, len(ps)), ps)
	g := receive(t, rb, len(ps))
	checkPackets(t, g, ps)
	if g.lines[0] != 1 {
		t.Errorf("line index is %d, want 1", g.lines[0])
	}
	for _, s := range p.Stats() {
		if s.Packets != 150 || s.Bytes != 150*1200 || s.Padding != 0 {
			t.Errorf("counters: %+v", s)
		}
	}
}

// The plan of any batch must carry every packet once and in order, keep the
// kernel's limits, and pad little.
func TestPlan(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		ps := make([]wire.Packet, 1+rng.IntN(200))
		size := 64 + rng.IntN(3000)
		for i := range ps {
			if rng.IntN(20) == 0 {
				size = 64 + rng.IntN(9000)
			}
			ps[i] = make(wire.Packet, size-rng.IntN(min(60, size)))
		}
		if err := checkPlans(ps); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func checkPlans(ps []wire.Packet) error {
	v := newVector()
	for len(ps) > 0 {
		n := v.plan(ps, maxSegments)
		if n < 1 || n > len(ps) {
			return fmt.Errorf("planned %d of %d", n, len(ps))
		}
		for _, r := range v.runs[:v.n] {
			if err := checkRun(r, ps[:r.packets]); err != nil {
				return err
			}
			ps, n = ps[r.packets:], n-r.packets
		}
		if n != 0 {
			return fmt.Errorf("runs and plan differ by %d", n)
		}
	}
	return nil
}

func checkRun(r run, ps []wire.Packet) error {
	sum := 0
	for i, p := range ps {
		sum += len(p)
		if len(p) > r.size || i == len(ps)-1 && r.packets > 1 && len(p) > r.size {
			return fmt.Errorf("packet of %d bytes in a run of %d", len(p), r.size)
		}
	}
	if r.bytes != sum+r.padding || r.packets > maxSegments || r.packets > 1 && r.bytes > maxRun {
		return fmt.Errorf("run %+v holds %d bytes", r, sum)
	}
	if r.padding*padShare > r.bytes {
		return fmt.Errorf("run %+v pads too much", r)
	}
	return nil
}

func TestPlanSplitsAtSizeChanges(t *testing.T) {
	cases := []struct {
		sizes, want []int // want: packets of each run
	}{
		{[]int{1400}, []int{1}},
		{same(46, 1400), []int{46}},
		{same(60, 1400), []int{46, 14}},
		{same(130, 100), []int{64}},
		{[]int{1400, 1400, 700}, []int{3}},
		{[]int{700, 1400}, []int{1, 1}},
		{[]int{1400, 700, 1400}, []int{2, 1}},
		{append([]int{100}, same(40, 1400)...), []int{41}},
	}
	for _, c := range cases {
		v := newVector()
		v.plan(packetsOf(t, c.sizes...), maxSegments)
		var have []int
		for _, r := range v.runs[:v.n] {
			have = append(have, r.packets)
		}
		if fmt.Sprint(have) != fmt.Sprint(c.want) {
			t.Errorf("%v: runs of %v packets, want %v", c.sizes, have, c.want)
		}
	}
}

func TestPublisherRefusesBadConfig(t *testing.T) {
	group := netip.MustParseAddrPort("239.1.1.1:5001")
	line := Line{Group: group, Interface: "lo"}
	cases := []struct {
		name string
		cfg  PublisherConfig
		want error
		says string
	}{
		{"no line", PublisherConfig{}, ErrLines, "one or two"},
		{"three lines", PublisherConfig{Lines: []Line{line, line, line}}, ErrLines, "not 3"},
		{"no such interface", PublisherConfig{Lines: []Line{{Group: group, Interface: "nope0"}}}, ErrInterface, "there are lo"},
		{"no interface", PublisherConfig{Lines: []Line{{Group: group}}}, ErrInterface, "lo"},
		{"not a group", PublisherConfig{Lines: []Line{line, {Group: netip.MustParseAddrPort("192.0.2.1:5001"), Interface: "lo"}}}, ErrGroup, "line B: 192.0.2.1:5001"},
		{"no port", PublisherConfig{Lines: []Line{{Group: netip.MustParseAddrPort("239.1.1.1:0"), Interface: "lo"}}}, ErrGroup, "port"},
		{"MTU", PublisherConfig{Lines: []Line{line}, PacketSize: 65600}, ErrFragment, "at most 65507"},
		{"TTL", PublisherConfig{Lines: []Line{line}, TTL: 256}, ErrTTL, "1 to 255"},
		{"method", PublisherConfig{Lines: []Line{line}, Method: 9}, ErrMethod, "9"},
		{"versions", PublisherConfig{Lines: []Line{{Group: group, Interface: "lo", Source: netip.IPv6Loopback()}}}, ErrFamily, "::1"},
	}
	for _, c := range cases {
		p, err := NewPublisher(c.cfg)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: error %v; want %v, saying %q", c.name, err, c.want, c.says)
		}
		if p != nil {
			p.Close()
		}
	}
}

func TestPublisherFindsInterfaceByAddress(t *testing.T) {
	line := loLine(t)
	line.Interface = "127.0.0.1"
	r := openReceiver(t, ReceiverConfig{Line: line})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	ps := packetsOf(t, 100)
	p.Send(ps)
	checkPackets(t, receive(t, r, 1), ps)
}

// What one line's kernel refuses is counted there, and the other line gets all.
func TestPublisherLineFailureIsAlone(t *testing.T) {
	a, b := loLine(t), loLine(t)
	ra := openReceiver(t, ReceiverConfig{Line: a})
	p := openPublisher(t, PublisherConfig{Lines: []Line{a, b}})
	broken := p.lines[1].fd
	p.lines[1].fd = -1
	t.Cleanup(func() { p.lines = nil; closeAll(broken) })
	closeFirst := p.lines[0].fd
	t.Cleanup(func() { closeAll(closeFirst) })
	ps := packetsOf(t, same(10, 1000)...)
	if err := p.Send(ps); err != nil {
		t.Fatalf("one line is sound, yet: %v", err)
	}
	checkPackets(t, receive(t, ra, 10), ps)
	s := p.Stats()[1]
	if s.Failed != 10 || s.Packets != 0 || len(s.Errors) != 1 || s.Errors[0].Errno.Error() != "bad file descriptor" {
		t.Errorf("counters of the broken line: %+v", s)
	}
	p.lines[0].fd = -1
	if err := p.Send(ps); !errors.Is(err, ErrUnsent) {
		t.Errorf("both lines broken: error %v", err)
	}
}

func TestMethodText(t *testing.T) {
	for _, m := range []Method{MethodAuto, MethodSingle, MethodMMsg, MethodGSO} {
		var back Method
		if err := back.UnmarshalText([]byte(m.String())); err != nil || back != m {
			t.Errorf("%v: read back as %v, %v", m, back, err)
		}
	}
	var m Method
	if err := m.UnmarshalText([]byte("fast")); !errors.Is(err, ErrMethod) {
		t.Errorf("unknown name: error %v", err)
	}
}

// pipeLine puts a socket pair in place of p's line i, whose other end takes a few
// packets and then is full, as a slow interface is.
func pipeLine(t *testing.T, p *Publisher, i int) (end int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(p.lines[i].fd)
	p.lines[i].fd = pair[0]
	t.Cleanup(func() { unix.Close(pair[1]) })
	return pair[1]
}

func TestPublisherStuckLineWaitsOnce(t *testing.T) {
	a, b := loLine(t), loLine(t)
	rb := openReceiver(t, ReceiverConfig{Line: b})
	p := openPublisher(t, PublisherConfig{Lines: []Line{a, b}, Method: MethodMMsg})
	pipeLine(t, p, 0)
	ps := packetsOf(t, same(500, 1000)...)
	for range 3 {
		if err := p.Send(ps); err != nil {
			t.Fatal(err)
		}
	}
	s := p.Stats()
	if s[0].Waits != 1 || s[0].Packets == 0 || s[0].Packets+s[0].Failed != 1500 || s[0].Errors[0].Errno != unix.EAGAIN {
		t.Errorf("stuck line: %+v", s[0])
	}
	if s[1].Packets != 1500 || s[1].Failed != 0 {
		t.Errorf("the other line: %+v", s[1])
	}
	receive(t, rb, 1500)
}

func TestPublisherWaitsForASlowLine(t *testing.T) {
	p := openPublisher(t, PublisherConfig{Lines: []Line{loLine(t)}, Method: MethodMMsg})
	end := pipeLine(t, p, 0)
	const sent = 2000
	read := make(chan int)
	go func() {
		for p.lines[0].waits.Load() == 0 { // until the line is full
			runtime.Gosched()
		}
		n, b := 0, make([]byte, 2000)
		for ; n < sent; n++ {
			if _, err := unix.Read(end, b); err != nil {
				break
			}
		}
		read <- n
	}()
	err := p.Send(packetsOf(t, same(sent, 1000)...))
	s := p.Stats()[0]
	if s.Failed > 0 { // the reader did not run for 5 ms
		unix.Shutdown(end, unix.SHUT_RDWR)
		<-read
		t.Skipf("this machine is too busy: %+v", s)
	}
	if n := <-read; err != nil || n != sent || s.Waits == 0 {
		t.Errorf("%d of %d arrived, error %v, %+v", n, sent, err, s)
	}
}

func TestPublisherGivesSegmentsUp(t *testing.T) {
	p := openPublisher(t, PublisherConfig{Lines: []Line{loLine(t)}})
	if p.demoted([MaxLines]unix.Errno{unix.ENOBUFS}) {
		t.Error("gave UDP_SEGMENT up for a passing error")
	}
	if !p.demoted([MaxLines]unix.Errno{unix.EIO}) {
		t.Error("kept UDP_SEGMENT, which the interface refuses")
	}
	if m, reason := p.Method(); m != MethodMMsg || !strings.Contains(reason, "line A") {
		t.Errorf("now %v: %s", m, reason)
	}
}
