package retransmit

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// Compressed or not, in pieces of any size, the packets are those of the store.
func TestSameBytes(t *testing.T) {
	for seed := range uint64(20) {
		r := newRig(t)
		r.rand = rand.New(rand.NewPCG(seed, 3))
		r.tape.add(20_000, 50)
		r.login(ClientConfig{Login: Login{Channel: AnyChannel, Compress: seed%2 == 0}})
		if err := r.client.Request(1, 101, 19_990); err != nil {
			t.Fatal(err)
		}
		r.run()
		var want []byte
		for _, p := range r.tape.packets[2:] {
			want = append(want, p...)
		}
		if !bytes.Equal(r.got, want) || r.client.Outstanding() != 0 {
			t.Fatalf("seed %d: %d bytes, want %d; client %v, server %v", seed, len(r.got), len(want), r.clErr, r.srvErr)
		}
		st := r.server.Stats()
		if st.Messages != 19_900 || st.Bytes != uint64(len(want)) {
			t.Errorf("seed %d: stats %+v", seed, st)
		}
		if seed%2 == 0 && (st.ZstdRaw == 0 || st.ZstdBytes*2 > st.ZstdRaw) {
			t.Errorf("seed %d: %d bytes became %d", seed, st.ZstdRaw, st.ZstdBytes)
		}
		r.client.Close()
	}
}

