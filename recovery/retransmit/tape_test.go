package retransmit

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

const (
	testStart   = 1_700_000_000 * second
	testChannel = 7
)

var testSession, _ = wire.ParseSession("TEST")

// tape is a Store and a State in memory.
type tape struct {
	State
	packets []wire.Packet
	visible uint64 // strict mode: the next visible sequence, 0 all
	msgs    []byte
	asOf    uint64
	fail    error        // of Copy
	copied  atomic.Int64 // bytes, by Copy
}

func newTape() *tape {
	return &tape{State: State{
		Epoch: 10, Cuts: []Cut{{Epoch: 10}}, Oldest: 1, Next: 1, Journal: wire.JournalAlive,
		Clock: wire.Clock{State: wire.ClockSynchronised, TAI: 37, ID: 1, Bound: 100},
	}}
}

// add sequences n messages, each packet holding per of them.
func (s *tape) add(n, per int) {
	for n > 0 {
		k := min(n, per)
		n -= k
		var b wire.Builder
		b.Open(make([]byte, wire.DefaultPacket))
		for i := range k {
			m := wire.OrderDelete{Head: wire.Head{Instrument: 1}, Order: s.Next + uint64(i)}
			if !b.Add(m.AppendTo(nil), testStart) {
				panic("test packet is full")
			}
		}
		p, chain := b.Close(wire.Header{
			Type: wire.TypeSequenced, Channel: testChannel, Session: testSession, Epoch: s.Epoch,
			Sequence: s.Next, Chain: s.Chain, Clock: s.Clock,
		}, testStart)
		s.packets = append(s.packets, p)
		s.Next, s.Chain = p.Next(), chain
	}
}

// restart begins epoch with the packets up to last, a packet's end.
func (s *tape) restart(epoch uint32, last uint64) {
	s.Chain = 0
	for i, p := range s.packets {
		if p.First() > last {
			s.packets = s.packets[:i]
			break
		}
		s.Chain = wire.ChainAfter(p)
	}
	c := Cut{Epoch: epoch, Previous: s.Epoch, Cut: last, Chain: s.Chain}
	s.Cuts = append(s.Cuts[:len(s.Cuts):len(s.Cuts)], c)
	s.Epoch, s.Next = epoch, last+1
}

// packetEnd is the last sequence of the packet that holds seq, or of the last one.
func (s *tape) packetEnd(seq uint64) uint64 {
	for _, p := range s.packets {
		if p.Next() > seq {
			return p.Next() - 1
		}
	}
	return s.Next - 1
}

func (s *tape) end() { s.Ended, s.Last = true, s.Next-1 }

// define makes n instrument definitions.
func (s *tape) define(n int) {
	for i := range n {
		m := wire.InstrumentDefinition{
			Head: wire.Head{Instrument: uint32(i + 1)}, PriceExponent: -4, Symbol: fmt.Append(nil, "SYM", i),
		}
		s.msgs = m.AppendTo(s.msgs)
	}
	s.asOf = s.Next - 1
}

func (s *tape) Bounds() (oldest, next uint64) { return s.Oldest, s.top() }

func (s *tape) top() uint64 {
	if s.visible != 0 {
		return min(s.visible, s.Next)
	}
	return s.Next
}

func (s *tape) Definitions() ([]byte, uint64) { return s.msgs, s.asOf }

func (s *tape) Copy(dst []byte, seq uint64) (n int, err error) {
	defer func() { s.copied.Add(int64(n)) }()
	switch {
	case s.fail != nil:
		return 0, s.fail
	case seq < s.Oldest:
		return 0, feed.ErrGone
	case seq >= s.top():
		return 0, feed.ErrAhead
	}
	for _, p := range s.packets {
		if p.Next() <= seq {
			continue
		}
		if p.Next() > s.top() || len(p) > len(dst)-n {
			break
		}
		n += copy(dst[n:], p)
	}
	if n == 0 {
		return 0, feed.ErrSmall
	}
	return n, nil
}

