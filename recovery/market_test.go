package recovery

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

const ms = wire.Nanos(1e6)

// market is a sequencer and its history in memory. It is what retransmit servers
// serve in tests.
type market struct {
	session wire.Session
	epoch   uint32
	chain   uint64
	next    uint64
	packets []wire.Packet // of the current lineage
	oldest  uint64
	cuts    []retransmit.Cut
	ended   bool
	written uint64 // messages ever made, so that no two are the same
	defs    []byte
}

func newMarket(name string) *market {
	session, err := wire.ParseSession(name)
	if err != nil {
		panic(err)
	}
	def := wire.InstrumentDefinition{Head: wire.Head{Instrument: 1}, Symbol: []byte("TAPE")}
	return &market{session: session, epoch: 1, next: 1, oldest: 1, defs: def.AppendTo(nil),
		cuts: []retransmit.Cut{{Epoch: 1}}}
}

func (m *market) header(t wire.Type) wire.Header {
	return wire.Header{Type: t, Channel: 7, Session: m.session, Epoch: m.epoch, Sequence: m.next,
		Stamp: wire.Nanos(m.next) * 1000, Chain: m.chain}
}

// publish makes one packet of n messages.
func (m *market) publish(n int) wire.Packet {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	for range n {
		m.written++
		msg := wire.OrderDelete{Head: wire.Head{Instrument: 1}, Order: m.written}
		if !b.Add(msg.AppendTo(nil), wire.Nanos(m.next)*1000) {
			panic("packet is full")
		}
	}
	p, chain := b.Close(m.header(wire.TypeSequenced), 0)
	m.packets = append(m.packets, p)
	m.chain, m.next = chain, p.Next()
	return p
}

func (m *market) status() wire.Status {
	c := m.cuts[len(m.cuts)-1]
	st := wire.Status{Journal: wire.JournalAlive, Previous: c.Previous, Cut: c.Cut, CutChain: c.Chain}
	if m.ended {
		st.Last = m.next - 1
	}
	return st
}

func (m *market) control(t wire.Type) wire.Packet {
	st := m.status()
	return wire.Packet(st.AppendControl(nil, m.header(t)))
}

// restart begins a new epoch behind the last packet that ends at cut or before.
func (m *market) restart(cut uint64) {
	for n := len(m.packets); n > 0 && m.packets[n-1].Next()-1 > cut; n-- {
		m.next, m.chain = m.packets[n-1].First(), m.packets[n-1].Chain()
		m.packets = m.packets[:n-1]
	}
	m.epoch++
	m.cuts = append(m.cuts, retransmit.Cut{Epoch: m.epoch, Previous: m.epoch - 1, Cut: m.next - 1, Chain: m.chain})
}

// follow takes a packet that another market made.
func (m *market) follow(p wire.Packet) {
	m.packets = append(m.packets, p)
	m.chain, m.next = wire.ChainAfter(p), p.Next()
}

// rewrite replaces everything from seq on by other messages: what no sequencer does.
func (m *market) rewrite(seq uint64) {
	i, _ := m.at(seq)
	old := m.packets[i:]
	m.packets, m.next, m.chain = m.packets[:i:i], old[0].First(), old[0].Chain()
	for _, p := range old {
		m.publish(p.Count())
	}
}

// forget makes everything before seq unavailable.
func (m *market) forget(seq uint64) {
	for len(m.packets) > 0 && m.packets[0].Next() <= seq {
		m.packets = m.packets[1:]
	}
	m.oldest = m.next
	if len(m.packets) > 0 {
		m.oldest = m.packets[0].First()
	}
}

func (m *market) at(seq uint64) (int, bool) {
	lo, hi := 0, len(m.packets)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.packets[mid].Next() <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(m.packets)
}

func (m *market) Bounds() (oldest, next uint64) { return m.oldest, m.next }

func (m *market) Copy(dst []byte, seq uint64) (n int, err error) {
	if seq < m.oldest {
		return 0, feed.ErrGone
	}
	i, ok := m.at(seq)
	if !ok {
		return 0, feed.ErrAhead
	}
	for ; i < len(m.packets) && n+len(m.packets[i]) <= len(dst); i++ {
		n += copy(dst[n:], m.packets[i])
	}
	if n == 0 {
		return 0, feed.ErrSmall
	}
	return n, nil
}

func (m *market) Definitions() ([]byte, uint64) { return m.defs, m.next - 1 }

func (m *market) State() retransmit.State {
	st := retransmit.State{Epoch: m.epoch, Cuts: m.cuts, Oldest: m.oldest, Next: m.next, Chain: m.chain,
		Journal: wire.JournalAlive, Ended: m.ended}
	if m.ended {
		st.Last = m.next - 1
	}
	return st
}

