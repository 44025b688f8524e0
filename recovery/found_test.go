package recovery

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Tests of what tools/sim found.

func newFound(t *testing.T, cfg Config) (*Subscriber, *recorder, *market) {
	t.Helper()
	rec := &recorder{}
	s, err := NewSubscriber(cfg, rec)
	if err != nil {
		t.Fatal(err)
	}
	return s, rec, newMarket("TEST")
}

// A request that was damaged on its way is refused as malformed. That says nothing
// about the next connection.
func TestMalformedIsNotFinal(t *testing.T) {
	s, _, _ := newFound(t, Config{Servers: []string{"one"}})
	s.Poll(1)
	for s.Action(1).Kind != ActDial {
	}
	s.Connected(1)
	s.Received(retransmit.AppendRefusal(nil, 0, retransmit.Refusal{Code: retransmit.CodeMalformed}), 2)
	if done, err := s.Done(); done {
		t.Errorf("gave up: %v", err)
	}
}

// Behind an epoch's cut, packets of two epochs may hold one sequence, and one of them
// a part of its own only. When they are delivered past, none may stay behind: it would
// be there when a later epoch comes by again.
func TestNothingStaysBehind(t *testing.T) {
	m := newMarket("TEST")
	for range 8 {
		m.publish(1)
	}
	old, whole := m.publish(4), wire.Packet(nil)
	m.restart(7)
	whole = m.publish(3) // 8..10, where old is 9..12
	w := newWindow(1<<16, wire.DefaultPacket)
	w.keep(&Delivery{Packet: old, From: Repair}, 9)
	w.keep(&Delivery{Packet: whole, From: LineA}, 8)
	w.purge(8, 13, func(d *Delivery) bool { return d.Epoch() == old.Epoch() })
	w.keep(&Delivery{Packet: whole, From: Repair}, 9)
	d, ok := w.peek(8, 0)
	if !ok {
		t.Fatal("8 is not held")
	}
	w.release(&d)
	w.pass(8, 11)
	if !w.empty() {
		t.Errorf("%d of %d slots are free", len(w.free), len(w.slots))
	}
}

// A follower that drops its connection because of a gap forgets what it holds: the
// next connection brings it again, and the gap must not end that one too.
func TestFollowerForgets(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}, TCP: true})
	a, _, c := m.publish(2), m.publish(2), m.publish(2)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.phase, s.follow = up, 1
	s.stream.Put(a, Follow, 0, 1)
	s.stream.Put(c, Follow, 0, 1)
	s.tcpGaps(2)
	if len(s.stream.gaps.list) != 0 || !s.stream.win.empty() || s.stream.edge != 3 || rec.total != 2 {
		t.Errorf("gaps %v, edge %d, %d delivered", s.stream.gaps.list, s.stream.edge, rec.total)
	}
}

// What one server has lost is lost when the only other one serves another session.
func TestGoneWhereNobodyElseServes(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one", "stranger"}})
	a, b := m.publish(5), m.publish(1)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.phase, s.conn.no[1] = up, retransmit.CodeBadSession
	s.stream.Put(b, LineA, 0, 1)
	(*answers)(s).Unavailable(1, 1, 5, retransmit.CauseGone)
	s.open()
	if s.stats.Lost != 5 || rec.total != 1 {
		t.Errorf("%d lost, %d delivered", s.stats.Lost, rec.total)
	}
}

// A server's welcome may be on its way while a line already tells of the next epoch:
// that does not make a saved position one of another session.
func TestResumeWhileEpochRises(t *testing.T) {
	m := newMarket("TEST")
	m.publish(4)
	saved := Position{Session: m.session, Epoch: m.epoch, Sequence: 4, Chain: m.status().CutChain}
	s, _, _ := newFound(t, Config{Servers: []string{"one"}, Resume: &saved})
	before := m.State()
	m.restart(4)
	s.Datagram(0, m.control(wire.TypeEpoch), 0, 1)
	s.conn.phase = login
	s.welcomed(&retransmit.Welcome{State: before, Channel: retransmit.Channel{Session: m.session, Heartbeat: 50 * ms}})
	if done, err := s.Done(); done {
		t.Errorf("gave up: %v", err)
	}
}

