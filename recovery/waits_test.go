package recovery

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Tests of where a wait begins. The clock is one of real time: near 0, a time that was
// never set looks like now.
const today = wire.Nanos(1_800_000_000_000_000_000)

// untilOpen calls Poll, a line's heartbeat before each, until definitions are gone without.
func untilOpen(t *testing.T, s *Subscriber, m *market, now wire.Nanos) wire.Nanos {
	t.Helper()
	for end := now + 2*s.cfg.Patience; s.stream.shut; now += 50 * ms {
		if now > end {
			t.Fatal("it waits for ever")
		}
		s.Datagram(0, m.control(wire.TypeHeartbeat), 0, now)
		s.Poll(now)
	}
	return now
}

// Who resumes and finds a server that has not heard of the epoch waits for definitions from
// its start on.
func TestDefinitionsAreWaitedForFromTheStart(t *testing.T) {
	old, m := newMarket("TEST"), newMarket("TEST")
	old.publish(5)
	m.publish(5)
	m.restart(5)
	m.publish(3)
	s, _, _ := newFound(t, Config{Servers: []string{"old", "down"}, Resume: &Position{
		Session: m.session, Epoch: m.epoch, Sequence: 8, Chain: m.chain, Known: true}})
	s.Poll(today)
	welcome(t, s, old, today)
	for s.Action(today).Kind != ActNone {
	}
	if at := untilOpen(t, s, m, today+ms); at < today+s.cfg.Patience {
		t.Errorf("went on without definitions %v after the start", (at - today).Duration())
	}
}

// Who has waited long for a sequence to come, and hears of an epoch before its server does,
// waits for definitions of that epoch from then on, whoever told of it.
func TestDefinitionsAreWaitedForFromTheEpoch(t *testing.T) {
	for _, adopted := range []bool{false, true} {
		m := newMarket("TEST")
		m.publish(5)
		s, _, _ := newFound(t, Config{Servers: []string{"one"}, From: 9})
		s.Poll(today)
		old := *m
		welcome(t, s, &old, today)
		s.Poll(today)
		(*answers)(s).Done(s.definitions.id, 5)
		epoch := today + 3600*1000*ms
		m.restart(5)
		if s.now = epoch; adopted {
			s.vouched, s.stream.bound = m.epoch, fence{m.epoch, 5, m.chain}
			s.stream.want(m.epoch, epoch-s.cfg.Patience)
			s.learnCut(epoch)
		} else {
			s.Datagram(0, m.control(wire.TypeEpoch), 0, epoch)
		}
		if s.stream.epoch != m.epoch || !s.lags() {
			t.Fatalf("in epoch %d, the server in %d", s.stream.epoch, s.conn.epoch)
		}
		s.conn.client.Poll(epoch) // it is not silent
		for now := epoch; now < epoch+s.cfg.Patience; now += 50 * ms {
			s.Datagram(0, m.control(wire.TypeHeartbeat), 0, now)
			if s.define(now); !s.stream.shut {
				t.Errorf("adopted %v: went on without definitions after %v", adopted, (now - epoch).Duration())
				break
			}
		}
	}
}

// behind makes a receiver of 1..5 that hears of 8 by a heartbeat, and whose server refuses
// it at the time given.
func behind(t *testing.T, now wire.Nanos) (*Subscriber, *recorder, *market) {
	t.Helper()
	s, rec, m := newFound(t, Config{Servers: []string{"one", "two"}})
	s.Poll(now)
	welcome(t, s, m, now)
	s.Datagram(0, m.publish(5), 0, now)
	hint(s, now)
	refuse(s, 6, 8, now)
	if len(s.stream.gaps.list) != 0 {
		t.Fatalf("gaps %v of what only a heartbeat spoke of", s.stream.gaps.list)
	}
	return s, rec, m
}

func hint(s *Subscriber, now wire.Nanos) { s.stream.exists(9, LineA, now) }

