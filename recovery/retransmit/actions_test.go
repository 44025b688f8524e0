package retransmit

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// The limits of the server that hostile peers act on: low, so that all are met.
const (
	actPeers       = 4
	actOutstanding = 6
	actRange       = 300
)

// acts is a server under peers that do anything, in virtual time. What it sends is
// held against what was asked.
type acts struct {
	*rig
	peers [actPeers]*peer
}

// peer is one connection whose client is no Client: it sends what it likes.
type peer struct {
	session *Session
	split   splitter
	asked   map[uint32]*asked // open requests
	welcome bool
	stalled bool // takes nothing
	owed    []byte
	over    bool // refused for good: nothing may follow
}

// asked is one request as the peer knows it.
type asked struct {
	first, last uint64 // last of a follow is the largest number
	next        uint64 // to come
	definitions bool
	more        int  // of its id were sent while it was open
	unsure      bool // only the server knows what an answer must be
}

func newActs(t testing.TB) *acts {
	a := &acts{rig: newRig(t)}
	l := &a.cfg.Limits
	l.Connections, l.PerPeer, l.Outstanding, l.Range, l.Requests, l.TotalBytes = actPeers, actPeers-1, actOutstanding, actRange, 200, 1<<20
	a.tape.define(5)
	a.tape.add(50, 7)
	a.serve()
	return a
}

// act does one action: b says which, on which connection, and with what numbers.
func (a *acts) act(b [4]byte) {
	p, x, y := a.peers[b[0]>>6], uint64(b[2]), uint64(b[3])
	op := b[0] & 63
	if op >= 40 {
		a.world(op, x, y)
		return
	}
	if p == nil {
		a.connect(int(b[0]>>6), x)
		return
	}
	id := uint32(b[1])%12 + 1
	one := max(x, 1)
	ask := asked{first: one, next: one, last: one + y}
	switch op % 14 {
	case 0, 1, 2: // honest
		p.send(a, appendRange(nil, id, one, one+y), id, ask)
	case 3:
		p.send(a, appendRange(nil, id, one, 0), id, asked{first: one, next: one, last: math.MaxUint64})
	case 4:
		p.send(a, appendBare(nil, frameDefinitions, id), id, asked{definitions: true})
	case 5:
		p.send(a, appendBare(nil, framePing, id), 0, ask)
	case 6:
		p.send(a, appendBare(nil, frameReady, 0), 0, ask)
	case 7: // backwards, from 0, of id 0, without end
		first, last := [...]uint64{0, x, math.MaxUint64}[y%3], [...]uint64{x / 2, math.MaxUint64}[y/3%2]
		ask = asked{first: first, next: first, last: last}
		if last == 0 { // that is a follow
			ask.last = math.MaxUint64
		}
		id *= uint32(y / 6 & 1)
		p.send(a, appendRange(nil, id, first, last), id, ask)
	case 8: // logs in again, or of another version, channel, epoch
		l := Login{Channel: uint16(6 + x%3), KnownEpoch: uint32(8 + y%6)}
		p.send(a, l.appendTo(nil), 0, ask)
	case 9: // a bit is wrong
		f := appendRange(nil, id, one, one+y)
		f[x%uint64(len(f))] ^= 1 << (y % 8)
		p.raw(a, f)
	case 10: // a part of a frame
		f := appendRange(nil, id, 1, 2)
		p.raw(a, f[:x%uint64(len(f))])
	case 11:
		p.raw(a, []byte{b[1], b[2], b[3], 0, 32, 0, 0, 0})
	case 12:
		p.stalled = !p.stalled
	case 13:
		a.leave(int(b[0] >> 6))
	}
}

// world is what happens to the server without anybody asking.
func (a *acts) world(op byte, x, y uint64) {
	tp := a.tape
	switch op % 8 {
	case 0, 1, 2:
		a.wait(wire.Nanos(x*y) * millisecond / 4)
	case 3:
		if !tp.Ended && tp.Next < 2000 {
			tp.add(int(x%64), 1+int(y)%30)
		}
	case 4:
		tp.Oldest = min(max(tp.Oldest, x), tp.Next)
	case 5:
		tp.fail = [...]error{nil, feed.ErrBusy, feed.ErrGone, nil}[x%4]
	case 6:
		if last := tp.packetEnd(x); last >= tp.Oldest-1 && !tp.Ended && len(tp.Cuts) < 20 {
			tp.restart(tp.Epoch+1, last)
		}
	case 7:
		if x == 7 {
			tp.end()
		}
	}
}