// Who resumes is joining until a server has told of the channel and all definitions are
// there, and live from then on, though no packet comes.
func TestResumeIsLiveWhereItGoesOn(t *testing.T) {
	m := newMarket("TEST")
	m.publish(4)
	st := m.State()
	s, _, _ := newFound(t, Config{Servers: []string{"one"}, Resume: &Position{
		Session: m.session, Epoch: m.epoch, Sequence: st.Next - 1, Chain: st.Chain, Known: true}})
	s.Poll(1)
	s.Datagram(0, m.control(wire.TypeHeartbeat), 0, 2)
	s.Poll(2)
	if at, _ := s.State(); at != StateJoining {
		t.Errorf("%v before the login", at)
	}
	s.conn.phase, s.now = login, 3
	s.welcomed(&retransmit.Welcome{State: st, Channel: retransmit.Channel{Session: m.session, Heartbeat: 50 * ms}})
	s.updateState(3)
	if at, _ := s.State(); at != StateJoining {
		t.Errorf("%v before the definitions", at)
	}
	s.definitions.epoch = m.epoch
	s.defined(st.Next - 1)
	s.updateState(4)
	if at, _ := s.State(); at != StateLive {
		t.Errorf("%v where it goes on", at)
	}
}

// A follower whose server has lost a range gets it from another one: what the first
// said must not end the connection to the second.
func TestFollowerGoesOnElsewhere(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}, TCP: true})
	a, _, c := m.publish(2), m.publish(2), m.publish(2)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.phase, s.follow = up, 1
	s.stream.Put(a, Follow, 0, 1)
	(*answers)(s).Unavailable(1, 3, 4, retransmit.CauseGone)
	s.stream.Put(c, Follow, 0, 1)
	s.drop(true, 2)
	s.elsewhere(0, 2)
	s.conn.phase, s.follow = up, 2
	s.tcpGaps(3)
	if s.conn.phase != up || rec.total != 2 {
		t.Errorf("phase %d, %d delivered", s.conn.phase, rec.total)
	}
}

// A range that one server has lost waits for another one that does not answer: it may
// be starting. It does not wait for ever.
func TestGoneWaitsForWhoDoesNotAnswer(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}, Attempts: 2, AskTimeout: 1000 * ms})
	a, _, b := m.publish(1), m.publish(5), m.publish(1)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	s.conn.epoch = a.Epoch()
	s.stream.Put(a, LineA, 0, 1)
	s.stream.Put(b, LineA, 0, 1)
	(*answers)(s).Unavailable(1, 2, 6, retransmit.CauseGone)
	for now := wire.Nanos(1); s.stats.Lost == 0; now += 100 * ms {
		if s.now = now; now > 10_000*ms {
			t.Fatal("it waits for ever")
		}
		s.forsake()
	}
	if s.now < 2000*ms || s.stats.Lost != 5 || rec.total != 2 {
		t.Errorf("%d lost after %v, %d delivered", s.stats.Lost, s.now.Duration(), rec.total)
	}
}

// What is gone where a receiver is to begin may have defined instruments: it asks for
// them before it delivers, and again while the server's are of what is gone.
func TestGoneDefinitions(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}})
	a, b := m.publish(5), m.publish(1)
	s.now, s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, 1, a.Epoch()
	s.conn.phase, s.conn.epoch = up, a.Epoch()
	s.stream.Put(b, LineA, 0, 1)
	(*answers)(s).Unavailable(1, 1, 5, retransmit.CauseGone)
	if rec.total+s.stats.Lost != 0 || !s.stream.shut {
		t.Fatalf("%d delivered, %d lost, before definitions", rec.total, s.stats.Lost)
	}
	for i, asOf := range []uint64{3, 5} {
		s.definitions.id, s.definitions.epoch = uint32(i+1), a.Epoch()
		(*answers)(s).Done(s.definitions.id, asOf)
		if got := s.stats.Lost + rec.total; (got == 6) != (asOf == 5) {
			t.Errorf("%d lost and delivered with definitions as of %d", got, asOf)
		}
	}
}

// So does who has only lost so far, before an epoch that goes on from before that.
func TestGoneDefinitionsAgain(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}})
	s.now, s.stream.next, s.stream.edge, s.stream.epoch = 1, 10, 10, m.epoch
	s.stream.begun, s.stream.asOf, s.stats.Lost, s.stats.First = true, 9, 9, 1
	m.restart(0)
	a := m.publish(3)
	s.stream.enter(a.Epoch(), 0, a.Chain(), 1)
	s.conn.phase, s.conn.epoch, s.stats.Lost = up, a.Epoch(), 0
	s.stream.Put(m.publish(1), LineA, 0, 1)
	(*answers)(s).Unavailable(1, 1, 3, retransmit.CauseGone)
	if rec.total+s.stats.Lost != 0 || !s.stream.shut {
		t.Fatalf("%d delivered, %d lost, with definitions of the epoch before", rec.total, s.stats.Lost)
	}
	s.definitions.id, s.definitions.epoch = 1, a.Epoch()
	(*answers)(s).Done(1, 4)
	if rec.total != 1 || s.stats.Lost != 3 {
		t.Errorf("%d delivered, %d lost, after definitions", rec.total, s.stats.Lost)
	}
}