// refuse is a server that has nothing from first on.
func refuse(s *Subscriber, first, last uint64, now wire.Nanos) {
	s.now = now
	id := s.newID()
	s.asks.add(ask{id: id, first: first, last: last, epoch: s.stream.epoch})
	(*answers)(s).Refused(id, retransmit.Refusal{Code: retransmit.CodeAhead, Retryable: true})
}

// A server had nothing once, because nothing was. What is missing at the same place much
// later, in the same epoch or another, was not waited for since.
func TestWaitBeginsWithWhatIsMissing(t *testing.T) {
	for _, epoch := range []bool{false, true} {
		s, rec, m := behind(t, today)
		now := today + 60_000*ms
		if epoch {
			hint(s, now-ms)
			refuse(s, 6, 8, now-ms)
			s.asks.recheck = now + s.cfg.RetryMax // it stood still for long
			m.restart(5)
			s.Datagram(0, m.control(wire.TypeEpoch), 0, now)
			s.conn.epoch = m.epoch
		}
		m.publish(2) // 6..7
		s.Datagram(0, m.publish(1), 0, now)
		s.stream.schedule(now+10*ms, s.jitter)
		if s.ask(now + 11*ms); epoch && s.stats.Requests != 1 {
			t.Error("what the server had not in the epoch before is not asked for")
		}
		s.abandon(now + 10*ms)
		refuse(s, 6, 7, now+10*ms)
		if again := s.asks.recheck - s.now; s.conn.behind || s.stats.Lost != 0 || rec.total != 5 || again > ms {
			t.Errorf("epoch %v: after 10 ms: behind %v, %d lost, %d delivered, asked again in %v",
				epoch, s.conn.behind, s.stats.Lost, rec.total, again.Duration())
		}
	}
}

// A server that has nothing of what every heartbeat speaks of stands still all that time.
// What a packet proves then is not lost before it was waited for.
func TestWaitGoesOnWithWhatIsSaid(t *testing.T) {
	s, rec, m := behind(t, today)
	now := today
	for ; now < today+s.cfg.Patience; now += 50 * ms {
		if hint(s, now); now >= s.asks.recheck {
			refuse(s, 6, 8, now+ms)
		}
		if want := s.now >= today+s.cfg.AskTimeout; s.conn.behind != want {
			t.Fatalf("behind %v after %v", s.conn.behind, (s.now - today).Duration())
		}
	}
	if s.lastID > 40 {
		t.Errorf("asked for %d times", s.lastID)
	}
	refuse(s, 6, 8, now)
	m.publish(2) // 6..7
	found := now + ms
	s.Datagram(0, m.publish(1), 0, found)
	for now += 100 * ms; s.stats.Lost == 0; now += 100 * ms {
		if refuse(s, 6, 7, now); now > found+2*s.cfg.Patience {
			t.Fatal("it waits for ever")
		}
	}
	if s.now < found+s.cfg.Patience || s.stats.Lost != 2 || rec.total != 6 {
		t.Errorf("%d lost %v after it was missed, %d delivered", s.stats.Lost, (s.now - found).Duration(), rec.total)
	}
}

// An end that came where the stream stood, while it waited for definitions, is none once
// messages behind it are delivered, not even where a loss leaves no chain to tell by.
func TestEndThatWasNone(t *testing.T) {
	s, rec, m := newFound(t, Config{Servers: []string{"one"}})
	s.now, s.stream.next, s.stream.edge, s.stream.epoch, s.stream.begun = ms, 1, 1, m.epoch, true
	s.stream.chain, s.stream.known, s.stream.shut = m.chain, true, true
	s.stream.close(0, m.chain^1, ms)
	s.stream.Put(m.publish(3), LineA, 0, ms)
	s.stream.expose(6, ms)
	s.stream.lose(4, 5, CauseUnavailable, ms)
	s.stream.open(ms)
	if rec.total != 3 || s.stats.Lost != 2 || s.stream.ended {
		t.Errorf("%d delivered, %d lost, ended: %v", rec.total, s.stats.Lost, s.stream.ended)
	}
}
