package recovery

import (
	"bytes"
	"container/heap"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

var seeds = flag.Uint64("seeds", 60, "worlds that TestModel makes")

// weather is what a world does to its packets and processes.
type weather struct {
	loss     [2]float64 // of a packet, per line
	dup      float64
	late     float64 // share of packets that are held up
	delay    wire.Nanos
	restarts int
	packets  int
	servers  int
	from     uint64
	tcp      bool
	relay    wire.Nanos // how far the second server is behind; 0: it serves the sequencer's history
	flaky    float64    // chance per ms that a connection breaks
	window   int
	announce bool // restarts are announced at once on both lines
}

func randomWeather(r *rand.Rand) weather {
	rates := []float64{0, 0.001, 0.01, 0.1, 0.5, 1}
	w := weather{
		loss:     [2]float64{rates[r.IntN(6)], rates[r.IntN(5)]},
		dup:      rates[r.IntN(4)],
		late:     rates[r.IntN(4)],
		delay:    wire.Nanos(r.IntN(500_000)),
		packets:  500 + r.IntN(1500),
		servers:  1 + r.IntN(2),
		tcp:      r.IntN(8) == 0,
		window:   1 << (12 + r.IntN(9)),
		announce: r.IntN(2) == 0,
		from:     []uint64{FromStart, FromStart, FromNow, 77}[r.IntN(4)],
	}
	if r.IntN(2) == 0 {
		w.restarts = r.IntN(4)
	}
	if r.IntN(2) == 0 {
		w.relay = wire.Nanos(1 + r.IntN(100_000_000))
	}
	if r.IntN(4) == 0 {
		w.flaky = 0.005
	}
	return w
}

// event is something that happens in a world.
type event struct {
	at wire.Nanos
	n  int
	do func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// world is a sequencer, two lines, retransmit servers and one Subscriber in
// virtual time. All chance comes from its seed.
type world struct {
	weather
	rand    *rand.Rand
	now     wire.Nanos
	queue   events
	made    int
	market  *market
	relay   *market // or the same
	servers []*server
	sub     *Subscriber
	rec     recorder
	link    *link
	buf     []byte
}

// link is one TCP connection.
type link struct {
	server  int
	session *retransmit.Session
	broken  bool
	wake    wire.Nanos
}

func newWorld(seed uint64, w weather, trace *bytes.Buffer) *world {
	x := &world{weather: w, rand: rand.New(rand.NewPCG(seed, 2)), now: 1000 * ms, market: newMarket("MODEL"),
		buf: make([]byte, 2*retransmit.MinBuffer)}
	x.rec.trace = trace
	x.rec.states = true
	cfg := Config{Seed: seed, From: w.from, TCP: w.tcp, Window: w.window, Patience: never / 4}
	x.relay = x.market
	if w.relay > 0 {
		x.relay = newMarket("MODEL")
	}
	for i, m := range []*market{x.market, x.relay} {
		x.servers = append(x.servers, newServer(m, retransmit.DefaultLimits()))
		if i < w.servers {
			cfg.Servers = append(cfg.Servers, "server")
		}
	}
	sub, err := NewSubscriber(cfg, &x.rec)
	if err != nil {
		panic(err)
	}
	x.sub = sub
	return x
}

func (x *world) after(d wire.Nanos, do func()) {
	x.made++
	heap.Push(&x.queue, event{x.now + d, x.made, do})
}

// run makes the world go until the Subscriber is done, or for a minute.
func (x *world) run() error {
	x.after(20*ms, func() { x.publish(x.packets) })
	x.after(0, x.beat)
	for i := range x.restarts {
		x.after(wire.Nanos(x.rand.IntN(1+i))*20*ms+wire.Nanos(x.rand.IntN(int(150*ms))), x.restart)
	}
	for end := x.now + 120_000*ms; x.now < end; {
		deadline := x.step()
		if done, err := x.sub.Done(); done {
			return err
		}
		if len(x.queue) == 0 || deadline < x.queue[0].at {
			if deadline <= x.now {
				return fmt.Errorf("Poll at %d asks to be called at %d", x.now, deadline)
			}
			x.now = deadline
			continue
		}
		e := heap.Pop(&x.queue).(event)
		x.now = e.at
		e.do()
	}
	return fmt.Errorf("not done after two minutes: next %d of %d, epoch %d of %d, state %v %v, gaps %v, phase %d",
		x.sub.stream.next, x.market.next, x.sub.stream.epoch, x.market.epoch, x.sub.stream.state, x.sub.stream.cause,
		x.sub.stream.gaps.list[:min(3, len(x.sub.stream.gaps.list))], x.sub.conn.phase)
}

// step polls the Subscriber and carries its actions and bytes away.
func (x *world) step() wire.Nanos {
	deadline := x.sub.Poll(x.now)
	x.check()
	for a := x.sub.Action(x.now); a.Kind != ActNone; a = x.sub.Action(x.now) {
		switch a.Kind {
		case ActHangUp:
			x.link = nil
		case ActDial:
			x.dial(a.Server)
		}
		deadline = x.sub.Poll(x.now)
	}
	if out := x.sub.Output(); len(out) > 0 && x.link != nil {
		b, l := bytes.Clone(out), x.link
		x.sub.Sent(len(out))
		x.after(x.lag(), func() {
			_ = l.session.Receive(x.now, b)
			x.produce(l)
		})
	}
	return deadline
}

// check is the invariant of window and gaps: what is ahead is held, or in a gap,
// and never both.
func (x *world) check() {
	s := x.sub.stream
	if s.edge-s.next > 2000 {
		return
	}
	i := 0
	for seq := s.next; seq < s.edge; seq++ {
		for i < len(s.gaps.list) && s.gaps.list[i].last < seq {
			i++
		}
		gap := i < len(s.gaps.list) && s.gaps.list[i].first <= seq
		if gap == s.win.has(seq) {
			x.rec.bad = append(x.rec.bad, fmt.Sprintf("at %d: sequence %d in a gap %v, held %v", x.now, seq, gap, !gap))
		}
	}
	if s.win.empty() && s.next < s.edge && len(s.gaps.list) == 0 {
		x.rec.bad = append(x.rec.bad, "something ahead is nowhere")
	}
}

func (x *world) lag() wire.Nanos { return 100_000 }

func (x *world) dial(i int) {
	l := &link{server: i}
	x.link = l
	x.after(x.lag(), func() {
		if x.link != l {
			return
		}
		session, err := x.servers[i].srv.Accept(x.now, "peer")
		if err != nil || x.servers[i].down {
			x.link = nil
			x.sub.Disconnected(os.ErrNotExist, x.now)
			return
		}
		l.session = session
		x.sub.Connected(x.now)
	})
}

// produce lets the server of l answer.
func (x *world) produce(l *link) {
	if l.broken || l != x.link {
		return
	}
	n, next := l.session.Produce(x.now, x.buf)
	l.session.Taken(x.now, n)
	if n > 0 {
		b := bytes.Clone(x.buf[:n])
		x.after(x.lag(), func() {
			if x.link == l && !l.broken {
				x.sub.Received(b, x.now)
			}
		})
		next = x.now + 1000
	}
	if next = max(next, x.now+1000); l.wake <= x.now || next < l.wake {
		l.wake = next
		x.after(next-x.now, func() { x.produce(l) })
	}
	if x.rand.Float64() < x.flaky {
		x.cut()
	}
}

// cut breaks the connection.
func (x *world) cut() {
	l := x.link
	if l == nil || l.session == nil || l.broken {
		return
	}
	l.broken = true
	l.session.Close()
	x.after(x.lag(), func() {
		if x.link == l {
			x.link = nil
			x.sub.Disconnected(os.ErrClosed, x.now)
		}
	})
}

// publish makes packets in bursts, left of them.
func (x *world) publish(left int) {
	if left == 0 {
		x.market.ended = true
		x.mirror(func() { x.relay.ended = true })
		return
	}
	if !x.servers[0].down {
		for range min(left, 1+x.rand.IntN(6)) {
			p := x.market.publish(1 + x.rand.IntN(20))
			x.send(p)
			x.mirror(func() { x.relay.follow(p) })
			left--
		}
	}
	x.after(wire.Nanos(x.rand.IntN(400_000)), func() { x.publish(left) })
}

// mirror lets the relay do what the sequencer did, later.
func (x *world) mirror(do func()) {
	if x.relay != x.market {
		x.after(x.weather.relay, do)
	}
}

// beat sends heartbeats, and at last the end, on both lines.
func (x *world) beat() {
	kind := wire.TypeHeartbeat
	if x.market.ended {
		kind = wire.TypeEnd
	}
	if !x.servers[0].down {
		x.send(x.market.control(kind))
	}
	x.after(50*ms, x.beat)
}

// send puts p on both lines, as far as the weather lets it.
func (x *world) send(p wire.Packet) {
	for i := range x.loss {
		for n := 0; n == 0 || x.rand.Float64() < x.dup; n++ {
			if x.rand.Float64() < x.loss[i] {
				continue
			}
			d := wire.Nanos(50_000 + 30_000*i)
			if x.rand.Float64() < x.late {
				d += x.delay
			}
			x.after(d, func() { x.arrive(i, p) })
		}
	}
}

// arrive gives p to the Subscriber, which hears a line only after it joined.
func (x *world) arrive(i int, p wire.Packet) {
	if (x.sub.Welcome().Channel.Session != 0 || x.weather.servers == 0) && !x.tcp {
		x.sub.Datagram(i, p, 0, x.now)
	}
}

// restart kills the sequencer and its servers and starts them behind a cut.
func (x *world) restart() {
	if x.market.ended || x.servers[0].down {
		return
	}
	if x.link != nil && (x.link.server == 0 || x.relay == x.market) {
		x.cut()
	}
	x.servers[0].down = true
	x.after(wire.Nanos(x.rand.IntN(int(300*ms))), func() {
		lose := uint64(x.rand.IntN(60))
		cut := max(x.market.next-1, lose) - lose
		x.market.restart(cut)
		x.mirror(func() { x.relay.restart(cut) })
		x.servers[0].down = false
		if x.announce {
			x.send(x.market.control(wire.TypeEpoch))
		}
	})
}

// verify checks what the handler got against the market's last lineage.
func (x *world) verify() []string {
	bad := x.rec.bad
	fail := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	st := x.sub.Stats()
	if st.Lost != x.rec.lost || st.Lost != 0 && x.weather.servers > 0 {
		fail("%d messages lost", x.rec.lost)
	}
	if x.rec.total != st.Delivered || x.rec.orphans != st.Orphaned {
		fail("delivered %d, counted %d; orphaned %d, counted %d", x.rec.total, st.Delivered, x.rec.orphans, st.Orphaned)
	}
	if x.rec.total == 0 {
		return bad
	}
	if got, want := st.Delivered+st.Lost-st.Orphaned, x.market.next-st.First; got != want {
		fail("%d messages delivered, lost and not orphaned, of %d", got, want)
	}
	if p := x.sub.Position(); p.Known && p.Chain != x.market.chain || st.Lost == 0 && x.rec.chain != x.market.chain {
		fail("chains differ")
	}
	lost := uint64(0)
	for _, p := range x.market.packets {
		c := p.Cursor()
		for c.Next() {
			var m wire.OrderDelete
			if m.Decode(c.Message()) != nil || c.Sequence() < st.First {
				continue
			}
			switch x.rec.at(c.Sequence()) {
			case m.Order:
			case 0:
				lost++
			default:
				fail("sequence %d is another message", c.Sequence())
				return bad
			}
		}
	}
	if lost > st.Lost {
		fail("%d messages are missing, %d were declared lost", lost, st.Lost)
	}
	return bad
}

// TestModelWithoutServers: what both lines lose is lost, and said so. Only one
// restart: of an epoch of which nothing at all arrived, nobody can tell the cut.
func TestModelWithoutServers(t *testing.T) {
	for seed := range *seeds {
		w := randomWeather(rand.New(rand.NewPCG(seed, 3)))
		w.servers, w.tcp, w.restarts = 0, false, min(w.restarts, 1)
		x := newWorld(seed, w, new(bytes.Buffer))
		if err := x.run(); err != nil {
			t.Fatalf("seed %d: %+v: %v", seed, w, err)
		}
		if bad := x.verify(); len(bad) > 0 {
			t.Fatalf("seed %d: %+v: %q", seed, w, bad[:min(5, len(bad))])
		}
	}
}

// TestModel lets Subscribers live through worlds of random weather: every message
// is delivered once, in order, and none is lost.
func TestModel(t *testing.T) {
	seen := Stats{}
	for seed := range *seeds {
		w := randomWeather(rand.New(rand.NewPCG(seed, 1)))
		x := newWorld(seed, w, new(bytes.Buffer))
		if err := x.run(); err != nil {
			t.Fatalf("seed %d: %+v: %v", seed, w, err)
		}
		if bad := x.verify(); len(bad) > 0 {
			t.Fatalf("seed %d: %+v: %q", seed, w, bad[:min(5, len(bad))])
		}
		seen.add(x.sub.Stats())
	}
	for name, n := range map[string]uint64{"orphaned": seen.Orphaned, "fenced": seen.Fenced, "early": seen.Early,
		"overflow": seen.Overflow, "repaired": seen.Repaired, "gaps": seen.Gaps, "retries": seen.Retries,
		"snapshots": seen.Snapshots, "duplicates": seen.Lines[0].Duplicates, "reordered": seen.Lines[0].Reordered} {
		if n == 0 && *seeds >= 60 {
			t.Errorf("no world had any %s", name)
		}
	}
}

func (s *Stats) add(o *Stats) {
	s.Orphaned += o.Orphaned
	s.Fenced += o.Fenced
	s.Early += o.Early
	s.Overflow += o.Overflow
	s.Repaired += o.Repaired
	s.Gaps += o.Gaps
	s.Requests += o.Requests
	s.Retries += o.Retries
	s.Snapshots += o.Snapshots
	s.Delivered += o.Delivered
	s.Lines[0].Duplicates += o.Lines[0].Duplicates
	s.Lines[0].Reordered += o.Lines[0].Reordered
}

// TestModelSameSeed runs worlds twice: the same seed gives the same trace.
func TestModelSameSeed(t *testing.T) {
	for seed := range uint64(6) {
		var sums [2]uint64
		for i := range sums {
			var trace bytes.Buffer
			x := newWorld(seed, randomWeather(rand.New(rand.NewPCG(seed, 1))), &trace)
			_ = x.run()
			h := fnv.New64a()
			h.Write(trace.Bytes())
			sums[i] = h.Sum64()
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: traces %x and %x", seed, sums[0], sums[1])
		}
	}
}

// TestRequestEconomy counts requests at 1 % loss on each line.
func TestRequestEconomy(t *testing.T) {
	var sum Stats
	for seed := range uint64(10) {
		w := weather{loss: [2]float64{0.01, 0.01}, packets: 5000, servers: 1, from: FromStart}
		x := newWorld(seed, w, new(bytes.Buffer))
		if err := x.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		sum.add(x.sub.Stats())
	}
	if sum.Gaps == 0 || float64(sum.Requests) > 1.1*float64(sum.Gaps) {
		t.Errorf("%d requests for %d gaps", sum.Requests, sum.Gaps)
	}
	t.Logf("%d requests for %d gaps, %d of %d messages repaired", sum.Requests, sum.Gaps, sum.Repaired, sum.Delivered)
}

// TestLateJoin starts a receiver far behind, out of the window's reach, while the
// channel goes on: it catches up and then lives on multicast.
func TestLateJoin(t *testing.T) {
	x := newWorld(1, weather{packets: 4000, servers: 1, from: FromStart, window: 1 << 20}, new(bytes.Buffer))
	for range 20_000 {
		x.market.publish(20)
	}
	behind := x.market.next - 1
	if err := x.run(); err != nil {
		t.Fatal(err)
	}
	if bad := x.verify(); len(bad) > 0 {
		t.Fatalf("%q", bad[:min(5, len(bad))])
	}
	st := x.sub.Stats()
	if lag := st.Repaired - behind; lag > (st.Delivered-behind)/2 {
		t.Errorf("repaired %d of %d that came after the start", lag, st.Delivered-behind)
	}
	t.Logf("%d messages behind, %d repaired after that of %d; %d requests, %d overflowed, done after %v",
		behind, st.Repaired-behind, st.Delivered-behind, st.Requests, st.Overflow, (x.now - 1000*ms).Duration())
}
