package retransmit

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// silent is a ClientHandler that does nothing.
type silent struct{}

func (silent) Welcome(Welcome)                           {}
func (silent) Packets(uint32, []byte)                    {}
func (silent) Unavailable(uint32, uint64, uint64, Cause) {}
func (silent) Done(uint32, uint64)                       {}
func (silent) Refused(uint32, Refusal)                   {}
func (silent) Control(wire.Packet)                       {}

// well proves that a client behind the same server is served as ever.
func (r *rig) well() {
	r.t.Helper()
	other := newRig(r.t)
	other.tape, other.server = r.tape, r.server
	other.plain()
	if err := other.client.Request(1, 1, 50); err != nil {
		r.t.Fatal(err)
	}
	other.run()
	if other.next[1] != 51 {
		r.t.Fatalf("a well-behaved client got %q", other.log.String())
	}
	other.session.Close()
}

// accept gives a session that is logged in, or not, without a client.
func (r *rig) accept(login bool) *Session {
	r.t.Helper()
	s, err := r.server.Accept(r.now, "bad")
	if err != nil {
		r.t.Fatal(err)
	}
	if login {
		l := Login{Channel: testChannel}
		if err := s.Receive(r.now, l.appendTo(nil)); err != nil {
			r.t.Fatal(err)
		}
		s.Produce(r.now, r.buf)
	}
	return s
}

// ends runs a session until time closes it, and returns why.
func (r *rig) ends(s *Session) error {
	r.t.Helper()
	for now := r.now; ; {
		for {
			n, _ := s.Produce(now, r.buf)
			s.Taken(now, n)
			if n == 0 {
				break
			}
		}
		if s.Done() {
			return s.Err()
		}
		next, err := s.Poll(now)
		if err != nil {
			return err
		}
		if next > r.now+3600*second {
			r.t.Fatal("nothing ends the session")
		}
		now = next
	}
}

// Every single-bit flip of every request is rejected: at once, or, where it makes the
// frame longer, when the rest does not come.
func TestRequestFlips(t *testing.T) {
	r := newRig(t)
	r.tape.add(100, 10)
	r.serve()
	for _, v := range vectors()[:5] {
		for bit := range 8 * len(v.f) {
			f := bytes.Clone(v.f)
			f[bit/8] ^= 1 << (bit % 8)
			s := r.accept(v.name != "login")
			before := s.Counters().Requests
			err := s.Receive(r.now, f)
			if err == nil {
				err = r.ends(s)
			}
			if err == nil || s.Counters().Requests != before {
				t.Errorf("%s with bit %d flipped: %v", v.name, bit, err)
			}
			s.Close()
		}
	}
	r.well()
	if st := r.server.Stats(); st.Malformed == 0 || st.Connections != 0 {
		t.Errorf("stats %+v", st)
	}
}

// Every truncation of every request waits for the rest, in vain.
func TestRequestTruncations(t *testing.T) {
	r := newRig(t)
	r.tape.add(100, 10)
	r.serve()
	for _, v := range vectors()[:5] {
		for n := range len(v.f) {
			s := r.accept(v.name != "login")
			if err := s.Receive(r.now, v.f[:n]); err != nil {
				t.Errorf("%d bytes of %s: %v", n, v.name, err)
			}
			want := ErrSilent
			if v.name == "login" {
				want = ErrLogin
			}
			if err := r.ends(s); !errors.Is(err, want) {
				t.Errorf("%d bytes of %s: %v", n, v.name, err)
			}
			// What follows a truncated frame is taken for its end, and rejected.
			s.Close()
			s = r.accept(v.name != "login")
			err := s.Receive(r.now, append(bytes.Clone(v.f[:n]), bytes.Repeat([]byte{0xff}, MaxRequest)...))
			if err == nil {
				t.Errorf("%d bytes of %s and garbage were taken", n, v.name)
			}
			s.Close()
		}
	}
	r.well()
}

// Frames that do not belong where they come close the connection.
func TestUnexpected(t *testing.T) {
	r := newRig(t)
	r.serve()
	v := vectors()
	for i, f := range v {
		for _, logged := range []bool{false, true} {
			s := r.accept(logged)
			err := s.Receive(r.now, f.f)
			switch {
			case i == 0 && !logged, i > 0 && i < 5 && logged:
				if err != nil {
					t.Errorf("%s: %v", f.name, err)
				}
			case err == nil:
				t.Errorf("%s was taken", f.name)
			default:
				n, _ := s.Produce(r.now, r.buf)
				if no, err := decodeRefusal(r.buf[:n]); err != nil || no.Code != CodeMalformed {
					t.Errorf("%s: the client is told %+v, %v", f.name, no, err)
				}
				if s.Receive(r.now, v[1].f) == nil || s.Counters().Requests != 0 {
					t.Errorf("%s: a closing session takes requests", f.name)
				}
			}
			s.Close()
		}
	}
	// An id that is 0 or open cannot be answered.
	for _, f := range [][]byte{
		appendRange(nil, 0, 1, 1), appendBare(nil, frameDefinitions, 0),
		appendRange(appendRange(nil, 3, 1, 1), 3, 1, 1), appendBare(appendRange(nil, 3, 1, 0), frameDefinitions, 3),
	} {
		s := r.accept(true)
		if err := s.Receive(r.now, f); !errors.Is(err, ErrBody) {
			t.Errorf("%x: %v", f, err)
		}
		s.Close()
	}
}

