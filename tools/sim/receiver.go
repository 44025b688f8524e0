package main

import (
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Tags of a receiver's events.
const (
	tagTurn = iota
	tagDatagram
	tagBegin
)

const (
	perRead = 64  // datagrams that one turn reads of a line
	backlog = 512 // datagrams that a line's socket holds; more are dropped
)

// receiver is a host that subscribes: multicast.Subscription's loop as events, and
// the program behind it.
type receiver struct {
	w     *world
	index int
	label string
	rand  *random
	clock clock
	cfg   recovery.Config
	hosts []int // of cfg.Servers

	up     bool
	joined bool
	paused wire.Nanos
	lives  int
	sub    *recovery.Subscriber
	view   *view
	began  seen // the view when this process began
	conn   *tcpConn
	talk   dialogue
	tries  *tries // of this process
	inbox  [2][][]byte
	due    wire.Nanos
	timer  int

	saved    seen // what the program saved last
	position recovery.Position
	done     bool
	asked    uint64 // requests of the processes before
}

func newReceiver(w *world, index int) *receiver {
	r := &receiver{w: w, index: index, label: fmt.Sprintf("receiver %d", index), rand: newRandom(w.seed, 16+uint64(index))}
	drift := w.o.Faults.Drift
	r.clock = clock{base: wire.Nanos(r.rand.n(1e12)) + second, ppm: r.rand.span(-drift, drift)}
	r.cfg = w.receiverConfig(r)
	return r
}

func (r *receiver) name() string    { return r.label }
func (r *receiver) tcpHost() int    { return hostReceivers + r.index }
func (r *receiver) now() wire.Nanos { return r.clock.read(r.w.k.now) }

// start begins a process: where the one before saved, or as configured.
func (r *receiver) start() {
	r.lives++
	cfg := r.cfg
	cfg.Seed = mix(r.w.seed ^ uint64(r.index+1)<<32)
	r.tries = &tries{attempts: cfg.Attempts}
	r.view = &view{w: r.w, who: r.label, from: max(cfg.From, 1), alone: len(cfg.Servers) == 0, tries: r.tries}
	var handler recovery.Handler = r.view
	if y := r.relay(); y != nil {
		var ok bool
		if cfg.Resume, ok = y.recover(r.view); !ok {
			r.w.k.after(r.w.o.Faults.Downtime, r, tagBegin, 0, nil)
			return
		}
		handler = y
	} else if r.saved.next != 0 {
		r.w.cover("receiver resumes")
		p := r.position
		cfg.Resume = &p
		r.view.saw = r.saved
	}
	r.began = r.view.saw
	sub, err := recovery.NewSubscriber(cfg, handler)
	if err != nil {
		r.w.fail("%s: %v", r.label, err)
		return
	}
	r.sub, r.up = sub, true
	r.view.epoch = func() uint32 { return sub.Position().Epoch }
	r.w.tell(r.label, "starts, resuming at %d", r.view.saw.next)
	r.schedule(0)
}

// relay is what this receiver is besides, or nil.
func (r *receiver) relay() *relay {
	if y := r.w.relay; y != nil && y.r == r {
		return y
	}
	return nil
}

// crash ends the process. power: its peers are told nothing.
func (r *receiver) crash(power bool) {
	r.w.cover("receiver crash")
	r.w.tell(r.label, "crashes")
	r.asked += r.sub.Stats().Requests
	r.up, r.joined, r.sub = false, false, nil
	if y := r.relay(); y != nil {
		y.crash(power)
	}
	r.inbox = [2][][]byte{}
	r.timer, r.due = r.timer+1, 0
	if r.conn != nil {
		if power {
			r.conn.vanish(atClient)
		} else {
			r.conn.abort(atClient)
		}
		r.conn = nil
	}
}

func (r *receiver) tcpReady()  { r.schedule(0) }
func (r *receiver) tcpBroken() { r.schedule(0) }

func (r *receiver) wake(tag, n int, data []byte) {
	switch {
	case tag == tagBegin:
		if !r.up && !r.done {
			r.start()
		}
	case !r.up:
	case tag == tagDatagram:
		r.datagram(n, data)
	case n == r.timer:
		if r.paused > r.w.k.now {
			r.due = 0
			r.schedule(r.paused - r.w.k.now)
			return
		}
		r.turn()
	}
}

// datagram is one that the network brought to the socket of a line.
func (r *receiver) datagram(line int, b []byte) {
	if !r.joined {
		return
	}
	if len(r.inbox[line]) == backlog {
		r.w.cover("socket overrun")
		return
	}
	if forged := r.usurped(line, b); forged != nil {
		r.inbox[line] = append(r.inbox[line], forged)
	}
	r.inbox[line] = append(r.inbox[line], b)
	r.schedule(5 * microsecond)
}

// usurped is a forged packet that comes just before b, the packet that the receiver
// waits for, or nil.
func (r *receiver) usurped(line int, b []byte) []byte {
	if r.w.calm || !r.rand.chance(4*r.w.o.Lines[line].Forge) || len(r.inbox[0])+len(r.inbox[1]) > 0 {
		return nil
	}
	p, err := wire.Parse(b)
	if err != nil || p.Type() != wire.TypeSequenced {
		return nil
	}
	if at := r.sub.Position(); !at.Known || at.Epoch != p.Epoch() || at.Sequence+1 != p.First() {
		return nil
	}
	return r.w.net.usurp(p)
}

// schedule has the next turn in d.
func (r *receiver) schedule(d wire.Nanos) {
	k := &r.w.k
	if r.due != 0 && r.due <= k.now+d {
		return
	}
	r.timer++
	r.due = k.now + d
	k.after(d, r, tagTurn, r.timer, nil)
}

// turn is one of the subscription's loop.
func (r *receiver) turn() {
	r.due = 0
	now := r.now()
	for line := range r.inbox {
		q := r.inbox[line]
		n := min(len(q), perRead)
		for _, b := range q[:n] {
			r.sub.Datagram(line, b, 0, now)
		}
		r.inbox[line] = q[n:]
	}
	r.converse(now)
	deadline := r.act(now)
	if done, err := r.sub.Done(); done {
		r.finish(err)
		return
	}
	if !r.flush(now) {
		deadline = now
	}
	r.view.check(r)
	if r.rand.n(16) == 0 {
		r.save()
	}
	if len(r.inbox[0])+len(r.inbox[1]) > 0 {
		deadline = now
	}
	r.schedule(max(r.clock.when(deadline, r.w.k.now)-r.w.k.now, microsecond))
}

// save is the program storing where it is, with what it made of the messages.
func (r *receiver) save() {
	if r.view.saw.next != 0 {
		r.saved, r.position = r.view.saw, r.sub.Position()
	}
}

// act polls the Subscriber and does what it wants, until it wants nothing.
func (r *receiver) act(now wire.Nanos) wire.Nanos {
	for range 100 {
		deadline := r.sub.Poll(now)
		switch a := r.sub.Action(now); a.Kind {
		case recovery.ActNone:
			return deadline
		case recovery.ActDial:
			r.w.cover("dial")
			r.w.tell(r.label, "dials host %d", r.hosts[a.Server])
			r.conn, r.talk = r.w.dial(r, r.hosts[a.Server]), dialogue{}
		case recovery.ActHangUp:
			r.w.cover("hang up")
			r.w.tell(r.label, "hangs up")
			r.hangUp()
		case recovery.ActJoin:
			r.joined = true
		}
	}
	r.w.fail("I12 bounded: %s wants a hundred things at once", r.label)
	return now
}

func (r *receiver) hangUp() {
	if r.conn != nil {
		r.conn.close(atClient)
		r.conn = nil
	}
}

// converse notices what became of the connection, and reads once.
func (r *receiver) converse(now wire.Nanos) {
	c := r.conn
	switch {
	case c == nil:
		return
	case c.dead[atClient]:
		r.disconnected(now)
		return
	case !c.open:
		return
	case !c.greeted:
		c.greeted = true
		r.sub.Connected(now)
	}
	b, eof := c.read(atClient, 64<<10)
	if len(b) > 0 {
		r.sub.Received(b, now)
		r.talk.heard(r, b, now)
	}
	if eof && r.conn == c {
		r.disconnected(now)
	} else if c.dirs[atClient].arrived > 0 {
		r.schedule(microsecond)
	}
}

func (r *receiver) disconnected(now wire.Nanos) {
	r.hangUp()
	r.w.cover("disconnected")
	r.w.tell(r.label, "is disconnected")
	r.sub.Disconnected(errReset, now)
}

// flush sends what the Subscriber has for the server.
func (r *receiver) flush(now wire.Nanos) bool {
	out := r.sub.Output()
	if len(out) > maxOutput {
		r.w.fail("I12 bounded: %s has %d bytes to say", r.label, len(out))
	}
	if r.conn == nil || !r.conn.open || len(out) == 0 {
		return true
	}
	r.talk.said(r, out, now)
	n, err := r.conn.write(atClient, out)
	if err != nil {
		r.disconnected(now)
		return false
	}
	r.talk.unsent = len(out) - n
	r.sub.Sent(n)
	return true
}

// maxOutput is more than a subscriber's requests ever take: 64 of 28 bytes, a login
// and some pings.
const maxOutput = 8 << 10

// finish is the end of the subscription.
func (r *receiver) finish(err error) {
	if err != nil {
		r.w.fail("%s: gives up at %d: %v", r.label, r.view.saw.next, err)
		return
	}
	r.view.check(r)
	r.hangUp()
	r.done, r.up, r.joined = true, false, false
	if y := r.relay(); y != nil {
		y.finish()
	}
	r.w.cover("receiver ended")
}

// check compares what was seen with what the Subscriber says of itself.
func (v *view) check(r *receiver) {
	st, pos := r.sub.Stats(), r.sub.Position()
	v.balance()
	s := &v.saw
	v.follow(0)
	switch {
	case s.next != 0 && pos.Sequence != s.next-1:
		v.fail("I3 position: it says %d, %d is next", pos.Sequence, s.next)
	case st.Delivered != s.delivered-r.began.delivered:
		v.fail("I3 counts: it says %d delivered, they are %d", st.Delivered, s.delivered-r.began.delivered)
	case st.Lost != s.lost-r.began.lost:
		v.fail("I3 counts: it says %d lost, they are %d", st.Lost, s.lost-r.began.lost)
	}
	if most := v.w.mostRequests(st); st.Requests > most {
		v.fail("I13 few requests: %d for %d gaps", st.Requests, st.Gaps)
	}
}