// Neither end of the compression starts a goroutine.
func TestZstdGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t)
	r.tape.add(20_000, 50)
	r.login(ClientConfig{Login: Login{Channel: AnyChannel, Compress: true}})
	r.client.Request(1, 1, 20_000)
	r.run()
	if n := runtime.NumGoroutine(); n > before || r.client.zstd == nil {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// While another session compresses, packets go as they are.
func TestZstdTaken(t *testing.T) {
	r := newRig(t)
	r.tape.add(20_000, 50)
	r.login(ClientConfig{Login: Login{Channel: AnyChannel, Compress: true}})
	r.server.zip.mu.Lock()
	r.client.Request(1, 1, 20_000)
	r.run()
	r.server.zip.mu.Unlock()
	if st := r.server.Stats(); st.Messages != 20_000 || st.ZstdRaw != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestShrink(t *testing.T) {
	var z compressor
	if err := z.init(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	b := make([]byte, MaxFrame-headLen)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	want := bytes.Clone(b)
	if n := z.shrink(b); n != 0 || !bytes.Equal(b, want) {
		t.Errorf("noise became %d bytes of %d", n, len(b))
	}
}

// What a hostile server compresses never takes more memory than the protocol allows.
func TestInflateHostile(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	bomb := enc.EncodeAll(make([]byte, 64<<20), nil)
	p := packetOf(41, 2)
	good := enc.EncodeAll(p, nil)
	for name, c := range map[string]struct {
		raw  uint32
		zstd []byte
		ok   bool
	}{
		"good":          {uint32(len(p)), good, true},
		"bomb":          {MaxRaw, bomb[:min(len(bomb), MaxFrame-dataZstdLen)], false},
		"too large":     {MaxRaw + 1, good, false},
		"larger":        {uint32(len(p)) + 1, good, false},
		"smaller":       {uint32(len(p)) - 1, good, false},
		"no packet":     {1000, enc.EncodeAll(make([]byte, 1000), nil), false},
		"not zstd":      {1000, bytes.Repeat([]byte{7}, 100), false},
		"nothing in it": {0, enc.EncodeAll(nil, nil), false},
	} {
		cl := NewClient(ClientConfig{Login: Login{Compress: true}}, 0)
		w := testWelcome()
		if err := cl.Receive(0, w.appendTo(nil), silent{}); err != nil {
			t.Fatal(err)
		}
		cl.Request(5, 41, 42)
		f := make(frame, dataZstdLen+len(c.zstd))
		le.PutUint32(f[headLen:], c.raw)
		copy(f[dataZstdLen:], c.zstd)
		f.seal(frameDataZstd, 5)
		var m0, m1 runtime.MemStats
		runtime.ReadMemStats(&m0)
		err := cl.Receive(0, f, silent{})
		runtime.ReadMemStats(&m1)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
		if d := m1.TotalAlloc - m0.TotalAlloc; d > 8<<20 {
			t.Errorf("%s: %d bytes allocated", name, d)
		}
		cl.Close()
	}
	// Nobody compresses for a client that did not ask.
	cl := NewClient(ClientConfig{}, 0)
	w := testWelcome()
	cl.Receive(0, w.appendTo(nil), silent{})
	cl.Request(5, 41, 42)
	f := append(make(frame, dataZstdLen), good...)
	le.PutUint32(f[headLen:], uint32(len(p)))
	f.seal(frameDataZstd, 5)
	if err := cl.Receive(0, f, silent{}); !errors.Is(err, ErrBody) {
		t.Errorf("not asked for: %v", err)
	}
}

// A small gap costs a small copy; a small request does not wait for a large one.
func TestTurns(t *testing.T) {
	r := newRig(t)
	r.tape.add(100_000, 50)
	r.serve()
	s := r.accept(true)
	s.Receive(r.now, appendRange(nil, 1, 1, 100_000))
	s.Receive(r.now, appendRange(nil, 2, 500, 500))
	total := 0
	var done bool
	for sp := (splitter{peer: fromServer}); !done && total < 10*MinBuffer; {
		n, _ := s.Produce(r.now, r.buf)
		s.Taken(r.now, n)
		total += n
		for b := r.buf[:n]; ; {
			f, rest, err := sp.next(b)
			if err != nil {
				t.Fatal(err)
			}
			if f == nil {
				break
			}
			b = rest
			done = done || f.typ() == frameDone && f.id() == 2
		}
	}
	if total > 3*MinBuffer {
		t.Errorf("one message took %d bytes", total)
	}

	copied := r.tape.copied.Load()
	s.Receive(r.now, appendRange(nil, 3, 500, 500))
	s.requests = s.requests[1:] // the large one
	s.Produce(r.now, r.buf)
	if n := r.tape.copied.Load() - copied; n > 2*wire.DefaultPacket+100 {
		t.Errorf("one message cost a copy of %d bytes", n)
	}
}

// Packets larger than the channel says now, from before a restart with another
// packet size, are served as well.
func TestLargePackets(t *testing.T) {
	r := newRig(t)
	r.cfg.Channel.PacketSize = 200
	r.tape.add(400, 1)
	for i, p := range r.tape.packets { // a few jumbo ones in between
		if i%100 == 50 {
			var b wire.Builder
			b.Open(make([]byte, wire.MaxPacket))
			for range 2 {
				o := wire.Opaque{Data: make([]byte, wire.MaxOpaque)}
				b.Add(o.AppendTo(nil), testStart)
			}
			h := p.Header()
			q, _ := b.Close(h, testStart)
			r.tape.packets[i] = q
			for j := i + 1; j < len(r.tape.packets); j++ {
				r.tape.packets[j] = renumber(r.tape.packets[j])
			}
			r.tape.Next++
		}
	}
	r.plain()
	r.client.Request(1, 1, r.tape.Next-1)
	r.advance(100 * millisecond)
	if r.next[1] != r.tape.Next || r.client.Outstanding() != 0 {
		t.Errorf("%s", r.log.String())
	}
}

// renumber moves p up by one sequence.
func renumber(p wire.Packet) wire.Packet {
	h := p.Header()
	h.Sequence++
	var b wire.Builder
	b.Open(make([]byte, wire.MaxPacket))
	c := p.Cursor()
	for c.Next() {
		b.Add(c.Message(), testStart)
	}
	h.Flags = 0
	q, _ := b.Close(h, testStart)
	return q
}

// A store that gives something else than was asked for is not passed on.
func TestLyingStore(t *testing.T) {
	for name, spoil := range map[string]func(*tape){
		"wrong place": func(s *tape) { s.packets[1] = packetOf(500, 10) },
		"cut short":   func(s *tape) { s.packets[1] = s.packets[1][:100] },
		"a heartbeat": func(s *tape) {
			st := wire.Status{}
			s.packets[1] = st.AppendControl(nil, wire.Header{Type: wire.TypeHeartbeat, Sequence: 11, Epoch: 10})
		},
		"not a packet": func(s *tape) { s.packets[1] = make([]byte, 100) },
	} {
		r := newRig(t)
		r.tape.add(30, 10)
		spoil(r.tape)
		r.plain()
		r.client.Request(1, 1, 30)
		r.advance(2 * second)
		if len(r.refusal) != 1 || r.next[1] > 11 || r.clErr != nil {
			t.Errorf("%s: %s", name, r.log.String())
		}
	}
}

// No packet of an epoch goes out before the state announces it.
func TestStateLags(t *testing.T) {
	r := newRig(t)
	r.tape.add(20, 10)
	r.plain()
	r.client.Follow(1, 1)
	r.run()
	old := r.tape.State
	r.tape.restart(11, 10)
	r.tape.add(20, 10)
	newer := r.tape.State
	r.tape.State = old
	r.tape.Next = newer.Next
	r.advance(3 * millisecond)
	if r.next[1] != 21 {
		t.Fatalf("sent ahead of the state: %s", r.log.String())
	}
	r.tape.State = newer
	r.advance(3 * millisecond)
	if r.next[1] != newer.Next || len(r.control) != 1 || r.control[0].Type() != wire.TypeEpoch {
		t.Errorf("%s", r.log.String())
	}
}

// Sessions of one server may run on different goroutines.
func TestConcurrent(t *testing.T) {
	r := newRig(t)
	r.tape.add(20_000, 50)
	r.serve()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 5 {
				one := newRig(t)
				one.tape, one.server = r.tape, r.server
				one.login(ClientConfig{Login: Login{Channel: AnyChannel, Compress: i%2 == 0, Role: RoleReceiver, Instance: uint64(i + 1)}})
				one.client.Listening()
				one.client.Request(1, uint64(1+j), 20_000)
				one.advance(second)
				if one.next[1] != 20_001 {
					t.Errorf("%d, %d: %v %v", i, j, one.clErr, one.srvErr)
				}
				if one.session.Login().Instance != uint64(i+1) || one.session.Peer() != "peer" {
					t.Errorf("%+v", one.session.Login())
				}
				one.session.Close()
				one.client.Close()
				r.server.Stats()
			}
		})
	}
	all.Wait()
	if n := r.server.Receivers(); n != 8 {
		t.Errorf("%d receivers", n)
	}
}