func TestVersion(t *testing.T) {
	r := newRig(t)
	r.serve()
	s := r.accept(false)
	l := Login{Channel: testChannel}
	f := frame(l.appendTo(nil))
	f[headLen+loginVersion] = 2
	f.seal(frameLogin, 0)
	var no *Refusal
	if err := s.Receive(r.now, f); !errors.As(err, &no) || no.Code != CodeVersion || no.Retryable {
		t.Errorf("version 2: %v", err)
	}
	// The last refusal must be taken in time.
	s.Produce(r.now, r.buf)
	if _, err := s.Poll(r.now + 5*second); !errors.As(err, &no) || !s.Done() {
		t.Errorf("a client that does not take its refusal: %v", err)
	}
}

// A client that asks without end and reads nothing is closed; what it costs is bounded.
func TestFlood(t *testing.T) {
	r := newRig(t)
	r.tape.add(1000, 10)
	r.cfg.Limits.Requests = 1 << 30
	r.serve()
	s := r.accept(true)
	var err error
	for id := uint32(1); err == nil && id < 10_000; id++ {
		err = s.Receive(r.now, appendRange(nil, id, 1, 1000))
	}
	if !errors.Is(err, ErrFlood) {
		t.Fatalf("a flood: %v", err)
	}
	l := r.cfg.Limits.Outstanding
	if n := s.Counters().Requests; n != uint64(3*l+1) {
		t.Errorf("%d requests before it was closed, want %d", n, 3*l+1)
	}
	r.well()
}

// Garbage costs its sender the connection and nobody else anything.
func TestGarbage(t *testing.T) {
	r := newRig(t)
	r.tape.add(100, 10)
	r.serve()
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		b := make([]byte, 1+rnd.IntN(2000))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		s := r.accept(seed%2 == 0)
		if s.Receive(r.now, b); r.ends(s) == nil {
			t.Errorf("seed %d: garbage is no reason to close", seed)
		}
		s.Close()
	}
	r.well()
	if n := r.server.Stats().Connections; n != 0 {
		t.Errorf("%d connections left", n)
	}
}

// Whatever a server sends, the client takes it or returns an error.
func TestServerFlips(t *testing.T) {
	for _, v := range vectors()[5:] {
		for bit := range 8 * len(v.f) {
			f := bytes.Clone(v.f)
			f[bit/8] ^= 1 << (bit % 8)
			c := NewClient(ClientConfig{Login: Login{Compress: true}}, 0)
			if v.name != "welcome" {
				w := testWelcome()
				if err := c.Receive(0, w.appendTo(nil), silent{}); err != nil {
					t.Fatal(err)
				}
				c.Request(5, 41, 42)
			}
			err := c.Receive(0, f, silent{})
			inPacket := v.name == "data" && bit/8 >= headLen // wire.Parse's business
			if err == nil && !inPacket && !c.split.partial() {
				t.Errorf("%s with bit %d flipped was taken", v.name, bit)
			}
		}
	}
}

// Answers must belong to a request.
func TestClientUnexpected(t *testing.T) {
	w := testWelcome()
	for _, v := range vectors()[5:] {
		c := NewClient(ClientConfig{}, 0)
		if err := c.Receive(0, v.f, silent{}); err == nil && v.name != "welcome" {
			t.Errorf("%s before the welcome was taken", v.name)
		}
		c = NewClient(ClientConfig{}, 0)
		if err := c.Receive(0, w.appendTo(nil), silent{}); err != nil {
			t.Fatal(err)
		}
		err := c.Receive(0, v.f, silent{})
		if ok := v.name == "control" || v.name == "pong"; ok != (err == nil) {
			t.Errorf("%s without a request: %v", v.name, err)
		}
	}
}

func FuzzServer(f *testing.F) {
	for _, v := range vectors()[:5] {
		f.Add([]byte(v.f))
		f.Add([]byte(append(vectors()[0].f, v.f...)))
	}
	r := newRig(f)
	r.tape.add(100, 10)
	r.serve()
	f.Fuzz(func(t *testing.T, b []byte) {
		r.t = t
		s := r.accept(false)
		defer s.Close()
		err := s.Receive(r.now, b)
		for range 10 {
			n, _ := s.Produce(r.now, r.buf)
			s.Taken(r.now, n)
		}
		if err != nil && !s.Done() {
			t.Error("an error does not end the session")
		}
	})
}

func FuzzClient(f *testing.F) {
	var all []byte
	for _, v := range vectors()[5:] {
		all = append(all, v.f...)
		f.Add(all)
		f.Add([]byte(v.f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, ready := range []bool{false, true} {
			c := NewClient(ClientConfig{Login: Login{Compress: true}}, 0)
			if ready {
				w := testWelcome()
				if err := c.Receive(0, w.appendTo(nil), silent{}); err != nil {
					t.Fatal(err)
				}
				c.Request(5, 41, 42)
				c.Follow(6, 43)
			}
			c.Receive(0, b, silent{})
			c.Close()
		}
	})
}
