package source

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beevik/ntp"

	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
)

// hostile is a server that answers each question as a test likes.
type hostile struct {
	*net.UDPConn
	asked atomic.Int64
}

// serve starts one. answer is called for every question, in turn; what it returns is
// sent back from the server's own port, in order.
func serve(t testing.TB, answer func(h *hostile, question []byte, from *net.UDPAddr) [][]byte) *hostile {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{UDPConn: c}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var b [2048]byte
		for {
			n, from, err := c.ReadFromUDP(b[:])
			if err != nil {
				return
			}
			h.asked.Add(1)
			for _, datagram := range answer(h, b[:n], from) {
				_, _ = c.WriteToUDP(datagram, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-ended })
	return h
}

// ntpTime is a time in a packet's 64 bits.
func ntpTime(at time.Time) uint64 {
	ns := uint64(at.UnixNano()) + 2_208_988_800e9
	return ns/1e9<<32 | ns%1e9<<32/1e9
}

// honest is a good answer of stratum 1 that is off by so much.
func honest(question []byte, off time.Duration) []byte {
	now := ntpTime(time.Now().Add(off))
	b := make([]byte, ntpLen)
	b[0], b[1], b[2], b[3] = 4<<3|4, 1, 4, 0xe9 // version 4, server; precision 2^-23 s
	copy(b[12:], "GPS\x00")
	binary.BigEndian.PutUint64(b[16:], ntpTime(time.Now().Add(off-time.Second))) // reference
	copy(b[offOrigin:], question[offTransmit:offTransmit+8])
	binary.BigEndian.PutUint64(b[32:], now)
	binary.BigEndian.PutUint64(b[offTransmit:], now)
	return b
}

func kiss(question []byte, code string) []byte {
	b := honest(question, 0)
	b[1] = 0
	copy(b[12:], code)
	return b
}

// lie is how far a forger is off.
const lie = 5 * time.Millisecond

func forged(question []byte) []byte {
	b := honest(question, lie)
	b[offOrigin] ^= 1
	return b
}

// truthful fails t unless the answer agrees with the host's clock, which is the truth.
func truthful(t *testing.T, n *NTP, a Answer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	x := n.counter.cross()
	if up, low := a.T2+a.Error-a.Sent, a.T3-a.Error-a.Received; up < x.Low || low > x.High {
		t.Errorf("UTC less the counter is in [%d, %d], the exchange says [%d, %d]", x.Low, x.High, low, up)
	}
}

func ask(t *testing.T, h *hostile, change func(*NTPConfig)) *NTP {
	t.Helper()
	cfg := NTPConfig{Address: h.LocalAddr().String(), Timeout: 2 * time.Second}
	if change != nil {
		change(&cfg)
	}
	return asker(t, cfg)
}

func short(c *NTPConfig) { c.Timeout = 30 * time.Millisecond }

// TestHostileSkipped: datagrams that do not answer the question come first, and the
// good answer is the one that is used.
func TestHostileSkipped(t *testing.T) {
	var before []byte
	h := serve(t, func(_ *hostile, q []byte, _ *net.UDPAddr) [][]byte {
		replayed := before
		before = honest(q, lie)
		out := [][]byte{forged(q), {}, {1}, honest(q, lie)[:ntpLen-1], kiss(forged(q), "DENY"), make([]byte, 1400), honest(q, 0), honest(q, lie)}
		if replayed != nil {
			out = append([][]byte{replayed}, out...)
		}
		return out
	})
	n := ask(t, h, nil)
	for i := range 50 {
		a, err := n.Query()
		truthful(t, n, a, err)
		if want := 6 + min(i, 1); a.Skipped != want {
			t.Errorf("query %d: %d datagrams skipped, want %d", i, a.Skipped, want)
		}
	}
}

// TestHostileElsewhere: answers that know everything, but come from another port.
func TestHostileElsewhere(t *testing.T) {
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h := serve(t, func(_ *hostile, q []byte, from *net.UDPAddr) [][]byte {
		_, _ = other.WriteToUDP(honest(q, lie), from)
		return [][]byte{honest(q, 0)}
	})
	n := ask(t, h, nil)
	for range 50 {
		a, err := n.Query()
		truthful(t, n, a, err)
	}
}

// TestHostileLate: an answer after the timeout is sent to a port that nobody has any
// more, and to that of the next question.
func TestHostileLate(t *testing.T) {
	var late []byte
	var lateTo *net.UDPAddr
	h := serve(t, func(h *hostile, q []byte, from *net.UDPAddr) [][]byte {
		if h.asked.Load()%2 == 1 {
			late, lateTo = honest(q, lie), from
			return nil
		}
		_, _ = h.WriteToUDP(late, lateTo)
		return [][]byte{late, honest(q, 0)}
	})
	for range 5 {
		if a, err := ask(t, h, short).Query(); err == nil {
			t.Fatalf("an answer without an answer: %+v", a)
		}
		n := ask(t, h, nil)
		a, err := n.Query()
		truthful(t, n, a, err)
		if a.Skipped != 1 {
			t.Errorf("%d skipped, want the late one", a.Skipped)
		}
	}
}

// TestHostileNothingGood: only bad answers, so there is none.
func TestHostileNothingGood(t *testing.T) {
	key := func(c *NTPConfig) {
		c.Timeout, c.KeyID, c.KeyKind, c.Key = 30*time.Millisecond, 7, "aes128cmac", clocktest.ChronydKey
	}
	spoil := func(f func(b []byte)) func(q []byte) []byte {
		return func(q []byte) []byte { b := honest(q, 0); f(b); return b }
	}
	for _, c := range []struct {
		name   string
		change func(*NTPConfig)
		answer func(q []byte) []byte
		want   error // nil: any
	}{
		{"forged", short, forged, nil},
		{"a wish without a cookie", short, func(q []byte) []byte { return forged(kiss(q, "DENY")) }, nil},
		{"not synchronised", short, spoil(func(b []byte) { b[0] |= 3 << 6 }), ErrUnsynced},
		{"stratum 16", short, spoil(func(b []byte) { b[1] = 16 }), ErrUnsynced},
		{"smeared", short, spoil(func(b []byte) { copy(b[12:], "GOOG") }), ErrSmeared},
		{"two seconds wrong by its own word", short, spoil(func(b []byte) { b[9] = 2 }), ErrDistant},
		{"in 2050", short, func(q []byte) []byte { return honest(q, 24*365*24*time.Hour) }, ErrRange},
		{"a poll that nobody can wait for", short, spoil(func(b []byte) { b[2] = 0x80 }), nil},
		{"a precision of 2^63 s", short, spoil(func(b []byte) { b[3] = 63 }), nil},
		{"a client's packet", short, spoil(func(b []byte) { b[0] = 4<<3 | 3 }), nil},
		{"sent before received", short, spoil(func(b []byte) { b[offTransmit+3]-- }), nil},
		{"no code where one is wanted", key, func(q []byte) []byte { return honest(q, 0) }, ntp.ErrAuthFailed},
		{"a wrong code", key, func(q []byte) []byte { return append(honest(q, 0), q[ntpLen:]...) }, ntp.ErrAuthFailed},
		{"a wish without a code", key, func(q []byte) []byte { return kiss(q, "DENY") }, ntp.ErrAuthFailed},
	} {
		h := serve(t, func(_ *hostile, q []byte, _ *net.UDPAddr) [][]byte { return [][]byte{c.answer(q)} })
		n := ask(t, h, c.change)
		for range 2 {
			if a, err := n.Query(); err == nil || errors.Is(err, ErrDenied) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %+v, %v; want %v", c.name, a, err, c.want)
			}
		}
		if h.asked.Load() != 2 {
			t.Errorf("%s: asked %d times", c.name, h.asked.Load())
		}
	}
}