func (a *acts) connect(i int, x uint64) {
	s, err := a.server.Accept(a.now, "hostile")
	if err != nil {
		var no *Refusal
		if !errors.As(err, &no) || no.Code != CodeBusy {
			a.t.Fatalf("a connection is refused with %v", err)
		}
		return
	}
	p := &peer{session: s, split: splitter{peer: fromServer}, asked: map[uint32]*asked{}}
	a.peers[i] = p
	if x%8 > 0 {
		l := Login{Channel: testChannel, KnownEpoch: uint32(x % 2 * 10)}
		p.send(a, l.appendTo(nil), 0, asked{})
	}
}

func (a *acts) leave(i int) {
	a.peers[i].session.Close()
	a.peers[i].session.Close()
	a.peers[i] = nil
}

// send gives a frame that the server may act on. A request counts as open from now
// on; whether it is refused, the answer says.
func (p *peer) send(a *acts, f []byte, id uint32, what asked) {
	switch old := p.asked[id]; {
	case id == 0:
	case old == nil:
		what.unsure = len(p.owed) > 0 // an epoch may be on its way: who was first, nobody knows
		p.asked[id] = &what
	default:
		old.more++
		old.unsure = true
	}
	p.raw(a, f)
}

// raw gives bytes, in two pieces.
func (p *peer) raw(a *acts, b []byte) {
	half := len(b) / 2
	if p.session.Receive(a.now, b[:half]) == nil {
		_ = p.session.Receive(a.now, b[half:])
	}
	l := &a.cfg.Limits
	if n := len(p.session.requests); n > l.Outstanding {
		a.t.Fatalf("%d open requests", n)
	}
	if n := len(p.session.refusals); n > 2*l.Outstanding+1 {
		a.t.Fatalf("%d refusals wait", n)
	}
}

// wait lets time pass, and every loop that wants to be called be called.
func (a *acts) wait(d wire.Nanos) {
	for end := a.now + d; ; {
		next := end
		for i, p := range a.peers {
			if p != nil {
				next = min(next, a.pump(i, p))
			}
		}
		if a.now >= end {
			return
		}
		a.now = max(min(next, end), a.now+millisecond/2)
	}
}

// pump moves what a session has until nothing moves, and polls it.
func (a *acts) pump(i int, p *peer) (next wire.Nanos) {
	for range 10_000 {
		if p.stalled && len(p.owed) > 0 {
			break
		}
		p.session.Taken(a.now, len(p.owed))
		p.take(a, p.owed)
		var n int
		n, next = p.session.Produce(a.now, a.buf)
		if n > len(a.buf) {
			a.t.Fatalf("%d bytes in a buffer of %d", n, len(a.buf))
		}
		if p.owed = append(p.owed[:0], a.buf[:n]...); n == 0 {
			break
		}
	}
	if len(p.owed) > 0 && !p.stalled {
		a.t.Fatal("the bytes never stop")
	}
	at, err := p.session.Poll(a.now)
	if err != nil || p.session.Done() {
		a.leave(i)
		return never
	}
	return min(next, at)
}

// take holds what the server sent against what was asked.
func (p *peer) take(a *acts, b []byte) {
	for {
		f, rest, err := p.split.next(b)
		if err != nil {
			a.t.Fatalf("the server sent no frame: %v", err)
		}
		if f == nil {
			return
		}
		b = rest
		if p.over || !p.welcome && f.typ() != frameWelcome && f.typ() != frameRefusal {
			a.t.Fatalf("frame %#x: over %v, welcomed %v", f.typ(), p.over, p.welcome)
		}
		p.frame(a, f)
	}
}

