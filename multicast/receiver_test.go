package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Two groups on one port: each socket hears its own group alone, though this host
// joined both.
func TestReceiverHearsOnlyItsGroup(t *testing.T) {
	a := loLine(t)
	b := a
	b.Group = netip.AddrPortFrom(a.Group.Addr().Next(), a.Group.Port())
	ra := openReceiver(t, ReceiverConfig{Line: a})
	rb := openReceiver(t, ReceiverConfig{Line: b})
	pa := openPublisher(t, PublisherConfig{Lines: []Line{a}})
	pb := openPublisher(t, PublisherConfig{Lines: []Line{b}})
	ps := packetsOf(t, 100, 200)
	pa.Send(ps[:1])
	pb.Send(ps[1:])
	checkPackets(t, receive(t, rb, 1), ps[1:])
	checkPackets(t, receive(t, ra, 1), ps[:1])
	nothing(t, ra)
	nothing(t, rb)
}

func TestReceiversShareAGroup(t *testing.T) {
	line := loLine(t)
	r1 := openReceiver(t, ReceiverConfig{Line: line})
	r2 := openReceiver(t, ReceiverConfig{Line: line})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	ps := packetsOf(t, same(5, 500)...)
	p.Send(ps)
	checkPackets(t, receive(t, r1, 5), ps)
	checkPackets(t, receive(t, r2, 5), ps)
}

func TestReceiverCoalescesReads(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	if m, reason := p.Method(); m != MethodGSO {
		t.Skip(reason)
	}
	ps := packetsOf(t, same(46, 1400)...)
	p.Send(ps)
	checkPackets(t, receive(t, r, 46), ps)
	if s := r.Stats(); s.Calls != 1 || s.Datagrams != 46 || s.Bytes != 46*1400 {
		t.Errorf("46 packets sent as one were not read as one: %+v", s)
	}
}

func TestReceiverCountsDropsWithoutAnotherPacket(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line, Buffer: 4096})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodMMsg})
	const sent = 200
	if err := p.Send(packetsOf(t, same(sent, 1400)...)); err != nil {
		t.Fatal(err)
	}
	drops, err := r.Drops()
	if err != nil || drops == 0 {
		t.Fatalf("%d drops, error %v; want some", drops, err)
	}
	g := receive(t, r, sent-int(drops))
	nothing(t, r)
	if again, _ := r.Drops(); again != drops || len(g.datagrams)+int(drops) != sent {
		t.Errorf("%d datagrams and %d drops, then %d; sent %d", len(g.datagrams), drops, again, sent)
	}
	// The next datagram carries the same count, which must not count twice.
	p.Send(packetsOf(t, 100))
	receive(t, r, 1)
	if s := r.Stats(); s.Drops != drops {
		t.Errorf("%d drops after another datagram, want %d", s.Drops, drops)
	}
}

func TestReceiverLearnsDropsFromTheNextPacket(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line, Buffer: 4096})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodMMsg})
	p.Send(packetsOf(t, same(200, 1400)...))
	g := &got{}
	for n := 1; n > 0; {
		n, _ = r.Receive(1, g)
	}
	p.Send(packetsOf(t, 100))
	receive(t, r, 1)
	if s := r.Stats(); int(s.Drops)+len(g.datagrams) != 200 {
		t.Errorf("%d datagrams and %d drops of 200", len(g.datagrams), s.Drops)
	}
}

func TestDropCounterWraps(t *testing.T) {
	r := &Receiver{dropped: 0xfffffffe}
	r.countDrops(3)
	r.countDrops(0xffffffff) // queued before
	r.countDrops(4)
	if n := r.drops.Load(); n != 6 {
		t.Errorf("%d drops, want 6", n)
	}
}

func TestReceiverSource(t *testing.T) {
	line := loLine(t)
	from := func(a string) Line {
		l := line
		l.Source = netip.MustParseAddr(a)
		return l
	}
	wanted, other := "127.0.0.2", "127.0.0.3"
	r := openReceiver(t, ReceiverConfig{Line: from(wanted)})
	pw := openPublisher(t, PublisherConfig{Lines: []Line{from(wanted)}})
	po := openPublisher(t, PublisherConfig{Lines: []Line{from(other)}})
	ps := packetsOf(t, 100, 200)
	po.Send(ps[:1])
	pw.Send(ps[1:])
	checkPackets(t, receive(t, r, 1), ps[1:])
	nothing(t, r)
}

func TestReceiverBufferIsClippedLoudly(t *testing.T) {
	r := &Receiver{endpoint: &endpoint{name: "line A"}, wanted: 8 << 20, buffer: 8 << 20}
	if w := r.Warning(); w != "" {
		t.Errorf("full buffer, yet %q", w)
	}
	r.buffer = 212992
	if w := r.Warning(); !strings.Contains(w, "212992") || !strings.Contains(w, "net.core.rmem_max=8388608") {
		t.Errorf("warning does not name the remedy: %q", w)
	}
}

func TestReceiverRefuses(t *testing.T) {
	line := loLine(t)
	for name, c := range map[string]struct {
		line Line
		want error
	}{
		"interface": {Line{Group: line.Group, Interface: "nope0"}, ErrInterface},
		"group":     {Line{Group: netip.MustParseAddrPort("10.0.0.1:5001"), Interface: "lo"}, ErrGroup},
		"zero":      {Line{Interface: "lo"}, ErrGroup},
	} {
		_, err := NewReceiver(ReceiverConfig{Line: c.line, Index: 1})
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), "line B") {
			t.Errorf("%s: error %v, want %v on line B", name, err, c.want)
		}
	}
}

func TestReceiverUsedPort(t *testing.T) {
	line := loLine(t)
	c, err := net.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", line.Group.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = NewReceiver(ReceiverConfig{Line: line})
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(fmt.Sprint(err), "ss -ulnp") {
		t.Errorf("error %v; want address in use, with the remedy", err)
	}
}

func TestReceiverCountsTruncation(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line, Apart: true})
	r.reads.alloc(false, 512)
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}})
	p.Send(packetsOf(t, 1000))
	g := receive(t, r, 1)
	if s := r.Stats(); s.Truncated != 1 || len(g.datagrams[0]) != 512 {
		t.Errorf("truncated %d, %d bytes", s.Truncated, len(g.datagrams[0]))
	}
}

// Control messages come from the kernel; broken ones must still do no harm.
func FuzzControl(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{20, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 104, 0, 0, 0, 120, 5, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 17, 0, 0, 0, 104, 0, 0, 0, 120, 5, 0, 0})
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Receiver{}
		aligned := append(make([]byte, 0, controlLen+len(b)), b...)
		segment, rx := r.control(aligned)
		g := &got{}
		split(0, make([]byte, 100), segment, rx, 1, g)
		total := 0
		for _, d := range g.datagrams {
			total += len(d)
		}
		if total != 100 {
			t.Errorf("split lost bytes: %d of 100", total)
		}
	})
}
