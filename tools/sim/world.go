package main

import (
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Result is what became of a seed.
type Result struct {
	Seed      uint64
	Options   Options
	Trace     uint64     // equal on every run of the same seed and program
	Messages  uint64     // committed by sequencers
	Delivered uint64     // to all receivers
	Virtual   wire.Nanos // how long the world lasted
	Steps     uint64     // events
	Coverage  map[string]uint64
	Violation error // nil: all invariants held
}

// Run lets the world of a seed happen. log, unless it is nil, gets its story.
func Run(seed uint64, o Options, log io.Writer) Result {
	w := newWorld(seed, o, log)
	w.runSafely()
	r := Result{
		Seed: seed, Options: o, Trace: w.k.trace, Messages: w.messages, Virtual: w.k.now,
		Steps: w.k.steps, Coverage: w.coverage, Violation: w.violation,
	}
	for _, x := range w.receivers {
		if x.view != nil {
			r.Delivered += x.view.saw.delivered
		}
	}
	w.close()
	return r
}

// Tags of the world's own events.
const (
	tagFault = iota
	tagMend
	tagLook
	tagOperator
)

const (
	lookEvery = 10 * millisecond
	patience  = 150 * second // for everything to converge once faults stopped
	maxEvents = 5_000_000    // of one world: more is a loop that never ends
)

// world is one simulated system: hosts, network, disk, and the ledger that knows
// what really happened. Everything in it happens in one goroutine, in an order that
// the seed decides.
type world struct {
	seed    uint64
	o       Options
	k       kernel
	log     io.Writer
	session wire.Session

	ledger    ledger
	net       *network
	node      *node
	stranger  *shell
	relay     *relay // nil: there is none
	receivers []*receiver
	inputs    []*input
	conns     int

	calm       bool       // faults have stopped,
	calmAt     wire.Nanos // then
	closing    bool       // the session ends behind the last message
	powerLost  bool       // at least once
	rand       *random    // of the faults
	unreadable bool       // the store failed to give what it had
	faults     []fault

	onDeliver func(v *view, stamp wire.Nanos) // of tests, at every packet; nil: nobody looks

	messages  uint64
	coverage  map[string]uint64
	violation error

	arena   []byte
	text    []byte // scratch: a message
	body    []byte // scratch: its body
	scratch []byte // what sessions produce into
}

func newWorld(seed uint64, o Options, log io.Writer) *world {
	w := &world{seed: seed, o: o, log: log, coverage: map[string]uint64{}, scratch: make([]byte, produceSize)}
	w.k.trace = mix(seed)
	w.session, _ = wire.ParseSession(sessionName)
	w.rand = newRandom(seed, 5)
	w.ledger = ledger{w: w, next: 1, inputs: make([]uint64, o.Inputs)}
	w.net = newNetwork(w)
	w.node = newNode(w)
	for i := range o.Inputs {
		w.inputs = append(w.inputs, &input{index: i, label: fmt.Sprintf("input %d", i), total: uint64(o.Messages), next: 1, rand: newRandom(seed, 8+uint64(i))})
	}
	for i := range o.Receivers {
		w.receivers = append(w.receivers, newReceiver(w, i))
	}
	if o.Relay {
		w.relay = newRelay(w, w.receivers[o.Receivers-1])
	}
	if o.Stranger {
		w.openStranger()
	}
	return w
}

func (w *world) close() {
	if w.node.history != nil {
		w.node.history.Close()
	}
	if w.relay != nil && w.relay.history != nil {
		w.relay.history.Close()
	}
}

// runSafely runs, and makes a panic of the production code a violation like others.
func (w *world) runSafely() {
	defer func() {
		if e := recover(); e != nil {
			w.fail("I12 no panic: %v\n%s", e, debug.Stack())
		}
	}()
	w.run()
}

// run is a seed's life: faults, then none, then everything must be where it belongs.
func (w *world) run() {
	w.k.at(0, w.node, tagStart, 0, nil)
	for i, r := range w.receivers {
		at := w.rand.span(0, 5*millisecond)
		if i < w.o.Late {
			at = w.rand.span(0, w.o.Safety)
		}
		w.k.at(at, r, tagBegin, 0, nil)
	}
	if w.o.Guest > 0 {
		w.k.at(w.rand.span(0, w.o.Safety), newGuest(w), tagVisit, 0, nil)
	}
	w.planFaults()
	w.until(w.o.Safety, func() bool { return false })
	w.soothe()
	if !w.until(w.k.now+patience, w.converged) && w.violation == nil {
		w.fail("I16 liveness: not converged %v after the faults stopped: %s", patience.Duration(), w.stragglers())
	}
	w.checkEnd()
}

// until lets events happen until end, or until done, asked now and then, says so.
func (w *world) until(end wire.Nanos, done func() bool) bool {
	look := w.k.now
	for w.violation == nil && w.k.step(end) {
		if w.k.steps > maxEvents {
			w.fail("I12 bounded: %d events by %v, and no end", w.k.steps, w.k.now.Duration())
		}
		if w.k.now >= look {
			if done() {
				return true
			}
			look = w.k.now + lookEvery
		}
	}
	return w.violation == nil && done()
}

func (w *world) name() string { return "world" }

func (w *world) wake(tag, n int, _ []byte) {
	switch tag {
	case tagFault:
		w.strike(&w.faults[n])
	case tagMend:
		w.mend(&w.faults[n])
	case tagOperator: // sees a dead journal
		if w.node.up && w.node.process == n && w.node.died {
			w.node.crash(false)
		}
	}
}

// soothe ends all faults.
func (w *world) soothe() {
	w.tell("world", "faults stop")
	w.calm, w.calmAt, w.closing = true, w.k.now, w.o.End
	w.net.heal()
	w.node.disk.soothe()
	if w.relay != nil {
		w.relay.disk.soothe()
	}
	w.node.paused, w.node.slow, w.node.dark = 0, 0, false
	if !w.node.up && !w.node.waiting {
		w.node.restart(millisecond)
	}
	for _, r := range w.receivers {
		r.paused = 0
		if !r.up && !r.done {
			w.k.after(millisecond, r, tagBegin, 0, nil)
		}
	}
}

// bothAnswer reports whether the sequencer's service could be reached by everybody for
// so long that no receiver gives up on it.
func (w *world) bothAnswer() bool {
	t, l := &w.o.TCP, &w.o.Limits
	since := max(w.node.up0, w.net.changed, w.node.paused) + wire.Nanos(w.o.Attempts)*w.o.AskTimeout + second
	return w.node.up && w.k.now > since && t.Stall+t.Reset+t.Corrupt == 0 && l.Connections >= 64 && l.Life == 0 &&
		l.Bytes == 0 && l.Requests >= 10_000 && l.Answer >= 100*second
}

// settling reports whether what faults began may still end badly.
func (w *world) settling() bool { return w.k.now < w.calmAt+min(w.o.Patience, 30*second)+20*second }

func (w *world) inputsFinished() bool {
	for _, in := range w.inputs {
		if !in.finished() {
			return false
		}
	}
	return true
}

// converged reports whether everything is where it belongs.
func (w *world) converged() bool {
	return w.stragglers() == ""
}

func (w *world) stragglers() string {
	n := w.node
	switch {
	case !n.up:
		return "the sequencer is down"
	case !w.inputsFinished():
		return "inputs are not finished"
	case !n.allPublished():
		return fmt.Sprintf("published to %d of %d, durable %d", n.next-1, n.history.Next()-1, n.history.Durable())
	case w.o.End && !n.ended:
		return "the session has not ended"
	}
	for _, r := range w.receivers {
		if s := w.behind(r); s != "" {
			return s
		}
	}
	return ""
}

// behind says what keeps a receiver from being where it belongs.
func (w *world) behind(r *receiver) string {
	switch {
	case w.o.End && !r.done:
		return fmt.Sprintf("%s has not ended: up %v, next %d of %d", r.label, r.up, r.nextWanted(), w.ledger.next)
	case w.o.End:
		return ""
	case !r.up || r.view.saw.epoch != w.node.cut.Epoch && r.view.saw.next != 0:
		return fmt.Sprintf("%s is down or in another epoch", r.label)
	case r.view.saw.next != 0 && r.view.saw.next != w.ledger.next:
		return fmt.Sprintf("%s is at %d of %d", r.label, r.view.saw.next, w.ledger.next)
	case r.view.saw.next == 0 && r.cfg.From < w.ledger.next && w.ledger.next > 1:
		return fmt.Sprintf("%s has got nothing", r.label)
	}
	return ""
}

func (r *receiver) nextWanted() uint64 {
	if r.view == nil {
		return 0
	}
	return r.view.saw.next
}

func (w *world) fail(format string, args ...any) {
	if w.violation == nil {
		w.violation = fmt.Errorf("%s", fmt.Sprintf(format, args...))
		w.tell("VIOLATION", "%v", w.violation)
	}
}

// tell adds to the story.
func (w *world) tell(who, format string, args ...any) {
	if w.log != nil {
		fmt.Fprintf(w.log, "%12.6f  %-12s %s\n", float64(w.k.now)/1e9, who, fmt.Sprintf(format, args...))
	}
}

// keep returns a copy of p that lives as long as the world.
func (w *world) keep(p wire.Packet) wire.Packet {
	if len(w.arena) < len(p) {
		w.arena = make([]byte, max(64<<10, len(p)))
	}
	b := w.arena[:len(p):len(p)]
	w.arena = w.arena[len(p):]
	copy(b, p)
	return wire.Packet(b)
}

func (w *world) shellAt(host int) *shell {
	switch {
	case host == hostStranger:
		return w.stranger
	case host == hostRelay:
		return w.relay.shell
	case !w.node.up || host >= len(w.node.shells):
		return nil
	}
	return w.node.shells[host]
}

func (w *world) serverConfig() retransmit.ServerConfig {
	l, o := retransmit.DefaultLimits(), &w.o.Limits
	l.Range, l.Outstanding, l.Requests, l.Bytes = o.Range, o.Outstanding, o.Requests, o.Bytes
	l.Connections, l.PerPeer = o.Connections, o.Connections
	l.Login, l.Silence, l.Stall, l.Answer, l.Life = o.Login, o.Silence, o.Stall, o.Answer, o.Life
	group := func(last byte) retransmit.Line {
		return retransmit.Line{Group: netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 0, 0, last}), 30000)}
	}
	return retransmit.ServerConfig{
		Channel: retransmit.Channel{
			Channel: channel, Session: w.session, PacketSize: w.o.Packet, Heartbeat: w.o.Heartbeat,
			Lines: [2]retransmit.Line{group(1), group(2)},
		},
		Limits: l, Poll: w.o.Poll,
	}
}

