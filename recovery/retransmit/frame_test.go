package retransmit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed/wire"
)

// vectors are one frame of each type, as testdata/frames.hex holds them.
func vectors() []struct {
	name string
	f    frame
} {
	login := Login{Channel: 7, Session: testSession, KnownEpoch: 9, Compress: true, Role: RoleReceiver,
		Instance: 0x1122334455667788, Name: "desk-4"}
	welcome := testWelcome()
	p := packetOf(41, 2)
	status := wire.Status{Journal: wire.JournalStrict, Durable: 40, Previous: 9, Cut: 30, CutChain: 0xabcd}
	control := status.AppendControl(make([]byte, headLen), wire.Header{Type: wire.TypeHeartbeat, Channel: 7,
		Session: testSession, Epoch: 10, Sequence: 43, Stamp: testStart, Chain: 0x1234})
	frame(control).seal(frameControl, 0)
	data := append(make([]byte, headLen), p...)
	frame(data).seal(frameData, 5)
	return []struct {
		name string
		f    frame
	}{
		{"login", login.appendTo(nil)},
		{"range", appendRange(nil, 5, 41, 42)},
		{"follow", appendRange(nil, 6, 43, 0)},
		{"definitions", appendBare(nil, frameDefinitions, 7)},
		{"ping", appendBare(nil, framePing, 0)},
		{"welcome", welcome.appendTo(nil)},
		{"refusal", AppendRefusal(nil, 5, Refusal{Code: CodeAhead, Retryable: true, RetryAfter: 50 * millisecond, Text: "not sequenced yet"})},
		{"data", data},
		{"unavailable", appendUnavailable(nil, 5, 1, 40, CauseGone)},
		{"done", appendDone(nil, 5, 43)},
		{"control", control},
		{"pong", appendBare(nil, framePong, 0)},
	}
}

func testWelcome() Welcome {
	l := DefaultLimits()
	l.TotalRequests, l.Bytes, l.Life = 1_000_000, 50_000_000, 3600*second
	return Welcome{
		Channel: testServerConfig().Channel,
		State: State{Epoch: 10, Oldest: 21, Next: 43, Chain: 0x1234, Durable: 40, Journal: wire.JournalStrict,
			Clock: wire.Clock{State: wire.ClockHoldover, TAI: -1, ID: 77, Bound: 500}, Ended: true, Last: 42},
		Since:  Cut{Epoch: 10, Previous: 9, Cut: 30, Chain: 0xabcd},
		Limits: l,
	}
}

// packetOf is one packet of n messages from first on.
func packetOf(first uint64, n int) wire.Packet {
	s := newTape()
	s.Next = first
	s.add(n, n)
	return s.packets[0]
}

// The vectors pin the layout that doc.go tabulates.
func TestVectors(t *testing.T) {
	const name = "testdata/frames.hex"
	var got bytes.Buffer
	for _, v := range vectors() {
		fmt.Fprintf(&got, "%s %s\n", v.name, hex.EncodeToString(v.f))
	}
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, g := bufio.NewScanner(bytes.NewReader(want)), bufio.NewScanner(&got)
	for s.Scan() {
		if g.Scan(); g.Text() != s.Text() {
			t.Errorf("got  %s\nwant %s", g.Text(), s.Text())
		}
	}
	if g.Scan() {
		t.Errorf("no vector for %s", strings.Fields(g.Text())[0])
	}
}

func TestRoundTrip(t *testing.T) {
	opt := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	port := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

	login := Login{Channel: AnyChannel, Session: testSession, KnownEpoch: 1<<32 - 1, Compress: true,
		Role: RoleReceiver, Instance: 1<<64 - 1, Name: strings.Repeat("n", MaxName)}
	var gotLogin Login
	if _, err := gotLogin.decode(login.appendTo(nil)); err != nil || gotLogin != login {
		t.Errorf("login %+v, %v", gotLogin, err)
	}
	long := Login{Name: strings.Repeat("n", MaxName+1)}
	if _, err := gotLogin.decode(long.appendTo(nil)); err != nil || len(gotLogin.Name) != MaxName {
		t.Errorf("a long name: %+v, %v", gotLogin, err)
	}

	welcome, gotWelcome := testWelcome(), Welcome{}
	welcome.Channel.Lines[1] = Line{Group: netip.MustParseAddrPort("[ff15::7]:5003"), Source: netip.MustParseAddr("2001:db8::1")}
	if err := gotWelcome.decode(welcome.appendTo(nil)); err != nil || !cmp.Equal(gotWelcome, welcome, opt, port) {
		t.Errorf("welcome: %v\n%s", err, cmp.Diff(welcome, gotWelcome, opt, port))
	}

	for _, r := range []Refusal{
		{Code: CodeBusy},
		{Code: CodeRate, Retryable: true, RetryAfter: (1<<32 - 1) * millisecond, Text: strings.Repeat("x", MaxText)},
	} {
		if got, err := decodeRefusal(AppendRefusal(nil, 1, r)); err != nil || got != r {
			t.Errorf("refusal %+v, %v", got, err)
		}
	}
	// Retry-after is whole milliseconds: never earlier than meant.
	if got, _ := decodeRefusal(AppendRefusal(nil, 1, Refusal{Code: CodeRate, RetryAfter: 1})); got.RetryAfter != millisecond {
		t.Errorf("retry after 1 ns became %v", got.RetryAfter)
	}
	hostile := Refusal{Code: CodeBusy, Text: "a\x1b[2Jb\nc\xff"}
	if got, _ := decodeRefusal(AppendRefusal(nil, 1, hostile)); got.Text != "a?[2Jb?c?" {
		t.Errorf("text for a terminal: %q", got.Text)
	}
}

