package retransmit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

func TestValidate(t *testing.T) {
	for field, spoil := range map[string]func(*ServerConfig){
		"Channel.Channel":    func(c *ServerConfig) { c.Channel.Channel = AnyChannel },
		"Channel.Session":    func(c *ServerConfig) { c.Channel.Session = 0 },
		"Channel.PacketSize": func(c *ServerConfig) { c.Channel.PacketSize = 10 },
		"Channel.Heartbeat":  func(c *ServerConfig) { c.Channel.Heartbeat = 0 },
		"Poll":               func(c *ServerConfig) { c.Poll = -1 },
		"Limits.Connections": func(c *ServerConfig) { c.Limits.Connections = 0 },
		"Limits.PerPeer":     func(c *ServerConfig) { c.Limits.PerPeer = c.Limits.Connections + 1 },
		"Limits.Range":       func(c *ServerConfig) { c.Limits.Range = 0 },
		"Limits.Outstanding": func(c *ServerConfig) { c.Limits.Outstanding = 1025 },
		"Limits.Requests":    func(c *ServerConfig) { c.Limits.Requests = 0 },
		"Limits.Login":       func(c *ServerConfig) { c.Limits.Login = 0 },
		"Limits.Silence":     func(c *ServerConfig) { c.Limits.Silence = 0 },
		"Limits.Stall":       func(c *ServerConfig) { c.Limits.Stall = maxTime + 1 },
		"Limits.Answer":      func(c *ServerConfig) { c.Limits.Answer = 0 },
		"Limits.Life":        func(c *ServerConfig) { c.Limits.Life = -1 },
	} {
		cfg := testServerConfig()
		spoil(&cfg)
		if _, err := NewServer(cfg, live{newTape()}); !errors.Is(err, errConfig) || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// Virtual time: a rate is what it says over any second after the burst.
func TestBucket(t *testing.T) {
	for _, rate := range []uint64{1, 3, 1000, 999_999_937} {
		b := bucket{rate: rate, burst: second}
		taken := uint64(0)
		now := testStart
		for end := now + 10*second; now < end && taken < 20_000; {
			if w := b.wait(now, 1); w > 0 {
				now += w
				continue
			}
			b.take(now, 1)
			taken++
		}
		if allowed := rate + rate*uint64(now-testStart)/uint64(second) + 1; taken > allowed {
			t.Errorf("rate %d: %d in %v", rate, taken, (now - testStart).Duration())
		}
		if now < testStart+10*second && taken < 20_000 {
			t.Errorf("rate %d: ended early", rate)
		}
	}
	var unlimited bucket
	unlimited.take(0, 1<<30)
	if unlimited.wait(0, 1<<30) != 0 {
		t.Error("rate 0 limits")
	}
}

func TestAccept(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits.Connections, r.cfg.Limits.PerPeer = 5, 3
	r.serve()
	var open []*Session
	refused := 0
	for _, peer := range []string{"a", "a", "a", "a", "b", "b", "c"} {
		s, err := r.server.Accept(r.now, peer)
		var no *Refusal
		switch {
		case err == nil:
			open = append(open, s)
		case !errors.As(err, &no) || no.Code != CodeBusy || !no.Retryable || no.RetryAfter == 0:
			t.Errorf("refused with %v", err)
		default:
			refused++
		}
	}
	if len(open) != 5 || refused != 2 {
		t.Fatalf("%d accepted, %d refused", len(open), refused)
	}
	for _, s := range open {
		s.Close()
		s.Close() // which may be called again
	}
	st := r.server.Stats()
	if st.Connections != 0 || st.Refused[CodeBusy] != 2 || st.Accepted != 5 || len(r.server.peers) != 0 {
		t.Errorf("after all left: %+v", st)
	}
}

func TestReceivers(t *testing.T) {
	r := newRig(t)
	r.serve()
	for i, l := range []struct {
		Login
		want int
	}{
		{Login{Role: RoleTool, Instance: 1}, 0},
		{Login{Role: RoleReceiver, Instance: 1}, 1},
		{Login{Role: RoleReceiver, Instance: 1}, 1}, // again
		{Login{Role: RoleReceiver, Instance: 2}, 2},
		{Login{Role: RoleReceiver}, 3},
		{Login{Role: RoleReceiver}, 4},
		{Login{Role: RoleReceiver, Instance: 9, Channel: 99}, 4}, // refused
	} {
		s, _ := r.server.Accept(r.now, "p")
		if l.Channel == 0 {
			l.Channel = AnyChannel
		}
		s.Receive(r.now, l.Login.appendTo(nil))
		s.Receive(r.now, appendBare(nil, frameReady, 0))
		if got := r.server.Receivers(); got != l.want {
			t.Errorf("%d: %d receivers, want %d", i, got, l.want)
		}
		s.Close()
	}
}

// A client that ignores what it may have open is told so, for each request.
func TestOutstanding(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits.Outstanding = 2
	r.tape.add(100, 10)
	r.plain()
	for id := uint32(1); id <= 4; id++ {
		r.client.open = append(r.client.open, id)
		r.client.out = appendRange(r.client.out, id, 1, 10)
	}
	r.run()
	if len(r.refusal) != 2 || r.refusal[0].Code != CodeRate || r.next[1] != 11 || r.next[2] != 11 || r.next[3] != 0 {
		t.Errorf("got %s", r.log.String())
	}
}

// The total of requests is shared by all.
func TestTotalRequests(t *testing.T) {
	r := newRig(t)
	r.cfg.Limits.TotalRequests = 3
	r.tape.add(100, 10)
	r.serve()
	a, b := r.accept(true), r.accept(true)
	for id := uint32(1); id <= 2; id++ {
		a.Receive(r.now, appendRange(nil, id, 1, 10))
		b.Receive(r.now, appendRange(nil, id, 1, 10))
	}
	if n := r.server.Stats().Refused[CodeRate]; n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
	a.Receive(r.now+second, appendRange(nil, 3, 1, 10))
	if n := r.server.Stats().Refused[CodeRate]; n != 1 {
		t.Errorf("%d refused a second later, want 1", n)
	}
	if at := r.server.Stats().LastRequest; at != r.now+second {
		t.Errorf("last request at %d", at)
	}
	b.Receive(r.now, appendRange(nil, 3, 1, 10)) // b looked at the clock before, and came after
	if at := r.server.Stats().LastRequest; at != r.now+second {
		t.Errorf("last request at %d, earlier than before", at)
	}
}

// takes asks for the whole tape and returns how long it takes in virtual time.
func (r *rig) takes() wire.Nanos {
	r.t.Helper()
	start := r.now
	if err := r.client.Request(1, 1, r.tape.Next-1); err != nil {
		r.t.Fatal(err)
	}
	for r.client.Outstanding() > 0 {
		r.advance(10 * millisecond)
		if r.srvErr != nil || r.clErr != nil || r.now > start+3600*second {
			r.t.Fatalf("server: %v, client: %v", r.srvErr, r.clErr)
		}
	}
	return r.now - start
}

// Bytes wait for their rate; a client that is made to wait is not slow.
func TestBytesPerSecond(t *testing.T) {
	for _, total := range []bool{false, true} {
		r := newRig(t)
		r.tape.add(100_000, 50)
		rate := uint64(10_000)
		if total {
			r.cfg.Limits.TotalBytes = rate
		} else {
			r.cfg.Limits.Bytes = rate
		}
		r.cfg.Limits.Answer = 5 * second
		r.plain()
		took := r.takes()
		want := wire.Nanos(len(r.got)) * second / wire.Nanos(rate)
		if slack := 10 * second; took > want+slack || took < want-slack {
			t.Errorf("total %t: %d bytes took %v, want %v", total, len(r.got), took.Duration(), want.Duration())
		}
	}
}

// Two sessions under one total rate both come on.
func TestTotalBytesFair(t *testing.T) {
	r := newRig(t)
	r.tape.add(100_000, 50)
	r.cfg.Limits.TotalBytes = 1_000_000
	r.serve()
	a, b := r.accept(true), r.accept(true)
	var got [2]uint64
	for i, s := range []*Session{a, b} {
		s.Receive(r.now, appendRange(nil, uint32(i+1), 1, 100_000))
	}
	now := r.now
	for range 2000 {
		now += millisecond
		for i, s := range []*Session{b, a} {
			n, _ := s.Produce(now, r.buf)
			s.Taken(now, n)
			got[i] += uint64(n)
		}
	}
	if sum := got[0] + got[1]; sum > 2_200_000 || sum < 1_800_000 {
		t.Errorf("%d bytes in 2 s", sum)
	}
	if got[0] < got[1]/2 || got[1] < got[0]/2 {
		t.Errorf("unfair: %v", got)
	}
}

func TestDeadlines(t *testing.T) {
	r := newRig(t)
	r.tape.add(10_000, 50)
	r.cfg.Limits.Life = 60 * second
	r.serve()
	s := r.accept(false)
	defer s.Close()
	if next, err := s.Poll(r.now); err != nil || next != r.now+5*second {
		t.Errorf("before the login: %d, %v", next-r.now, err)
	}
	if err := r.ends(s); !errors.Is(err, ErrLogin) {
		t.Errorf("no login: %v", err)
	}
	if err := r.ends(r.accept(true)); !errors.Is(err, ErrSilent) {
		t.Errorf("no frame: %v", err)
	}

	// A frame a byte at a time does not count as one.
	s = r.accept(true)
	f := appendRange(nil, 1, 1, 10)
	now := r.now
	for i := range f {
		if _, err := s.Poll(now); err != nil {
			break
		}
		s.Receive(now, f[i:i+1])
		now += second
	}
	if !errors.Is(s.Err(), ErrSilent) || s.Counters().Requests != 0 {
		t.Errorf("a byte a second: %v", s.Err())
	}

	ping := appendBare(nil, framePing, 0)
	for _, c := range []struct {
		want error
		take func(given int) int
	}{
		{ErrStalled, func(int) int { return 0 }},
		{ErrSlow, func(given int) int { return min(given, 1) }},
		{ErrLife, func(given int) int { return given }},
	} {
		s := r.accept(true)
		s.Receive(r.now, appendRange(nil, 1, 1, 10_000))
		if c.want == ErrSlow {
			s.server.cfg.Limits.Answer = 20 * second
		}
		var err error
		given := 0
		for now := r.now; err == nil && now < r.now+300*second; now += second {
			s.Receive(now, ping)
			if given == 0 {
				given, _ = s.Produce(now, r.buf)
			}
			n := c.take(given)
			given -= n
			if n > 0 {
				s.Taken(now, n)
			}
			_, err = s.Poll(now)
		}
		if !errors.Is(err, c.want) || !s.Done() {
			t.Errorf("%v: %v", c.want, err)
		}
		if n, _ := s.Produce(r.now, r.buf); n != 0 {
			t.Errorf("%v: a closed session still gives %d bytes", c.want, n)
		}
		s.Close()
		s.server.cfg.Limits.Answer = 120 * second
	}
	st := r.server.Stats()
	if st.NoLogin != 1 || st.Silent != 2 || st.Stalled != 1 || st.Slow != 1 || st.Life != 1 {
		t.Errorf("stats %+v", st)
	}
}

// A silent server is left, a quiet one is pinged.
func TestClientPoll(t *testing.T) {
	r := newRig(t)
	r.plain()
	r.advance(60 * second)
	if r.clErr != nil || r.srvErr != nil {
		t.Fatalf("an idle connection: client %v, server %v", r.clErr, r.srvErr)
	}
	if len(r.control) < 59 {
		t.Errorf("%d heartbeats in a minute", len(r.control))
	}
	c := r.client
	c.Sent(len(c.Output()))
	if next, err := c.Poll(r.now + second); err != nil || next > r.now+5*second || len(c.Output()) != headLen {
		t.Errorf("after a second: %v, output %x", err, c.Output())
	}
	if _, err := c.Poll(r.now + 5*second); !errors.Is(err, ErrSilent) {
		t.Errorf("after five seconds: %v", err)
	}
	if _, err := NewClient(ClientConfig{}, 0).Poll(5 * second); !errors.Is(err, ErrSilent) {
		t.Errorf("no welcome: %v", err)
	}
}

func TestClientErrors(t *testing.T) {
	c := NewClient(ClientConfig{}, 0)
	if err := c.Request(1, 1, 2); !errors.Is(err, ErrNotReady) {
		t.Errorf("before the welcome: %v", err)
	}
	r := newRig(t)
	r.plain()
	c = r.client
	for _, check := range []struct {
		name      string
		got, want error
	}{
		{"id 0", c.Definitions(0), ErrID},
		{"from 0", c.Request(1, 0, 5), ErrRange},
		{"backwards", c.Request(1, 5, 4), ErrRange},
		{"follow from 0", c.Follow(1, 0), ErrRange},
		{"too large", c.Request(1, 1, 1<<20+1), ErrTooLarge},
		{"largest", c.Request(1, 1, 1<<20), nil},
		{"follow", c.Follow(2, 1), nil},
		{"second follow", c.Follow(3, 1), ErrOutstanding},
		{"id twice", c.Request(2, 1, 1), ErrID},
	} {
		if !errors.Is(check.got, check.want) {
			t.Errorf("%s: %v, want %v", check.name, check.got, check.want)
		}
	}
	if n := c.Outstanding(); n != 2 {
		t.Errorf("%d open", n)
	}
}

func ExampleRefusal() {
	fmt.Println(&Refusal{Code: CodeAhead, Retryable: true, RetryAfter: 50 * millisecond, Text: "not sequenced yet"})
	// Output: retransmit: refused: ahead: not sequenced yet (retry after 50ms)
}
