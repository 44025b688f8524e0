package sequencer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// fakeHistory keeps packets in a slice and refuses Reserve while full.
type fakeHistory struct {
	next     uint64
	durable  uint64
	full     bool
	refusal  error
	abandons int
	packets  []wire.Packet
	progress [][]feed.Progress
}

func (h *fakeHistory) Reserve() ([]byte, error) {
	if h.full && h.abandons == 0 {
		return nil, errors.New("unwritten")
	}
	if h.refusal != nil {
		return nil, h.refusal
	}
	return make([]byte, wire.DefaultPacket), nil
}

func (h *fakeHistory) Commit(p wire.Packet, progress []feed.Progress) {
	h.packets = append(h.packets, p)
	h.progress = append(h.progress, append([]feed.Progress(nil), progress...))
	h.next = p.Next()
}

func (h *fakeHistory) Abandon()        { h.abandons++ }
func (h *fakeHistory) Durable() uint64 { return h.durable }
func (h *fakeHistory) Next() uint64    { return h.next }

func newTest(t *testing.T, journal wire.JournalState) (*Sequencer, *fakeHistory) {
	t.Helper()
	h := &fakeHistory{next: 1}
	session, _ := wire.ParseSession("TEST")
	s, err := New(Config{Channel: 7, Session: session, Epoch: 100, PacketSize: wire.DefaultPacket, Journal: journal}, h)
	if err != nil {
		t.Fatal(err)
	}
	return s, h
}

func message(order uint64) []byte {
	m := wire.OrderDelete{Head: wire.Head{Instrument: 1, Source: order}, Order: order}
	return m.AppendTo(nil)
}

// put registers nothing: input 0 must be known.
func put(t *testing.T, s *Sequencer, seq uint64) {
	t.Helper()
	if err := s.Put(feed.Input{Seq: seq}, message(seq)); err != nil {
		t.Fatalf("put %d: %v", seq, err)
	}
}

// TestOrder puts messages over random turns and checks numbering, stamps, chain
// and content of what was committed.
func TestOrder(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	s, h := newTest(t, wire.JournalAlive)
	s.Register("in")
	now := wire.Nanos(1e18)
	for seq := uint64(1); seq <= 5000; {
		now += wire.Nanos(r.Int64N(3000) - 1000) // sometimes back
		s.Turn(now, wire.Clock{})
		for range r.IntN(200) {
			put(t, s, seq)
			seq++
		}
		if r.IntN(3) == 0 {
			s.Flush()
		}
	}
	s.Flush()
	checkPackets(t, seed, h.packets)
}

func checkPackets(t *testing.T, seed uint64, packets []wire.Packet) {
	t.Helper()
	next, chain, stamp := uint64(1), uint64(0), wire.Nanos(0)
	for _, b := range packets {
		p, err := wire.Parse(b)
		if err != nil {
			t.Fatalf("seed %d: packet at %d: %v", seed, next, err)
		}
		if p.First() != next || p.Chain() != chain {
			t.Fatalf("seed %d: packet is %d chain %x, want %d chain %x", seed, p.First(), p.Chain(), next, chain)
		}
		var d wire.OrderDelete
		c := p.Cursor()
		for ; c.Next(); next++ {
			if err := d.Decode(c.Message()); err != nil || d.Order != next || c.Sequence() != next {
				t.Fatalf("seed %d: message %d is order %d, sequence %d, %v", seed, next, d.Order, c.Sequence(), err)
			}
			if c.Stamp() < stamp {
				t.Fatalf("seed %d: stamp of %d goes back", seed, next)
			}
			stamp = c.Stamp()
		}
		if p.CloseStamp() < stamp {
			t.Fatalf("seed %d: packet before %d closed before its last stamp", seed, next)
		}
		chain = wire.ChainAfter(p)
	}
	if next == 1 {
		t.Fatalf("seed %d: no packet", seed)
	}
}

func TestPutRefuses(t *testing.T) {
	s, _ := newTest(t, wire.JournalAlive)
	s.Register("in")
	s.Turn(1, wire.Clock{})
	put(t, s, 1)
	for _, c := range []struct {
		in   feed.Input
		msg  []byte
		want error
	}{
		{feed.Input{Seq: 1}, message(1), feed.ErrDuplicate},
		{feed.Input{Seq: 3}, message(3), feed.ErrInputGap},
		{feed.Input{Seq: 2}, message(2)[:10], wire.ErrMessage},
		{feed.Input{Seq: 2}, append(message(2), 0), wire.ErrMessage},
		{feed.Input{Seq: 2}, nil, wire.ErrMessage},
	} {
		if err := s.Put(c.in, c.msg); !errors.Is(err, c.want) {
			t.Errorf("put %+v: %v, want %v", c.in, err, c.want)
		}
	}
	if err := s.Put(feed.Input{ID: 9}, message(1)); err == nil {
		t.Error("an unregistered input was taken")
	}
	put(t, s, 0)
	put(t, s, 2)
	s.End()
	if err := s.Put(feed.Input{Seq: 3}, message(3)); !errors.Is(err, feed.ErrEnded) {
		t.Errorf("after the end: %v", err)
	}
}