// A newer server's welcome may be longer.
func TestWelcomeGrows(t *testing.T) {
	w, got := testWelcome(), Welcome{}
	f := frame(append(w.appendTo(nil), 1, 2, 3, 4))
	f.seal(frameWelcome, 0)
	s := splitter{peer: fromServer}
	whole, _, err := s.next(f)
	if err != nil || got.decode(whole) != nil {
		t.Fatalf("a longer welcome: %v", err)
	}
}

func TestWelcomeHostile(t *testing.T) {
	for name, spoil := range map[string]func(*Welcome){
		"no session":       func(w *Welcome) { w.Channel.Session = 0 },
		"no epoch":         func(w *Welcome) { w.State.Epoch = 0 },
		"next 0":           func(w *Welcome) { w.State.Next = 0 },
		"oldest past next": func(w *Welcome) { w.State.Oldest = w.State.Next + 1 },
		"tiny packets":     func(w *Welcome) { w.Channel.PacketSize = 1 },
		"huge packets":     func(w *Welcome) { w.Channel.PacketSize = 1 << 30 },
		"no heartbeat":     func(w *Welcome) { w.Channel.Heartbeat = 0 },
		"many requests":    func(w *Welcome) { w.Limits.Outstanding = 1 << 30 },
		"negative time":    func(w *Welcome) { w.Limits.Stall = -1 },
	} {
		w, got := testWelcome(), Welcome{}
		spoil(&w)
		if err := got.decode(w.appendTo(nil)); !errors.Is(err, ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever pieces a stream comes in, the same frames are found.
func TestSplitter(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var want []frame
		for range 30 {
			v := vectors()[5:]
			f := v[r.IntN(len(v))].f
			stream, want = append(stream, f...), append(want, f)
		}
		s := splitter{peer: fromServer}
		for len(stream) > 0 {
			n := 1 + r.IntN(min(len(stream), 1+r.IntN(300)))
			for b := stream[:n]; ; {
				f, rest, err := s.next(b)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if f == nil {
					break
				}
				if !bytes.Equal(f, want[0]) {
					t.Fatalf("seed %d: got %x, want %x", seed, f, want[0])
				}
				want, b = want[1:], rest
			}
			stream = stream[n:]
		}
		if len(want) != 0 || s.partial() {
			t.Fatalf("seed %d: %d frames are missing", seed, len(want))
		}
	}
}

// The lengths that doc.go states.
func TestLengths(t *testing.T) {
	for name, n := range map[string][2]int{
		"login": {loginLen, 48}, "range": {rangeLen, 32}, "welcome": {welcomeLen, 288}, "refusal": {refusalLen, 24},
		"unavailable": {unavailableLen, 40}, "done": {doneLen, 24}, "largest request": {MaxRequest, 112},
	} {
		if n[0] != n[1] {
			t.Errorf("%s: %d, documented as %d", name, n[0], n[1])
		}
	}
}

func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for c := Code(1); c < numCodes; c++ {
		if seen[c.String()] || c.String() == "unknown" {
			t.Errorf("code %d is %q", c, c)
		}
		seen[c.String()] = true
	}
	if Code(0).String() != "unknown" || Cause(0).String() != "unknown" || CauseGone.String() != "gone" {
		t.Error("words of no code")
	}
}

// Bodies that no honest peer sends, under a good checksum.
func TestHostileBodies(t *testing.T) {
	reseal := func(f frame, at int, v byte) frame {
		f = append(frame(nil), f...)
		f[at] = v
		f.seal(f.typ(), f.id())
		return f
	}
	v := vectors()
	login, refusal, unavailable, control := v[0].f, v[6].f, v[8].f, v[10].f
	for name, f := range map[string]frame{
		"magic": reseal(login, 16, 0), "name length": reseal(login, 23, 1), "flags": reseal(login, 21, 2),
		"role": reseal(login, 22, 2), "reserved": reseal(login, 26, 1),
	} {
		var l Login
		if _, err := l.decode(f); !errors.Is(err, ErrBody) {
			t.Errorf("login %s: %v", name, err)
		}
	}
	for name, f := range map[string]frame{
		"code 0": reseal(refusal, 16, 0), "retryable 2": reseal(refusal, 17, 2), "text length": reseal(refusal, 18, 1),
		"from 0": reseal(unavailable, 16, 0), "backwards": reseal(unavailable, 24, 0), "cause 0": reseal(unavailable, 32, 0),
		"a type unknown": reseal(control, headLen+5, 9), "sequenced": reseal(control, headLen+5, 1),
		"welcome again": v[5].f,
	} {
		c := NewClient(ClientConfig{}, 0)
		w := testWelcome()
		if err := c.Receive(0, w.appendTo(nil), silent{}); err != nil {
			t.Fatal(err)
		}
		c.Request(5, 1, 40)
		if err := c.Receive(0, f, silent{}); !errors.Is(err, ErrBody) && !errors.Is(err, ErrUnexpected) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The length of a frame is judged before anything is kept for it.
func TestSplitterBounds(t *testing.T) {
	for _, v := range vectors() {
		for _, n := range []uint32{0, 1, headLen - 1, MaxFrame + 1, 1 << 31, 1<<32 - 1} {
			f := append(frame(nil), v.f...)
			le.PutUint32(f[offLength:], n)
			s := splitter{peer: f[offType] & fromServer}
			if _, _, err := s.next(f[:headLen]); !errors.Is(err, ErrFrame) || cap(s.kept) > 64 {
				t.Errorf("%s of %d bytes: %v, %d kept", v.name, n, err, cap(s.kept))
			}
		}
		s := splitter{peer: v.f[offType]&fromServer ^ fromServer}
		if _, _, err := s.next(v.f); !errors.Is(err, ErrFrame) {
			t.Errorf("%s from the wrong side: %v", v.name, err)
		}
	}
}
