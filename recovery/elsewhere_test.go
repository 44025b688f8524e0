package recovery

import (
	"slices"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// newAsked returns a subscriber that is logged in and has asked for 1..5, as id 1.
func newAsked(t *testing.T, servers ...string) (*Subscriber, *recorder) {
	t.Helper()
	s, rec, m := newFound(t, Config{Servers: servers})
	a, b := m.publish(5), m.publish(1)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.phase, s.conn.epoch, s.now = up, a.Epoch(), ms
	s.stream.Put(b, LineA, 0, ms)
	s.asks.add(ask{id: 1, first: 1, last: 5, epoch: a.Epoch()})
	return s, rec
}

// A server that cannot read what it has may do so later: nothing is lost, whatever it
// says of trying again, and no sooner asked for than it says.
func TestUnreadableIsNotGone(t *testing.T) {
	for _, retryable := range []bool{false, true} {
		s, _ := newAsked(t, "one")
		(*answers)(s).Refused(1, retransmit.Refusal{Code: retransmit.CodeInternal, Retryable: retryable, RetryAfter: 1000 * ms})
		x := s.stream.gaps.list
		if s.stats.Lost != 0 || len(x) != 1 || x[0].gone != 0 || x[0].lost != 0 || x[0].due != 1001*ms {
			t.Errorf("retryable %v: %d lost, gaps %+v", retryable, s.stats.Lost, x)
		}
		if s.useless() {
			t.Error("there is no other server to go to")
		}
	}
}

// While one server cannot read what it has, another one is asked, soon.
func TestUnreadableIsAskedForElsewhere(t *testing.T) {
	s, _ := newAsked(t, "one", "two")
	(*answers)(s).Refused(1, retransmit.Refusal{Code: retransmit.CodeInternal, Retryable: true, RetryAfter: 1000 * ms})
	x := s.stream.gaps.list
	if s.stats.Lost != 0 || len(x) != 1 || x[0].gone != 0 || x[0].due != s.now+s.cfg.RetryMin || !s.useless() {
		t.Errorf("%d lost, useless %v, gaps %+v", s.stats.Lost, s.useless(), x)
	}
}

// A request that is refused for good is an attempt that failed: only what a server
// names is gone.
func TestRefusedIsNotGone(t *testing.T) {
	s, _ := newAsked(t, "one")
	(*answers)(s).Refused(1, retransmit.Refusal{Code: retransmit.CodeMalformed})
	x := s.stream.gaps.list
	if s.stats.Lost != 0 || len(x) != 1 || x[0].gone != 0 || x[0].tries != wholeTry {
		t.Errorf("%d lost, gaps %+v", s.stats.Lost, x)
	}
	for s.stats.Lost == 0 && len(s.stream.gaps.list) > 0 {
		s.asks.add(ask{id: 1, first: 1, last: 5})
		(*answers)(s).Refused(1, retransmit.Refusal{Code: retransmit.CodeMalformed})
	}
	if s.stats.Lost != 5 {
		t.Errorf("%d lost after all attempts", s.stats.Lost)
	}
}

// A follower's second server passes over, without a word, what the first one said it
// had lost: that is noticed, it is followed elsewhere, and in the end it is lost.
func TestFollowerNoticesALeap(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}, TCP: true, Attempts: 3})
	a, _, c, d := m.publish(2), m.publish(2), m.publish(2), m.publish(1)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.phase, s.conn.epoch, s.follow = up, a.Epoch(), 1
	s.stream.Put(a, Follow, 0, 1)
	(*answers)(s).Unavailable(1, 3, 4, retransmit.CauseGone)
	s.stream.Put(c, Follow, 0, 1)
	for n, now := 1, wire.Nanos(2); s.stats.Lost == 0; n, now = n+1, now+ms {
		s.drop(true, now)
		s.conn.server, s.conn.retry = 1, now
		welcome(t, s, m, now)
		if s.Poll(now); s.conn.phase != up || s.follow == 0 {
			t.Fatalf("try %d: phase %d, follow %d before anything came", n, s.conn.phase, s.follow)
		}
		(*answers)(s).Packets(s.follow, append(slices.Clone([]byte(c)), d...))
		if s.tcpGaps(now); s.conn.phase == up || n > 3 {
			t.Fatalf("try %d: it stays with a server that passed over 3..4; gaps %+v", n, s.stream.gaps.list)
		}
	}
	if s.stats.Lost != 2 || rec.total != 5 || s.conn.failed != 3 {
		t.Errorf("%d lost, %d delivered, %d failed", s.stats.Lost, rec.total, s.conn.failed)
	}
}

// welcome lets s dial a server of m, and takes it to the welcome.
func welcome(t *testing.T, s *Subscriber, m *market, now wire.Nanos) {
	t.Helper()
	for a := s.Action(now); a.Kind != ActDial; a = s.Action(now) {
		if a.Kind == ActNone {
			t.Fatal("it does not dial")
		}
	}
	s.Connected(now)
	c, err := newServer(m, retransmit.DefaultLimits()).srv.Accept(now, "peer")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Receive(now, s.Output()); err != nil {
		t.Fatal(err)
	}
	s.Sent(len(s.Output()))
	b := make([]byte, retransmit.MinBuffer)
	n, _ := c.Produce(now, b)
	s.Received(b[:n], now)
}

// A server that names what it lacks of a follow, or brings it, does not leap.
func TestFollowerKeepsItsServer(t *testing.T) {
	for _, names := range []bool{false, true} {
		s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}, TCP: true})
		a, b, c := m.publish(2), m.publish(2), m.publish(2)
		s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
		s.conn.phase, s.conn.epoch, s.follow = up, a.Epoch(), 1
		s.stream.expose(7, 1)
		s.stream.gaps.list[0].followed = true
		(*answers)(s).Packets(1, a)
		if names {
			(*answers)(s).Unavailable(1, 3, 4, retransmit.CauseGone)
		} else {
			(*answers)(s).Packets(1, b)
		}
		(*answers)(s).Packets(1, c)
		if s.leapt || rec.total == 6 == names {
			t.Errorf("names %v: leapt %v, %d delivered", names, s.leapt, rec.total)
		}
	}
}
