package multicast

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// utc is the rigs' clock for stamps.
func utc() wire.Nanos { return wire.Nanos(time.Now().UnixNano()) }

// tape is a whole channel in memory: what a retransmit service reads.
type tape struct {
	mu      sync.Mutex
	state   retransmit.State
	packets []wire.Packet
	session wire.Session
}

func newTape() *tape {
	session, _ := wire.ParseSession("RIG")
	return &tape{session: session, state: retransmit.State{
		Epoch: 10, Cuts: []retransmit.Cut{{Epoch: 10}}, Oldest: 1, Next: 1,
		Clock: wire.Clock{State: wire.ClockSynchronised, ID: 1},
	}}
}

func (s *tape) State() retransmit.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *tape) Bounds() (oldest, next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Oldest, s.state.Next
}

func (s *tape) Definitions() ([]byte, uint64) { return nil, 0 }

func (s *tape) Copy(dst []byte, seq uint64) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq >= s.state.Next {
		return 0, feed.ErrAhead
	}
	at := int(seq-1) / perPacket
	for _, p := range s.packets[at:] {
		if len(p) > len(dst)-n {
			break
		}
		n += copy(dst[n:], p)
	}
	if n == 0 {
		return 0, feed.ErrSmall
	}
	return n, nil
}

// perPacket is the number of messages in each packet of a tape: they fill it.
const perPacket = 50

func (s *tape) header(t wire.Type) wire.Header {
	return wire.Header{
		Type: t, Channel: 1, Session: s.session, Epoch: s.state.Epoch,
		Sequence: s.state.Next, Chain: s.state.Chain, Clock: s.state.Clock, Stamp: utc(),
	}
}

// add makes n more packets.
func (s *tape) add(n int) []wire.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		var b wire.Builder
		b.Open(make([]byte, wire.DefaultPacket))
		now := utc()
		for i := range perPacket {
			m := wire.OrderDelete{Head: wire.Head{Instrument: 1}, Order: s.state.Next + uint64(i)}
			b.Add(m.AppendTo(nil), now)
		}
		p, chain := b.Close(s.header(wire.TypeSequenced), now)
		s.packets = append(s.packets, p)
		s.state.Next, s.state.Chain = p.Next(), chain
	}
	return s.packets[len(s.packets)-n:]
}

// control makes a heartbeat or, with the session over, its end.
func (s *tape) control(end bool) wire.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := wire.TypeHeartbeat
	if end {
		t, s.state.Ended, s.state.Last = wire.TypeEnd, true, s.state.Next-1
	}
	st := wire.Status{Last: s.state.Last}
	return st.AppendControl(nil, s.header(t))
}

// A rig is a channel on loopback: a tape, its publisher and its retransmit services.
type rig struct {
	tape     *tape
	pub      *Publisher
	lines    []Line
	services []*service
}

// newRig publishes a new channel on the lines given, with one retransmit service.
func newRig(lines ...Line) (*rig, error) {
	pub, err := NewPublisher(PublisherConfig{Lines: lines, Loopback: true})
	if err != nil {
		return nil, err
	}
	r := &rig{tape: newTape(), pub: pub, lines: lines}
	_, err = r.serve()
	return r, err
}

func (r *rig) close() {
	for _, s := range r.services {
		s.close()
	}
	r.pub.Close()
}

// A service is one retransmit service.
type service struct {
	server   *retransmit.Server
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
	closed   bool
}

// serve starts one more retransmit service.
func (r *rig) serve() (*service, error) {
	c := retransmit.Channel{Channel: 1, Session: r.tape.session, PacketSize: wire.DefaultPacket, Heartbeat: 50e6}
	for i, l := range r.lines {
		c.Lines[i] = retransmit.Line{Group: l.Group, Source: l.Source}
	}
	server, err := retransmit.NewServer(retransmit.ServerConfig{Channel: c, Limits: retransmit.DefaultLimits()}, r.tape)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{server: server, listener: l}
	s.running.Go(s.accept)
	r.services = append(r.services, s)
	return s, nil
}

// addrs are those of the services.
func (r *rig) addrs() (out []string) {
	for _, s := range r.services {
		out = append(out, s.listener.Addr().String())
	}
	return out
}

// close stops the service and breaks its connections.
func (s *service) close() {
	s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *service) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		session, err := s.server.Accept(utc(), "127.0.0.1")
		if err != nil || !s.keep(c) {
			c.Close()
			continue
		}
		s.running.Go(func() { talk(c, session) })
	}
}

// keep remembers c for close, unless that was called.
func (s *service) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return !s.closed
}

// talk is the shell of one connection: one goroutine, which looks for bytes of the
// client whenever it has none for it.
func talk(c net.Conn, s *retransmit.Session) {
	defer c.Close()
	defer s.Close()
	in, out := make([]byte, 64<<10), make([]byte, 256<<10)
	for !s.Done() {
		if n, _ := s.Produce(utc(), out); n > 0 {
			if _, err := c.Write(out[:n]); err != nil {
				return
			}
			s.Taken(utc(), n)
			continue
		}
		c.SetReadDeadline(time.Now().Add(time.Millisecond))
		n, err := c.Read(in)
		if n > 0 {
			_ = s.Receive(utc(), in[:n]) // what is wrong is in what Produce gives
		}
		var timeout net.Error
		if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
			return
		}
	}
}

// publish sends n new packets on the lines.
func (r *rig) publish(n int) error { return r.pub.Send(r.tape.add(n)) }

// heartbeat says how far the channel is; end that it is over.
func (r *rig) heartbeat() error { return r.pub.Send([]wire.Packet{r.tape.control(false)}) }
func (r *rig) end() error       { return r.pub.Send([]wire.Packet{r.tape.control(true)}) }

// startRig is newRig for tests.
func startRig(t testing.TB, lines ...Line) *rig {
	t.Helper()
	r, err := newRig(lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// A reader is a handler that checks the order and the chain of what it is given.
type reader struct {
	next   uint64
	chain  uint64
	wrong  error
	from   [8]int // deliveries by provenance
	events []recovery.Event
	stamps int           // deliveries with a receive stamp
	ready  chan struct{} // closed at the delivery of sequence notify
	notify uint64
}

func newReader() *reader { return &reader{next: 1, ready: make(chan struct{})} }

func (h *reader) Packet(d recovery.Delivery) {
	first := d.First() + uint64(d.Skip)
	if d.Type() == wire.TypeSnapshot {
		return
	}
	if h.wrong == nil && (first != h.next || d.Skip == 0 && d.Chain() != h.chain) {
		h.wrong = errors.New("out of order, or another chain")
	}
	if h.next <= h.notify && h.notify < d.Next() {
		close(h.ready)
	}
	h.next, h.chain = d.Next(), wire.ChainAfter(d.Packet)
	h.from[d.From]++
	if d.Received != 0 {
		h.stamps++
	}
}

func (h *reader) Event(e recovery.Event) { h.events = append(h.events, e) }

// check fails unless h has all of the tape, and nothing was lost.
func (h *reader) check(t testing.TB, tape *tape) {
	t.Helper()
	st := tape.State()
	if h.wrong != nil || h.next != st.Next || h.chain != st.Chain {
		t.Errorf("%v; next %d, chain %x; want %d, %x", h.wrong, h.next, h.chain, st.Next, st.Chain)
	}
	for _, e := range h.events {
		if e.Kind == recovery.EventLost || e.Kind == recovery.EventOrphaned {
			t.Errorf("unexpected event %+v", e)
		}
	}
}
