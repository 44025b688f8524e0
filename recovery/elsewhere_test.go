package recovery

import (
	"testing"

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
	s.stream.gaps.list[0].ask = 1
	s.asks.list = append(s.asks.list, ask{id: 1, first: 1, last: 5})
	s.asks.messages = 5
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
		s.stream.gaps.list[0].ask = 1
		s.asks.list = append(s.asks.list, ask{id: 1, first: 1, last: 5})
		(*answers)(s).Refused(1, retransmit.Refusal{Code: retransmit.CodeMalformed})
	}
	if s.stats.Lost != 5 {
		t.Errorf("%d lost after all attempts", s.stats.Lost)
	}
}
