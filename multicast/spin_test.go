package multicast

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// A loop that spins looks at a connection on which nothing is expected now and then,
// and at every turn while an answer is.
func TestSpinningLoopLooksAtTheConnection(t *testing.T) {
	r := startRig(t, loLine(t), loLine(t))
	h := newReader()
	r.publish(10)
	now := utc()
	s, err := Open(Config{Wait: WaitSpin, Retransmit: r.addrs(), Clock: func() wire.Nanos { return now }}, h)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	looks := func(turns int) (n int) {
		for range turns {
			now += 1000
			before := s.listened
			if _, err := s.Turn(); err != nil {
				t.Fatal(err)
			}
			if s.listened != before {
				n++
			}
		}
		return n
	}
	for h.next < 11 || s.sub.Awaits() {
		if expected := s.tcp.fd >= 0 && s.sub.Awaits(); looks(1) == 0 && expected {
			t.Fatal("a turn did not look while something was awaited")
		}
	}
	if n := looks(1000); n != 10 {
		t.Errorf("looked %d times in 1,000 turns of 1 us, want 10", n)
	}
}

// Reads are asked for one by one while datagrams come so, and in batches while they
// come in batches.
func TestReceiverAsksForWhatComes(t *testing.T) {
	line := loLine(t)
	r := openReceiver(t, ReceiverConfig{Line: line, Apart: true})
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodMMsg})
	ps := packetsOf(t, same(60, 300)...)
	g := &got{}
	for i, want := range []int{1, 2, 4, 8, 16, 29, 0} {
		if i == 0 {
			p.Send(ps)
		}
		if n, err := r.Receive(1, g); n != want || err != nil {
			t.Fatalf("read %d: %d datagrams, %v; want %d", i, n, err, want)
		}
	}
	checkPackets(t, g, ps)
	if r.reads.want != 1 {
		t.Errorf("asks for %d reads after nothing came", r.reads.want)
	}
}
