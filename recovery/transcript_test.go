package recovery

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

var update = flag.Bool("update", false, "write what the transcripts should say")

// TestTranscripts replays testdata/*.txt. A transcript is a list of commands, each
// followed by a line "----" and what comes of it. The commands are rig's methods.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) { replay(t, name) })
	}
}

func replay(t *testing.T, name string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, market: newMarket("TEST"), saved: map[uint64]wire.Packet{}, now: 1000 * ms}
	var out strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		cmd, want, _ := strings.Cut(block, "\n----")
		got := r.block(cmd)
		if want = strings.TrimSpace(want); got != want && !*update {
			t.Errorf("%s:\n%s\n---- got\n%s\n---- want\n%s", name, cmd, got, want)
		}
		out.WriteString(strings.TrimRight(strings.TrimSpace(cmd)+"\n----\n"+got, "\n") + "\n\n")
	}
	if *update {
		if err := os.WriteFile(name, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range r.rec.bad {
		t.Error(bad)
	}
}

// rig is one Subscriber with everything around it, on one virtual clock and with
// TCP that takes no time.
type rig struct {
	t       *testing.T
	now     wire.Nanos
	market  *market
	frozen  *market
	saved   map[uint64]wire.Packet // by first sequence, the newest
	servers []*server
	sub     *Subscriber
	session *retransmit.Session
	rec     recorder
	seen    uint64 // requests printed
	buf     []byte
}

func (r *rig) block(cmd string) string {
	r.rec.log = nil
	for _, line := range strings.Split(cmd, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			r.command(strings.Fields(line))
		}
	}
	return strings.Join(r.rec.log, "\n")
}

func (r *rig) command(args []string) {
	switch cmd, args := args[0], args[1:]; cmd {
	case "servers":
		for range r.number(args[0]) {
			r.servers = append(r.servers, newServer(r.market, limits(args[1:])))
		}
	case "subscribe":
		r.subscribe(args)
	case "publish":
		for _, a := range args {
			p := r.market.publish(int(r.number(a)))
			r.saved[p.First()] = p
			r.rec.printf("packet %d..%d", p.First(), p.Next()-1)
		}
	case "a", "b":
		for _, a := range args {
			r.line(int(cmd[0]-'a'), a)
		}
		r.settle()
	case "tick":
		r.tick(args[0])
	case "restart":
		r.market.restart(r.number(args[0]))
		r.hangUp()
	case "end":
		r.market.ended = true
	case "rewrite":
		r.market.rewrite(r.number(args[0]))
	case "forget":
		r.market.forget(r.number(args[0]))
	case "began": // what serves is a relay that began there
		m := r.market
		m.forget(r.number(args[0]))
		m.cuts = []retransmit.Cut{{Epoch: m.epoch, Cut: m.oldest - 1, Chain: m.packets[0].Chain()}}
	case "freeze": // from now on the server gets nothing new
		m := *r.market
		m.packets, m.cuts = slices.Clone(m.packets), slices.Clone(m.cuts)
		r.servers[r.number(args[0])], r.frozen = newServer(&m, retransmit.DefaultLimits()), &m
	case "thaw": // the one frozen last gets all that it missed
		*r.frozen = *r.market
	case "down", "up", "mute":
		s := r.servers[r.number(args[0])]
		s.down, s.mute = cmd == "down", cmd == "mute"
		r.hangUp()
	case "states":
		r.rec.states = true
	case "stats":
		r.stats(args)
	case "position":
		p := r.sub.Position()
		r.rec.printf("session %v epoch %d sequence %d chain ours %v", p.Session, p.Epoch, p.Sequence, p.Chain == r.market.chain)
	case "done":
		done, err := r.sub.Done()
		r.rec.printf("%v %v", done, err)
	default:
		r.t.Fatalf("unknown command %q", cmd)
	}
}

func (r *rig) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func limits(args []string) retransmit.Limits {
	l := retransmit.DefaultLimits()
	for _, a := range args {
		switch key, value, _ := strings.Cut(a, "="); key {
		case "range":
			fmt.Sscan(value, &l.Range)
		case "requests": // a second
			fmt.Sscan(value, &l.Requests)
		case "outstanding":
			fmt.Sscan(value, &l.Outstanding)
		}
	}
	return l
}

// subscribe makes a Subscriber: from=start|now|SEQ, resume=SEQ (of the market's
// present lineage, or wrong), tcp, window=BYTES.
func (r *rig) subscribe(args []string) {
	cfg := Config{Seed: 1}
	for range r.servers {
		cfg.Servers = append(cfg.Servers, "server")
	}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "from":
			switch value {
			case "start":
				cfg.From = FromStart
			case "now":
				cfg.From = FromNow
			default:
				cfg.From = r.number(value)
			}
		case "resume":
			cfg.Resume = r.resume(value)
		case "tcp":
			cfg.TCP = true
		case "patience":
			d, _ := time.ParseDuration(value)
			cfg.Patience = wire.Nanos(d)
		case "window":
			cfg.Window = int(r.number(value))
		}
	}
	r.hangUp()
	r.rec = recorder{states: r.rec.states, log: r.rec.log}
	sub, err := NewSubscriber(cfg, &r.rec)
	if err != nil {
		r.rec.printf("%v", err)
		return
	}
	r.sub, r.seen, r.session = sub, 0, nil
	r.settle()
}

