package multicast

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
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

// A loop that spins over silent lines, and has no server to hear, does what is due all
// the same, in the turn in which it is: after three heartbeats it says so.
func TestSpinningLoopNoticesSilence(t *testing.T) {
	const heartbeat, step = wire.Nanos(1e6), wire.Nanos(1000)
	h, now := newReader(), wire.Nanos(1e9)
	s, err := Open(Config{
		Lines: []Line{loLine(t), loLine(t)}, Wait: WaitSpin, Clock: func() wire.Nanos { return now },
		Recovery: recovery.Config{Heartbeat: heartbeat},
	}, h)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stale := func() bool {
		n := len(h.events)
		return n > 0 && h.events[n-1].State == recovery.StateStale && h.events[n-1].Cause == recovery.CauseSilent
	}
	began := now
	for ; !stale() && now <= began+4*heartbeat; now += step {
		if _, err := s.Turn(); err != nil {
			t.Fatal(err)
		}
	}
	if at := now - step; !stale() || at != began+3*heartbeat {
		t.Errorf("stale %v after %v, want %v; events %+v", stale(), (at - began).Duration(), (3 * heartbeat).Duration(), h.events)
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

// A loop that spins over rings looks at the clock, and does what is due, now and then
// only; over sockets at every turn.
func TestSpinningLoopOverRingsIsLazy(t *testing.T) {
	needRing(t)
	for _, method := range []ReceiveMethod{ReceiveRing, ReceiveSockets} {
		reads, now := 0, wire.Nanos(1e9)
		s, err := Open(Config{
			Lines: []Line{loLine(t), loLine(t)}, Wait: WaitSpin, Method: method,
			Clock: func() wire.Nanos { reads++; return now },
		}, newReader())
		if err == nil {
			err = s.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		turns := func(n int) int {
			before := reads
			for range n {
				if _, err := s.Turn(); err != nil {
					t.Fatal(err)
				}
			}
			return reads - before
		}
		turns(1) // joins
		want := 160
		if method == ReceiveRing {
			want = 160 / (lazyTurns + 1)
		}
		if n := turns(160); n != want {
			t.Errorf("%v: the clock was read %d times in 160 turns, want %d", method, n, want)
		}
	}
}

// What a datagram made due is done at once where the loop blocks; a loop that spins owes
// it to the next turn, and after a few turns that brought something each does not wait
// for one that does not.
func TestSpinningLoopOwesWhatIsDue(t *testing.T) {
	line := loLine(t)
	p := openPublisher(t, PublisherConfig{Lines: []Line{line}, Method: MethodSingle})
	s, err := Open(Config{Lines: []Line{line}, Wait: WaitSpin, Clock: utc}, newReader())
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	turn := func() {
		if _, err := s.Turn(); err != nil {
			t.Fatal(err)
		}
	}
	turn() // joins
	for i := range 2 * mostOwed {
		p.Send(packetsOf(t, 300))
		if turn(); s.owed != (i+1)%(mostOwed+1) {
			t.Errorf("after %d turns with a datagram %d are owed", i+1, s.owed)
		}
	}
	if turn(); s.owed != 0 {
		t.Errorf("after a turn without any %d are owed", s.owed)
	}
}