// live is a tape as a Live; a struct cannot have a field and a method State.
type live struct{ *tape }

func (l live) State() State {
	st := l.tape.State
	if v := l.visible; v != 0 && v < st.Next {
		st.Next, st.Chain = v, l.chainBefore(v)
	}
	return st
}

func (s *tape) chainBefore(seq uint64) uint64 {
	for _, p := range s.packets {
		if p.First() == seq {
			return p.Chain()
		}
	}
	return 0
}

func testServerConfig() ServerConfig {
	return ServerConfig{
		Channel: Channel{
			Channel: testChannel, Session: testSession, PacketSize: wire.DefaultPacket, Heartbeat: 50 * millisecond,
			Lines: [2]Line{
				{Group: netip.MustParseAddrPort("239.1.1.1:5001"), Source: netip.MustParseAddr("10.0.0.1")},
				{Group: netip.MustParseAddrPort("239.1.1.2:5002")},
			},
		},
		Limits: DefaultLimits(),
	}
}

// rig is a server, one client, and the bytes between them in virtual time.
type rig struct {
	t       testing.TB
	now     wire.Nanos
	tape    *tape
	cfg     ServerConfig
	server  *Server
	session *Session
	client  *Client
	rand    *rand.Rand // splits the bytes anywhere; nil: does not split
	buf     []byte
	log     strings.Builder
	got     []byte            // packets of all answers
	next    map[uint32]uint64 // of each id: the sequence after what came
	refusal []Refusal
	control []wire.Packet
	welcome Welcome
	clErr   error
	srvErr  error
}

func newRig(t testing.TB) *rig {
	return &rig{t: t, now: testStart, tape: newTape(), cfg: testServerConfig(),
		buf: make([]byte, MinBuffer), next: make(map[uint32]uint64)}
}

func (r *rig) serve() {
	r.t.Helper()
	s, err := NewServer(r.cfg, live{r.tape})
	if err != nil {
		r.t.Fatal(err)
	}
	r.server = s
}

// login connects the client and runs until nothing moves.
func (r *rig) login(cfg ClientConfig) {
	r.t.Helper()
	if r.server == nil {
		r.serve()
	}
	s, err := r.server.Accept(r.now, "peer")
	if err != nil {
		r.t.Fatal(err)
	}
	r.session, r.client = s, NewClient(cfg, r.now)
	r.clErr, r.srvErr = nil, nil
	r.run()
}

func (r *rig) plain() {
	r.t.Helper()
	r.login(ClientConfig{Login: Login{Channel: testChannel}})
	if !r.client.Ready() {
		r.t.Fatalf("not welcome: %v", r.clErr)
	}
}

// pieces calls fn with b in pieces of random lengths.
func (r *rig) pieces(b []byte, fn func([]byte) error) error {
	for len(b) > 0 {
		n := len(b)
		if r.rand != nil && r.rand.IntN(3) > 0 {
			n = 1 + r.rand.IntN(min(n, 1+r.rand.IntN(2000)))
		}
		piece := append([]byte(nil), b[:n]...) // poisoned below: nothing may keep it
		if err := fn(piece); err != nil {
			return err
		}
		for i := range piece {
			piece[i] = 0xdb
		}
		b = b[n:]
	}
	return nil
}

// run moves bytes both ways until none move at this instant. It returns when the
// session wants to be called again.
func (r *rig) run() (next wire.Nanos) {
	r.t.Helper()
	for range 100_000 {
		moved := len(r.client.Output())
		if moved > 0 {
			r.srvErr = r.pieces(append([]byte(nil), r.client.Output()...), func(b []byte) error { return r.session.Receive(r.now, b) })
			r.client.Sent(moved)
		}
		var n int
		n, next = r.session.Produce(r.now, r.buf)
		r.session.Taken(r.now, n)
		if n > 0 && r.clErr == nil {
			r.clErr = r.pieces(r.buf[:n], func(b []byte) error { return r.client.Receive(r.now, b, r) })
		}
		if moved+n == 0 {
			if next <= r.now && !r.session.Done() {
				continue
			}
			return next
		}
	}
	r.t.Fatal("the bytes never stop")
	return 0
}