// TestKissOfDeath: RATE wants fewer questions, DENY and RSTR none.
func TestKissOfDeath(t *testing.T) {
	for code, want := range map[string]error{"RATE": ErrKiss, "DENY": ErrDenied, "RSTR": ErrDenied} {
		h := serve(t, func(_ *hostile, q []byte, _ *net.UDPAddr) [][]byte { return [][]byte{kiss(q, code)} })
		n := ask(t, h, nil)
		for range 3 {
			if _, err := n.Query(); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", code, err, want)
			}
		}
		if asked := h.asked.Load(); want == ErrDenied && asked != 1 {
			t.Errorf("after %s asked %d times", code, asked)
		}
	}
}

// TestSmearingServersRefused: known ones are refused before they are asked.
func TestSmearingServersRefused(t *testing.T) {
	for _, s := range smearing {
		if _, err := NewNTP(NTPConfig{Address: net.JoinHostPort(s, "123")}, Counter{}); !errors.Is(err, ErrSmeared) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, bad := range []NTPConfig{{Address: "pool.ntp.org:123"}, {Address: "192.0.2.1"}, {Address: ""}} {
		if _, err := NewNTP(bad, Counter{}); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", bad.Address, err)
		}
	}
	for _, bad := range []NTPConfig{{KeyKind: "md5", Key: "00"}, {KeyKind: "aes128cmac"}, {KeyKind: "aes128cmac", Key: "0"}, {Key: "00"}} {
		bad.Address = "192.0.2.1:123"
		if _, err := NewNTP(bad, Counter{}); !errors.Is(err, ErrKey) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// FuzzAnswer: no answer makes a question panic, or gives an exchange that claims to
// have come before it left.
func FuzzAnswer(f *testing.F) {
	question := make([]byte, ntpLen)
	for _, b := range [][]byte{nil, honest(question, 0), forged(question), kiss(question, "RATE"), append(honest(question, 0), make([]byte, 20)...)} {
		f.Add(b)
	}
	var body atomic.Pointer[[]byte]
	h := serve(f, func(_ *hostile, q []byte, _ *net.UDPAddr) [][]byte {
		b := *body.Load()
		if len(b) < ntpLen {
			return [][]byte{b, honest(q, 0)}
		}
		copy(b[offOrigin:], q[offTransmit:offTransmit+8])
		return [][]byte{b}
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = slices.Clone(b[:min(len(b), 1400)])
		body.Store(&b)
		n, err := NewNTP(NTPConfig{Address: h.LocalAddr().String(), Timeout: 5 * time.Millisecond}, NewCounter(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if a, err := n.Query(); err == nil && (a.Received < a.Sent || a.Error < 0 || max(a.T2, a.T3) > 1<<61 || min(a.T2, a.T3) < 0) {
			t.Errorf("%+v from %s", a, hex.EncodeToString(b))
		}
	})
}

// FuzzTracking: no report makes the parser panic; what it takes is an answer.
func FuzzTracking(f *testing.F) {
	good := tracking(7)
	f.Add(good, uint32(7))
	f.Add(good[:trackingLen-1], uint32(7))
	f.Add(good[:replyHead], uint32(7))
	f.Add([]byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, b []byte, sequence uint32) {
		r, err := parseTracking(b, sequence)
		if err == nil && (len(b) < trackingLen || binary.BigEndian.Uint32(b[16:]) != sequence) {
			t.Errorf("taken: %+v", r)
		}
		if math.IsNaN(r.RootDelay) || math.IsInf(r.RootDispersion, 0) {
			t.Errorf("no numbers: %+v", r)
		}
	})
}

// TestSmears: which references say that a server smears, and when.
func TestSmears(t *testing.T) {
	at := func(month time.Month, day, hour int) time.Time {
		return time.Date(2016, month, day, hour, 0, 0, 0, time.UTC)
	}
	for _, c := range []struct {
		refid   uint32
		stratum uint8
		utc     time.Time
		want    bool
	}{
		{0x474f4f47, 1, at(5, 20, 0), true},
		{0xfe000001, 2, at(12, 31, 23), true},
		{0xfe123456, 3, time.Date(2017, 1, 1, 3, 0, 0, 0, time.UTC), true},
		{0xfe123456, 2, at(6, 30, 0).In(time.FixedZone("", -3600)), true},
		{0xfe123456, 2, at(5, 20, 0), false},
		{0xfe123456, 2, at(12, 30, 23), false},
		{0xfe123456, 1, at(12, 31, 23), false},
		{0xc0000201, 2, at(12, 31, 23), false},
	} {
		if got := smears(c.refid, c.stratum, c.utc); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