// Definitions as of a sequence that an epoch cuts may be void, and those that they replaced
// are missing: before anything of that epoch is delivered they are asked for again, of a
// server that knows it, and where there is none for Config.Patience that is said.
func TestDefinitionsOfACutEpoch(t *testing.T) {
	for _, answered := range []bool{true, false} {
		s, rec, m := newFound(t, Config{Servers: []string{"one"}})
		s.now, s.stream.next, s.stream.edge, s.stream.epoch = ms, 4, 4, m.epoch
		s.stream.shut, s.definitions.id, s.definitions.epoch = true, 1, m.epoch
		s.conn.phase, s.conn.epoch = up, m.epoch
		if (*answers)(s).Done(1, 9); s.stream.shut {
			t.Fatal("still waits for definitions")
		}
		s.definitions.id, s.definitions.epoch = 2, m.epoch // as if it had not come yet
		m.restart(2)
		a := m.publish(6)
		s.stream.enter(a.Epoch(), 2, a.Chain(), ms)
		s.Datagram(0, a, 0, ms)
		if (*answers)(s).Done(2, 9); rec.total != 0 || !s.stream.shut {
			t.Fatalf("%d delivered with definitions of the epoch before", rec.total)
		}
		if s.define(ms); s.definitions.id != 0 {
			t.Error("asks a server that does not know the epoch")
		}
		if answered {
			s.definitions.id, s.definitions.epoch, s.conn.epoch = 3, a.Epoch(), a.Epoch()
			(*answers)(s).Done(3, 8)
		}
		s.Datagram(0, m.control(wire.TypeHeartbeat), 0, s.cfg.Patience)
		for _, now := range []wire.Nanos{ms + s.cfg.Patience - 1, ms + s.cfg.Patience} {
			s.now = now
			s.define(now)
			if want := answered || now > s.cfg.Patience+ms-1; (rec.total != 0) != want {
				t.Errorf("answered %v: %d delivered after %v", answered, rec.total, now.Duration())
			}
		}
	}
}

// Where the session's end is known, a server that is behind has the definitions only
// up to where it is: those before the first message are waited for all the same.
func TestDefinitionsBehindTheEnd(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}})
	a := m.publish(5)
	s.now, s.stream.next, s.stream.edge, s.stream.epoch = 1, 6, 6, a.Epoch()
	s.stream.shut, s.definitions.id, s.definitions.epoch = true, 1, a.Epoch()
	s.stream.Put(m.publish(2), LineA, 0, 1)
	s.stream.close(7, m.chain, 1)
	(*answers)(s).Done(1, 3)
	if rec.total != 0 || !s.stream.shut {
		t.Fatalf("%d delivered with definitions as of 3", rec.total)
	}
	s.definitions.id, s.definitions.epoch = 2, a.Epoch()
	(*answers)(s).Done(2, 5)
	if rec.total != 2 || s.stream.shut {
		t.Errorf("%d delivered with definitions as of 5", rec.total)
	}
	s.stream.next, s.stream.shut, s.definitions.id, s.definitions.epoch = 9, true, 3, a.Epoch()
	(*answers)(s).Done(3, 3)
	if s.stream.shut {
		t.Error("waits for definitions of what will never come")
	}
}

// Packets of a repair that come damaged are missing, and asked for again. Definitions
// have no numbers that would tell: an answer of which a part came damaged is no answer.
func TestDamagedDefinitions(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}, Attempts: 2})
	p := m.publish(1)
	s.now, s.stream.next, s.stream.edge, s.stream.epoch = 1, 2, 2, p.Epoch()
	s.conn.phase, s.stream.shut, s.definitions.id, s.definitions.epoch = up, true, 7, p.Epoch()
	snapshot := append([]byte(nil), p...)
	snapshot[len(snapshot)-1] ^= 1
	a := (*answers)(s)
	a.Packets(7, snapshot)
	a.Done(7, 1)
	if !s.stream.shut || s.definitions.id != 0 || s.definitions.retry != 1+s.cfg.RetryMin || len(rec.bad) != 0 {
		t.Errorf("after damage: shut %v, definitions %+v", s.stream.shut, s.definitions)
	}
	s.definitions.id, s.definitions.epoch = 8, p.Epoch()
	a.Packets(8, snapshot)
	a.Done(8, 1)
	if s.stream.shut || s.stats.Bad != 2 {
		t.Errorf("after all attempts: shut %v, %d bad packets", s.stream.shut, s.stats.Bad)
	}
}