func (w *world) receiverConfig(r *receiver) recovery.Config {
	o := &w.o
	c := recovery.Config{
		Channel: channel, Window: o.Window, Grace: o.Grace, LineSkew: o.LineSkew, Attempts: o.Attempts,
		Outstanding: o.Outstanding, AskTimeout: o.AskTimeout, Patience: o.Patience, Compress: o.Compress,
		TCP: r.index >= o.Receivers-o.TCPOnly, Name: r.label,
	}
	if r.index < o.Late {
		switch r.rand.n(3) {
		case 0:
			c.From = recovery.FromNow
		case 1:
			c.From = uint64(r.rand.between(1, o.Inputs*o.Messages/2))
		}
	}
	if o.Stranger || r.rand.n(2) == 0 {
		c.Session = w.session
	}
	if r.index < o.Alone {
		c.From, c.TCP = recovery.FromNow, false
		return c
	}
	r.hosts = []int{hostServer}
	if o.Alias {
		r.hosts = append(r.hosts, hostAlias)
	}
	if o.Stranger {
		r.hosts = append(r.hosts, hostStranger)
	}
	if o.Relay && r.index != o.Receivers-1 {
		r.hosts = append(r.hosts, hostRelay)
	}
	for i := range r.hosts {
		j := r.rand.n(i + 1)
		r.hosts[i], r.hosts[j] = r.hosts[j], r.hosts[i]
	}
	for _, h := range r.hosts {
		c.Servers = append(c.Servers, fmt.Sprintf("host %d", h))
	}
	return c
}