// server is one retransmit service, which can be down or mute.
type server struct {
	srv  *retransmit.Server
	down bool
	mute bool // accepts, says nothing
}

func newServer(m *market, limits retransmit.Limits) *server {
	srv, err := retransmit.NewServer(retransmit.ServerConfig{
		Channel: retransmit.Channel{
			Channel: 7, Session: m.session, PacketSize: wire.DefaultPacket, Heartbeat: 50 * ms,
			Lines: [2]retransmit.Line{
				{Group: netip.MustParseAddrPort("239.1.1.1:7001")}, {Group: netip.MustParseAddrPort("239.1.1.2:7002")},
			},
		},
		Limits: limits,
	}, m)
	if err != nil {
		panic(err)
	}
	return &server{srv: srv}
}

// recorder is a Handler that writes down what it is given, and checks it.
type recorder struct {
	log     []string
	trace   io.Writer // takes what would be written down
	next    uint64    // expected; 0 any
	chain   uint64
	orders  []uint64 // by sequence-1: the order id of each message delivered; 0 none
	total   uint64
	lost    uint64
	orphans uint64
	bad     []string
	states  bool // write down states too
}

func (r *recorder) printf(format string, args ...any) {
	if r.trace != nil {
		fmt.Fprintf(r.trace, format, args...)
	} else {
		r.log = append(r.log, fmt.Sprintf(format, args...))
	}
}

func (r *recorder) Packet(d Delivery) {
	if d.From == Snapshot {
		r.printf("snapshot of %d definitions", d.Count())
		return
	}
	first := d.First() + uint64(d.Skip)
	if r.next != 0 && first != r.next {
		r.bad = append(r.bad, fmt.Sprintf("delivered %d, expected %d", first, r.next))
	}
	skip := ""
	if d.Skip > 0 {
		skip = fmt.Sprintf(" skip %d", d.Skip)
	}
	r.printf("deliver %d..%d from %v%s", first, d.Next()-1, d.From, skip)
	r.take(d)
	r.next, r.chain = d.Next(), wire.ChainAfter(d.Packet)
	r.total += uint64(d.Messages())
}

func (r *recorder) take(d Delivery) {
	n := 0
	c := d.Cursor()
	for ; c.Next(); n++ {
		var m wire.OrderDelete
		if m.Decode(c.Message()) == nil {
			r.put(c.Sequence(), m.Order)
		}
	}
	if n != d.Messages() {
		r.bad = append(r.bad, fmt.Sprintf("cursor gave %d messages of %d", n, d.Messages()))
	}
}

func (r *recorder) put(seq, order uint64) {
	for uint64(len(r.orders)) < seq {
		r.orders = append(r.orders, 0)
	}
	if r.orders[seq-1] != 0 {
		r.bad = append(r.bad, fmt.Sprintf("sequence %d was delivered twice", seq))
	}
	r.orders[seq-1] = order
}

// at is the order id of the message delivered with seq, 0 for none.
func (r *recorder) at(seq uint64) uint64 {
	if seq > uint64(len(r.orders)) {
		return 0
	}
	return r.orders[seq-1]
}

func (r *recorder) Event(e Event) {
	switch e.Kind {
	case EventLost:
		r.printf("lost %d..%d %v", e.First, e.Last, e.Cause)
		r.lost += e.Last - e.First + 1
		if r.next != 0 && r.next != e.First {
			r.bad = append(r.bad, fmt.Sprintf("lost %d, expected %d", e.First, r.next))
		}
		r.next = e.Last + 1
	case EventOrphaned:
		r.printf("orphaned %d..%d", e.First, e.Last)
		r.orphans += e.Last - e.First + 1
		if r.next != 0 && e.Last != r.next-1 {
			r.bad = append(r.bad, fmt.Sprintf("orphaned up to %d, delivered up to %d", e.Last, r.next-1))
		}
		r.orders = r.orders[:min(uint64(len(r.orders)), e.First-1)]
		r.next = e.First
	case EventEpoch:
		r.printf("epoch %d cut %d", e.Epoch, e.Last)
		if r.chain = e.Chain; r.next != e.Last+1 {
			r.bad = append(r.bad, fmt.Sprintf("epoch goes on from %d, expected %d", e.Last, r.next-1))
		}
	case EventState:
		if r.states {
			r.printf("state %v %v", e.State, e.Cause)
		}
	case EventEnd:
		r.printf("end %d", e.Last)
	case EventAlert:
		r.printf("alert %v at %d", e.Cause, e.First)
	}
}