// Random requests against a random store: every request but a follow is closed once,
// and nothing breaks the connection.
func sequence(t *testing.T, ops []byte, seed uint64) {
	r := newRig(t)
	r.rand = rand.New(rand.NewPCG(seed, 5))
	r.cfg.Limits.Range = 300
	r.cfg.Limits.Outstanding = 8
	r.tape.add(200, 20)
	r.tape.define(40)
	r.login(ClientConfig{Login: Login{Channel: AnyChannel, Compress: seed%2 == 0}})
	id := uint32(0)
	for len(ops) >= 3 {
		op, a, b := ops[0], uint64(ops[1]), uint64(ops[2])
		ops = ops[3:]
		id++
		switch op % 10 {
		case 0, 1, 2:
			r.client.Request(id, a, a+b)
		case 3:
			if r.client.start(id) == nil { // what an honest client would not send
				r.client.out = appendRange(r.client.out, id, a, max(b, 1))
			}
		case 4:
			r.client.Follow(id, a)
		case 5:
			r.client.Definitions(id)
		case 6:
			r.tape.add(int(a), 1+int(b)%30)
		case 7:
			r.tape.Oldest = min(max(r.tape.Oldest, a), r.tape.Next)
		case 8:
			r.tape.fail = [...]error{nil, feed.ErrBusy, feed.ErrGone}[b%3]
		case 9:
			if last := r.tape.packetEnd(a); last >= r.tape.Oldest-1 {
				r.tape.restart(r.tape.Epoch+1, last)
			}
		}
		r.advance(wire.Nanos(b) * millisecond / 10)
	}
	r.tape.fail = nil
	r.advance(3 * second)
	open := r.client.Outstanding()
	if r.client.follow != 0 {
		open--
	}
	if open != 0 || r.clErr != nil || r.srvErr != nil {
		t.Errorf("seed %d: %d open, client %v, server %v\n%s", seed, open, r.clErr, r.srvErr, r.log.String())
	}
	if f := r.client.follow; f != 0 && r.tape.Next > 1 && r.next[f] != 0 && r.next[f] < r.tape.Next {
		t.Errorf("seed %d: the follow stands at %d of %d\n%s", seed, r.next[f], r.tape.Next, r.log.String())
	}
}

func TestSequences(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		ops := make([]byte, 3*40)
		for i := range ops {
			ops[i] = byte(rnd.Uint32())
		}
		sequence(t, ops, seed)
	}
}

func FuzzSequences(f *testing.F) {
	f.Add([]byte{4, 1, 0, 6, 50, 3, 9, 60, 0, 6, 50, 3, 0, 5, 5}, uint64(1))
	f.Add([]byte{7, 40, 0, 0, 1, 20, 8, 0, 1, 1, 90, 40, 8, 0, 0, 5, 0, 0}, uint64(2))
	f.Fuzz(func(t *testing.T, ops []byte, seed uint64) {
		sequence(t, ops[:min(len(ops), 300)], seed)
	})
}