func TestProgressAndResume(t *testing.T) {
	s, h := newTest(t, wire.JournalAlive)
	a, _, _ := s.Register("a")
	b, _, _ := s.Register("b")
	s.Turn(1, wire.Clock{})
	for seq := uint64(1); seq <= 3; seq++ {
		if err := s.Put(feed.Input{ID: a, Seq: seq}, message(seq)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(feed.Input{ID: b, Seq: 1}, message(1)); err != nil {
		t.Fatal(err)
	}
	s.Flush()
	want := fmt.Sprint([]feed.Progress{{Input: a, Hash: feed.Hash("a"), Seq: 3}, {Input: b, Hash: feed.Hash("b"), Seq: 1}})
	if got := fmt.Sprint(h.progress[0]); got != want {
		t.Errorf("progress %s, want %s", got, want)
	}
	cfg := s.cfg
	cfg.Epoch, cfg.Previous, cfg.Cut, cfg.CutChain = 101, 100, 4, s.chain
	cfg.Inputs = map[uint64]uint64{feed.Hash("a"): 3}
	again, err := New(cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	if _, last, _ := again.Register("a"); last != 3 {
		t.Errorf("input a goes on after %d, want 3", last)
	}
	if _, last, _ := again.Register("b"); last != 0 {
		t.Errorf("input b goes on after %d, want 0", last)
	}
}

func TestFullHistory(t *testing.T) {
	for _, c := range []struct {
		mode wire.JournalState
		want error
		then wire.JournalState
	}{
		{wire.JournalAlive, nil, wire.JournalDead},
		{wire.JournalStrict, feed.ErrFull, wire.JournalStrict},
	} {
		s, h := newTest(t, c.mode)
		s.Register("in")
		s.Turn(1, wire.Clock{})
		h.full = true
		if err := s.Put(feed.Input{Seq: 1}, message(1)); !errors.Is(err, c.want) {
			t.Errorf("mode %d: %v, want %v", c.mode, err, c.want)
		}
		if s.Journal() != c.then {
			t.Errorf("mode %d: journal %d, want %d", c.mode, s.Journal(), c.then)
		}
	}
}

func TestStrictStopsWithDeadJournal(t *testing.T) {
	s, h := newTest(t, wire.JournalStrict)
	s.Register("in")
	s.JournalFailed()
	if err := s.Put(feed.Input{Seq: 1}, message(1)); !errors.Is(err, feed.ErrFull) {
		t.Errorf("put into a dead strict journal: %v", err)
	}
	if h.abandons != 0 {
		t.Error("strict mode abandoned unwritten packets")
	}
}

// controls runs turns every ms for n ms and gives what control packets came.
func controls(s *Sequencer, from wire.Nanos, n int) (ps []wire.Packet) {
	for i := range n {
		s.Turn(from+wire.Nanos(i)*1e6, wire.Clock{})
		if p := s.Control(nil); p != nil {
			ps = append(ps, p)
		}
	}
	return ps
}

func TestControl(t *testing.T) {
	s, h := newTest(t, wire.JournalAlive)
	s.Register("in")
	ps := controls(s, 1e18, 2000)
	if len(ps) == 0 || ps[0].Type() != wire.TypeEpoch || ps[0].First() != 1 {
		t.Fatalf("the first control packet does not announce the epoch: %v", ps)
	}
	epochs, beats := 0, 0
	for i, p := range ps {
		if p.Type() == wire.TypeEpoch {
			epochs++
		} else {
			beats++
		}
		if i > 0 && p.Stamp()-ps[i-1].Stamp() > 50e6 {
			t.Errorf("silence of %v", (p.Stamp() - ps[i-1].Stamp()).Duration())
		}
	}
	if epochs != len(announceAt) || beats < 30 {
		t.Errorf("%d announcements, %d heartbeats", epochs, beats)
	}
	put(t, s, 1)
	s.Flush()
	if p := controls(s, 1e18+3e9, 1)[0]; p.First() != 1 {
		t.Errorf("a heartbeat tells of %d before it was published", p.First())
	}
	s.Published(h.packets[0])
	s.End()
	h.durable = 9
	checkEnd(t, controls(s, 1e18+4e9, 120), s)
}

func checkEnd(t *testing.T, ps []wire.Packet, s *Sequencer) {
	t.Helper()
	if len(ps) < 2 {
		t.Fatalf("the end was said %d times", len(ps))
	}
	for _, p := range ps {
		var st wire.Status
		if err := st.Decode(p); err != nil {
			t.Fatal(err)
		}
		if p.Type() != wire.TypeEnd || st.Last != 1 || p.First() != 2 || p.Chain() != s.chain || st.Durable != 1 {
			t.Errorf("end: %+v %+v", p.Header(), st)
		}
	}
}

func TestConfig(t *testing.T) {
	session, _ := wire.ParseSession("X")
	for _, c := range []Config{
		{Epoch: 1, PacketSize: 1400},
		{Session: session, Epoch: 1, Previous: 1, PacketSize: 1400},
		{Session: session, Epoch: 1, PacketSize: 100},
		{Session: session, Epoch: 1, PacketSize: 70000},
		{Session: session, Epoch: 1, PacketSize: 1400, Cut: 5},
	} {
		if _, err := New(c, &fakeHistory{next: 1}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}
