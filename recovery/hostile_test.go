package recovery

import (
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// TestForgedOverlaps throws packets into the window that overlap the true ones, with
// boundaries of their own: whatever is held, a sequence ahead is held or in a gap,
// no slot stays behind, and the true packets, repaired, are all delivered.
func TestForgedOverlaps(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		rec := recorder{}
		s, err := NewStream(Config{Window: 20 * wire.DefaultPacket}, &rec)
		if err != nil {
			t.Fatal(err)
		}
		m, f := newMarket("TEST"), newMarket("TEST")
		s.Put(m.publish(1), Repair, 0, 1)
		for range 40 {
			m.publish(1 + r.IntN(6))
		}
		for turn := 0; s.next < m.next; turn++ {
			if turn > 10_000 {
				t.Fatalf("seed %d: stuck at %d of %d: edge %d, gaps %v", seed, s.next, m.next, s.edge, s.gaps.list)
			}
			if r.IntN(3) == 0 {
				f.next, f.chain = s.next+1+r.Uint64N(12), r.Uint64()
				s.Put(f.publish(1+r.IntN(6)), LineA, 0, 1)
			} else {
				i, _ := m.at(s.next + r.Uint64N(4))
				s.Put(m.packets[min(i, len(m.packets)-1)], Repair, 0, 1)
			}
			checkWindow(t, seed, s)
		}
		for _, bad := range rec.bad {
			t.Errorf("seed %d: %s", seed, bad)
		}
	}
}

// checkWindow compares window and gaps with each other.
func checkWindow(t *testing.T, seed uint64, s *Stream) {
	t.Helper()
	slots, cells := map[uint16]bool{}, 0
	for seq := s.next; seq < s.edge; seq++ {
		if s.win.has(seq) == s.lacks(seq, seq+1) {
			t.Fatalf("seed %d: next %d: sequence %d held %v, gaps %v", seed, s.next, seq, s.win.has(seq), s.gaps.list)
		}
		if s.win.has(seq) {
			slots[*s.win.cell(seq)], cells = true, cells+1
		}
	}
	for _, c := range s.win.index {
		if c != 0 {
			cells--
		}
	}
	if used := len(s.win.slots) - len(s.win.free); used != len(slots) || cells != 0 {
		t.Fatalf("seed %d: next %d: %d slots in use for %d packets ahead, %d cells behind", seed, s.next, used, len(slots), -cells)
	}
}

// TestZombieAtResume: who goes on at an epoch's cut takes nothing from a line that the
// epoch before sent beyond it, though its chain is right.
func TestZombieAtResume(t *testing.T) {
	m, rec := newMarket("TEST"), recorder{}
	m.publish(2)
	cut := m.chain
	void := m.publish(1)
	m.restart(2)
	s, err := NewSubscriber(Config{Servers: []string{"one"}, Resume: &Position{
		Session: m.session, Epoch: m.epoch, Sequence: 2, Chain: cut, Known: true}}, &rec)
	if err != nil {
		t.Fatal(err)
	}
	s.stream.open(1)
	s.Datagram(0, void, 0, 1)
	if s.stats.Fenced != 1 || rec.total != 0 {
		t.Errorf("%d fenced, %d delivered", s.stats.Fenced, rec.total)
	}
	s.Datagram(0, m.control(wire.TypeHeartbeat), 0, 1)
	s.Datagram(1, void, 0, 1)
	s.Datagram(0, m.publish(3), 0, 1)
	if s.stats.Fenced != 2 || rec.total != 3 || len(rec.bad) > 0 {
		t.Errorf("%d fenced, %d delivered: %q", s.stats.Fenced, rec.total, rec.bad)
	}
}

// loggedIn returns a Subscriber whose server has welcomed it, and that server's end.
func loggedIn(t *testing.T, cfg Config, m *market) (*Subscriber, *retransmit.Session) {
	t.Helper()
	s, err := NewSubscriber(cfg, &recorder{})
	if err != nil {
		t.Fatal(err)
	}
	s.Poll(1)
	session, err := newServer(m, retransmit.DefaultLimits()).srv.Accept(1, "peer")
	if err != nil || s.Action(1).Kind != ActDial {
		t.Fatal("not dialled", err)
	}
	s.Connected(1)
	if err := session.Receive(1, s.Output()); err != nil {
		t.Fatal(err)
	}
	s.Sent(len(s.Output()))
	hear(s, session, 1)
	return s, session
}

// hear carries what the server has to say to s.
func hear(s *Subscriber, session *retransmit.Session, now wire.Nanos) {
	buf := make([]byte, 2*retransmit.MinBuffer)
	n, _ := session.Produce(now, buf)
	s.Received(buf[:n], now)
}

// TestDefinitionsNeverCome: a server that lives and does not answer is left, whatever
// it was asked.
func TestDefinitionsNeverCome(t *testing.T) {
	m := newMarket("TEST")
	m.publish(2)
	s, session := loggedIn(t, Config{Servers: []string{"one", "two"}, From: FromNow}, m)
	for now := ms; now < 3000*ms; now += 50 * ms {
		s.Poll(now)
		s.Sent(len(s.Output())) // and lost
		hear(s, session, now)   // heartbeats
	}
	if s.conn.server != 1 {
		t.Error("still waiting for the definitions")
	}
}

// TestRetryAfterIsBounded: a server may ask for Config.Patience, not for a month; and
// not on behalf of another.
func TestRetryAfterIsBounded(t *testing.T) {
	m := newMarket("TEST")
	m.publish(2)
	s, _ := loggedIn(t, Config{Servers: []string{"one"}}, m)
	s.Poll(10 * ms)
	s.Poll(20 * ms)
	if len(s.asks.list) != 1 {
		t.Fatalf("%d requests", len(s.asks.list))
	}
	(*answers)(s).Refused(s.asks.list[0].id, retransmit.Refusal{Code: retransmit.CodeRate, Retryable: true, RetryAfter: never / 2})
	if s.asks.hold > s.now+s.cfg.Patience {
		t.Errorf("asks again after %v", (s.asks.hold - s.now).Duration())
	}
	s.Disconnected(nil, 21*ms)
	if s.asks.hold > 21*ms {
		t.Errorf("asks the next server after %v", (s.asks.hold - 21*ms).Duration())
	}
}