func (p *peer) frame(a *acts, f frame) {
	switch f.typ() {
	case frameWelcome:
		p.welcome = true
		return
	case framePong:
		return
	case frameControl:
		p.control(a, wire.Packet(f.body()))
		return
	case frameRefusal:
		if f.id() == 0 {
			p.over = true
			return
		}
	}
	q := p.asked[f.id()]
	if q == nil {
		a.t.Fatalf("frame %#x answers %d, which is not open", f.typ(), f.id())
	}
	switch f.typ() {
	case frameData:
		q.data(a, f.body())
	case frameUnavailable:
		first, last, _, err := decodeUnavailable(f)
		if err != nil || last < first || !q.unsure && (first != q.next || last > q.last) {
			a.t.Fatalf("unavailable %d to %d of %d to %d, next %d: %v", first, last, q.first, q.last, q.next, err)
		}
		q.next = last + 1
	case frameDone:
		if !q.unsure && !q.definitions && q.last != math.MaxUint64 && q.next <= q.last {
			a.t.Fatalf("done at %d of %d", q.next, q.last)
		}
		p.closed(f.id(), q)
	case frameRefusal:
		p.closed(f.id(), q)
	default:
		a.t.Fatalf("frame %#x", f.typ())
	}
}

// closed takes note that one request of an id is answered.
func (p *peer) closed(id uint32, q *asked) {
	if q.more--; q.more < 0 {
		delete(p.asked, id)
	}
}

// control goes back to where a new epoch begins.
func (p *peer) control(a *acts, c wire.Packet) {
	var s wire.Status
	if err := s.Decode(c); err != nil {
		a.t.Fatal(err)
	}
	if c.Type() != wire.TypeEpoch {
		return
	}
	for _, q := range p.asked {
		if q.next > s.Cut+1 {
			q.next = s.Cut + 1
			if q.last != math.MaxUint64 {
				q.next = max(q.next, q.first)
			}
		}
	}
}

// data checks packets: whole, in order, and nothing that was not asked for.
func (q *asked) data(a *acts, b []byte) {
	for len(b) > 0 {
		p, err := wire.Parse(b)
		if err != nil {
			a.t.Fatalf("packet of an answer: %v", err)
		}
		b = b[len(p):]
		if q.unsure {
			continue
		}
		if q.definitions != (p.Type() == wire.TypeSnapshot) {
			a.t.Fatalf("a packet of type %v, definitions asked: %v", p.Type(), q.definitions)
		}
		if q.definitions {
			continue
		}
		if p.First() > q.next || p.Next() <= q.next || p.First() > q.last {
			a.t.Fatalf("packet %d to %d, want %d of %d to %d", p.First(), p.Next()-1, q.next, q.first, q.last)
		}
		q.next = p.Next()
	}
}

// play does all actions and then lets every deadline pass: no connection is left,
// and a well-behaved client is served as ever.
func play(t testing.TB, b []byte) {
	a := newActs(t)
	for ; len(b) >= 4; b = b[4:] {
		a.act([4]byte(b))
		if b[1]&3 == 0 {
			a.wait(0)
		}
	}
	a.tape.fail = nil
	a.wait(200 * second)
	for i, p := range a.peers {
		if p != nil {
			t.Fatalf("connection %d outlives every deadline: %v", i, p.session.Err())
		}
	}
	if n, peers := a.server.connections(), len(a.server.peers); n != 0 || peers != 0 {
		t.Fatalf("%d connections, %d peers left", n, peers)
	}
}

// TestActions plays random actions.
func TestActions(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 8))
		b := make([]byte, 4*(20+rng.IntN(100)))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		t.Logf("seed %d", seed)
		play(t, b)
	}
}

// FuzzActions plays what the fuzzer finds: valid and invalid actions of up to four
// clients, and what happens to the server between them.
func FuzzActions(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 0, 1, 49, 40, 0, 10, 10})
	f.Add([]byte{0, 0, 1, 0, 3, 1, 1, 0, 43, 0, 20, 3, 46, 0, 30, 0, 40, 0, 9, 9, 47, 0, 7, 0, 40, 0, 9, 9})
	f.Add([]byte{0, 0, 1, 0, 64, 0, 1, 0, 128, 0, 1, 0, 192, 0, 1, 0, 9, 1, 8, 3, 72, 1, 8, 3, 74, 1, 3, 0, 76, 0, 0, 0, 64, 0, 1, 200, 40, 0, 255, 255})
	f.Add([]byte{0, 0, 2, 0, 44, 0, 30, 0, 0, 0, 1, 60, 45, 0, 1, 0, 0, 1, 20, 20, 40, 0, 20, 60, 45, 0, 0, 0, 40, 0, 20, 60})
	f.Fuzz(func(t *testing.T, b []byte) {
		play(t, b[:min(len(b), 400)])
	})
}