func (r *rig) resume(value string) *Position {
	p := &Position{Session: r.market.session, Epoch: r.market.epoch, Known: true}
	switch value {
	case "other-session":
		p.Session, p.Sequence = 1, 1
	case "other-chain":
		p.Sequence, p.Chain = r.market.next-1, 42
	case "ahead":
		p.Sequence = r.market.next + 10
	default:
		p.Sequence = r.number(value)
		q := r.saved[p.Sequence+1]
		p.Chain, p.Epoch = q.Chain(), q.Epoch()
	}
	return p
}

// line gives the Subscriber a saved packet, named by its first sequence, or a
// control packet made now. A trailing ! damages its chain and mends its checksum.
func (r *rig) line(i int, what string) {
	what, forged := strings.CutSuffix(what, "!")
	var p wire.Packet
	switch what {
	case "heartbeat":
		p = r.market.control(wire.TypeHeartbeat)
	case "epoch":
		p = r.market.control(wire.TypeEpoch)
	case "end":
		p = r.market.control(wire.TypeEnd)
	case "far":
		m := *r.market
		m.next += 1 << 40
		p = m.publish(1)
	default:
		var ok bool
		if p, ok = r.saved[r.number(what)]; !ok {
			r.t.Fatalf("no packet at %s", what)
		}
	}
	if forged {
		p = forge(p)
	}
	r.sub.Datagram(i, p, 0, r.now)
}

// forge returns p with another chain before it.
func forge(p wire.Packet) wire.Packet {
	var b wire.Builder
	b.Open(make([]byte, wire.DefaultPacket))
	c := p.Cursor()
	for c.Next() {
		b.Add(c.Message(), c.Stamp())
	}
	h := p.Header()
	h.Chain ^= 1
	q, _ := b.Close(h, h.Stamp)
	return q
}

// tick lets time pass, stopping wherever the Subscriber wants to be polled.
func (r *rig) tick(s string) {
	d, err := time.ParseDuration(s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.settle()
	for end := r.now + wire.Nanos(d); r.now < end; {
		next := r.sub.Poll(r.now)
		if next <= r.now {
			r.t.Fatalf("Poll at %d asks to be called at %d", r.now, next)
		}
		r.now = min(next, end, r.now+ms)
		r.settle()
	}
}

// settle polls and moves bytes until nothing more happens.
func (r *rig) settle() {
	for busy := true; busy; {
		r.sub.Poll(r.now)
		busy = r.act(r.sub.Action(r.now))
		busy = r.exchange() || busy
	}
	if n := r.sub.Stats().Requests; n != r.seen {
		r.rec.printf("requests %d", n)
		r.seen = n
	}
}

func (r *rig) act(a Action) bool {
	switch a.Kind {
	case ActNone:
		return false
	case ActJoin:
		r.rec.printf("join")
	case ActHangUp:
		r.rec.printf("hang up")
		r.session = nil
	case ActDial:
		r.dial(a.Server)
	}
	return true
}

func (r *rig) dial(i int) {
	r.rec.printf("dial %d", i)
	s := r.servers[i]
	if s.down {
		r.sub.Disconnected(os.ErrNotExist, r.now)
		return
	}
	session, err := s.srv.Accept(r.now, "peer")
	if err != nil {
		r.t.Fatal(err)
	}
	r.sub.Connected(r.now)
	if r.session = session; s.mute {
		r.session = nil
	}
}

func (r *rig) exchange() bool {
	out := slices.Clone(r.sub.Output())
	r.sub.Sent(len(out))
	if r.session == nil {
		return false
	}
	if len(out) > 0 {
		_ = r.session.Receive(r.now, out)
	}
	if r.buf == nil {
		r.buf = make([]byte, 2*retransmit.MinBuffer)
	}
	buf := r.buf
	n, _ := r.session.Produce(r.now, buf)
	r.session.Taken(r.now, n)
	if n > 0 {
		r.sub.Received(buf[:n], r.now)
	}
	return n > 0 || len(out) > 0
}

// hangUp breaks the connection from the server's side.
func (r *rig) hangUp() {
	if r.sub != nil {
		r.sub.Disconnected(os.ErrClosed, r.now)
	}
	r.session = nil
}

func (r *rig) stats(names []string) {
	st := r.sub.Stats()
	for _, n := range names {
		var v uint64
		switch n {
		case "lines":
			for i, l := range st.Lines {
				r.rec.printf("line %c packets %d missing %d duplicates %d reordered %d",
					'a'+i, l.Packets, l.Missing, l.Duplicates, l.Reordered)
			}
			continue
		case "delivered":
			v = st.Delivered
		case "repaired":
			v = st.Repaired
		case "gaps":
			v = st.Gaps
		case "overflow":
			v = st.Overflow
		case "fenced":
			v = st.Fenced
		case "mismatch":
			v = st.Mismatch
		case "requests":
			v = st.Requests
		case "redundant":
			v = st.Redundant
		default:
			r.t.Fatalf("no counter %q", n)
		}
		r.rec.printf("%s %d", n, v)
	}
}