// advance runs through d of virtual time, calling whoever wants to be called.
func (r *rig) advance(d wire.Nanos) {
	r.t.Helper()
	for end := r.now + d; ; {
		next := r.run()
		if at, err := r.session.Poll(r.now); err != nil {
			r.srvErr = err
			r.logf("server closes: %v", err)
			return
		} else if at < next {
			next = at
		}
		if at, err := r.client.Poll(r.now); err != nil {
			r.clErr = err
			r.logf("client closes: %v", err)
			return
		} else if at < next {
			next = at
		}
		if len(r.client.Output()) > 0 {
			continue
		}
		if next > end {
			r.now = end
			r.run()
			return
		}
		r.now = max(next, r.now+1)
	}
}

func (r *rig) logf(format string, a ...any) { fmt.Fprintf(&r.log, format+"\n", a...) }

func (r *rig) Welcome(w Welcome) {
	r.welcome = w
	r.logf("welcome %v epoch %d next %d oldest %d chain %t", w.Channel.Session, w.State.Epoch, w.State.Next,
		w.State.Oldest, w.State.Chain != 0)
	if w.Since.Epoch != 0 {
		r.logf("  epoch %d follows %d at cut %d", w.Since.Epoch, w.Since.Previous, w.Since.Cut)
	}
}

func (r *rig) Packets(id uint32, b []byte) {
	r.got = append(r.got, b...)
	for len(b) > 0 {
		b = r.epochRun(id, b)
	}
}

// epochRun logs the packets of one epoch at the head of b as one line.
func (r *rig) epochRun(id uint32, b []byte) []byte {
	first, n, what := wire.Packet(nil), 0, "packets"
	for len(b) > 0 {
		p, err := wire.Parse(b)
		if err != nil {
			r.t.Fatalf("packet of an answer: %v", err)
		}
		if n > 0 && p.Epoch() != first.Epoch() {
			break
		}
		if n++; n == 1 {
			first = p
		}
		if p.Type() == wire.TypeSnapshot {
			what = fmt.Sprintf("snapshots as of %d of", p.First()-1)
			r.next[id] += uint64(p.Count())
		} else {
			r.next[id] = p.Next()
		}
		b = b[len(p):]
	}
	if first.Type() == wire.TypeSnapshot {
		r.logf("%d: %d %s %d in all, epoch %d", id, n, what, r.next[id], first.Epoch())
	} else {
		r.logf("%d: %d %s %d to %d epoch %d", id, n, what, first.First(), r.next[id]-1, first.Epoch())
	}
	return b
}

func (r *rig) Unavailable(id uint32, first, last uint64, cause Cause) {
	r.logf("%d: unavailable %d to %d: %v", id, first, last, cause)
	r.next[id] = last + 1
}

func (r *rig) Done(id uint32, next uint64) { r.logf("%d: done, next %d", id, next) }

func (r *rig) Refused(id uint32, no Refusal) {
	r.refusal = append(r.refusal, no)
	r.logf("%d: %v", id, &no)
}

func (r *rig) Control(p wire.Packet) {
	var s wire.Status
	if err := s.Decode(p); err != nil {
		r.t.Fatal(err)
	}
	r.control = append(r.control, append(wire.Packet(nil), p...))
	name := map[wire.Type]string{wire.TypeHeartbeat: "heartbeat", wire.TypeEpoch: "epoch", wire.TypeEnd: "end"}[p.Type()]
	r.logf("%s at %v: epoch %d next %d previous %d cut %d last %d", name, (r.now - testStart).Duration(),
		p.Epoch(), p.First(), s.Previous, s.Cut, s.Last)
}