// A range that is asked for is under way until its answer ends, though a line or the
// answer brought all of it: a request for the gaps on both sides must not reach over it.
func TestNoRequestOverOneUnderWay(t *testing.T) {
	s, _, m := newFound(t, Config{Servers: []string{"one"}})
	a, _, c, _, e := m.publish(1), m.publish(10), m.publish(2), m.publish(10), m.publish(1)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	for _, p := range []wire.Packet{a, e, c} {
		s.stream.Put(p, LineA, 0, 1)
	}
	list := s.stream.gaps.list
	if len(list) != 2 {
		t.Fatalf("gaps %v", list)
	}
	list[0].due, list[1].due = 1, 1
	s.asks.add(ask{id: 9, first: c.First(), last: c.Next() - 1})
	if n := s.reach(0, askMessages, 1); n != 0 {
		t.Error("it reaches over what is under way")
	}
	s.settle(s.asks.find(9), 0, 1, 1)
	if n := s.reach(0, askMessages, 1); n != 1 {
		t.Error("it does not reach over what is held")
	}
}

// What is asked for is under way until its answer ends, though the gaps are found anew
// before it does, because it brings a packet in the place of a forged one.
func TestAskedForOnce(t *testing.T) {
	m, other := newMarket("TEST"), newMarket("TEST")
	a, b, _ := m.publish(2), m.publish(4), m.publish(6)
	s, _ := loggedIn(t, Config{Servers: []string{"one"}}, m)
	poll := func(from, to wire.Nanos) {
		for now := from; now <= to; now += ms {
			s.Poll(now)
		}
	}
	poll(10*ms, 20*ms)
	if len(s.asks.list) != 1 {
		t.Fatalf("%d requests", len(s.asks.list))
	}
	id := s.asks.list[0].id
	other.publish(4)
	s.Datagram(0, other.publish(2), 0, 21*ms) // 5..6
	(*answers)(s).Packets(id, b)              // 3..6
	s.Datagram(1, m.control(wire.TypeHeartbeat), 0, 21*ms)
	if poll(21*ms, 60*ms); s.stats.Requests != 1 {
		t.Errorf("%d requests while 1..12 is under way", s.stats.Requests)
	}
	(*answers)(s).Packets(id, a)
	(*answers)(s).Done(id, 13)
	poll(61*ms, 70*ms)
	if x := s.asks.list; len(x) != 1 || x[0].first != 7 || x[0].last != 12 {
		t.Errorf("requests %+v for 7..12", x)
	}
}

// The last packet of a follow comes damaged and nothing comes behind it: no gap shows,
// and it is followed anew all the same, at the same place with a pause.
func TestFollowerWhoseLastPacketIsDamaged(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}, TCP: true})
	a, b := m.publish(2), m.publish(2)
	s.stream.next, s.stream.edge, s.stream.epoch = 1, 1, a.Epoch()
	damaged := append([]byte(nil), b...)
	damaged[len(damaged)-1] ^= 1
	for try, sent := range [][]byte{append(append([]byte(nil), a...), damaged...), damaged, damaged} {
		now := wire.Nanos(try + 1)
		s.now, s.conn.phase, s.conn.epoch, s.follow = now, up, a.Epoch(), uint32(try+1)
		if s.tcpGaps(now); s.conn.phase != up {
			t.Fatalf("try %d: hung up before anything came", try)
		}
		(*answers)(s).Packets(s.follow, sent)
		if s.tcpGaps(now); s.conn.phase == up || s.conn.failed != try+1 {
			t.Fatalf("try %d: phase %d, %d failed", try, s.conn.phase, s.conn.failed)
		}
	}
	if s.stats.Bad != 3 || rec.total != 2 {
		t.Errorf("%d bad, %d delivered", s.stats.Bad, rec.total)
	}
	s.conn.phase, s.follow = up, 4
	(*answers)(s).Packets(4, b)
	if s.tcpGaps(s.now); s.conn.phase != up || rec.total != 4 {
		t.Errorf("phase %d, %d delivered", s.conn.phase, rec.total)
	}
}
