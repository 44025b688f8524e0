package multicast

import (
	"fmt"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// count counts datagrams and looks at nothing.
type count struct{ n, bytes int }

func (c *count) Datagram(_ int, b []byte, _, _ wire.Nanos) { c.n, c.bytes = c.n+1, c.bytes+len(b) }

// What sends and receives must not allocate, by any method.
func TestNoAllocations(t *testing.T) {
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		for _, way := range []struct {
			name   string
			method ReceiveMethod
			apart  bool
		}{{"sockets", ReceiveSockets, false}, {"sockets, apart", ReceiveSockets, true}, {"ring", ReceiveRing, false}} {
			t.Run(fmt.Sprintf("%v into %s", m, way.name), func(t *testing.T) {
				if way.method == ReceiveRing {
					needRing(t)
				}
				noAllocations(t, m, way.method, way.apart)
			})
		}
	}
}

func noAllocations(t *testing.T, m Method, by ReceiveMethod, apart bool) {
	line := loLine(t)
	r, err := by.open(ReceiverConfig{Line: line, Apart: apart})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := openPublisher(t, PublisherConfig{Lines: []Line{line, loLine(t)}, Method: m})
	ps := packetsOf(t, append(same(60, 1400), 300, 1399, 1300)...)
	c := &count{}
	turn := func() {
		if err := p.Send(ps); err != nil {
			t.Fatal(err)
		}
		for n := 1; n > 0; {
			n, _ = r.Receive(1, c)
		}
		if _, err := r.Drops(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(100, turn); n != 0 || c.n == 0 {
		t.Errorf("%v allocations a turn, %d datagrams", n, c.n)
	}
}

// onLines is a subscription to a rig's lines alone, whose turns the test takes.
func onLines(t testing.TB, by ReceiveMethod, h recovery.Handler) (*rig, *Subscription) {
	t.Helper()
	lines := []Line{loLine(t), loLine(t)}
	r := startRig(t, lines...)
	s, err := Open(Config{Lines: lines, Wait: WaitSpin, Method: by}, h)
	if err == nil {
		err = s.poll.open(WaitSpin)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	takeTurn(t, s) // joins
	return r, s
}

func takeTurn(t testing.TB, s *Subscription) {
	if _, err := s.turn(s.cfg.Clock()); err != nil {
		t.Fatal(err)
	}
}

// A turn that delivers must not allocate, handler, recovery and all.
func TestTurnDoesNotAllocate(t *testing.T) {
	for _, by := range []ReceiveMethod{ReceiveSockets, ReceiveRing} {
		t.Run(by.String(), func(t *testing.T) {
			if by == ReceiveRing {
				needRing(t)
			}
			turnDoesNotAllocate(t, by)
		})
	}
}

func turnDoesNotAllocate(t *testing.T, by ReceiveMethod) {
	h := newReader()
	r, s := onLines(t, by, h)
	ps := r.tape.add(2020)
	deliver := func() {
		if err := r.pub.Send(ps[:20]); err != nil {
			t.Fatal(err)
		}
		ps = ps[20:]
		for h.next < ps[0].First() {
			takeTurn(t, s)
		}
	}
	deliver()
	if n := testing.AllocsPerRun(98, deliver); n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
}

// Everything but the sequencer, on one thread: send two lines, receive, arbitrate,
// deliver.
func BenchmarkDeliver(b *testing.B) {
	h := newReader()
	r, s := onLines(b, ReceiveSockets, h)
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		ps := r.tape.add(46)
		r.tape.packets = r.tape.packets[:0]
		b.StartTimer()
		r.pub.Send(ps)
		for h.next < ps[45].Next() {
			takeTurn(b, s)
		}
	}
	perSecond(b, 46*b.N)
	b.ReportMetric(float64(46*perPacket*b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkSend(b *testing.B) {
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		b.Run(m.String(), func(b *testing.B) {
			p := openPublisher(b, PublisherConfig{Lines: []Line{loLine(b)}, Method: m})
			ps := packetsOf(b, same(46, 1400)...)
			b.ReportAllocs()
			for b.Loop() {
				p.Send(ps)
			}
			perSecond(b, b.N*len(ps))
		})
	}
}

// Send and receive on one thread, so that nothing is dropped.
func BenchmarkSendReceive(b *testing.B) {
	for _, m := range []Method{MethodSingle, MethodMMsg, MethodGSO} {
		for _, apart := range []bool{true, false} {
			b.Run(fmt.Sprintf("%v/apart=%v", m, apart), func(b *testing.B) {
				line := loLine(b)
				r := openReceiver(b, ReceiverConfig{Line: line, Apart: apart})
				p := openPublisher(b, PublisherConfig{Lines: []Line{line}, Method: m})
				ps := packetsOf(b, same(46, 1400)...)
				c := &count{}
				b.ReportAllocs()
				for b.Loop() {
					p.Send(ps)
					for n := 1; n > 0; {
						n, _ = r.Receive(1, c)
					}
				}
				perSecond(b, c.n)
			})
		}
	}
}

// The reads alone: the packets are sent with the timer stopped.
func BenchmarkReceive(b *testing.B) {
	for _, apart := range []bool{true, false} {
		b.Run(fmt.Sprintf("apart=%v", apart), func(b *testing.B) {
			line := loLine(b)
			r := openReceiver(b, ReceiverConfig{Line: line, Apart: apart})
			p := openPublisher(b, PublisherConfig{Lines: []Line{line}})
			ps := packetsOf(b, same(46, 1400)...)
			c := &count{}
			b.ReportAllocs()
			for range b.N {
				b.StopTimer()
				p.Send(ps)
				b.StartTimer()
				for n := 1; n > 0; {
					n, _ = r.Receive(1, c)
				}
			}
			perSecond(b, c.n)
		})
	}
}

func perSecond(b *testing.B, packets int) {
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
}
