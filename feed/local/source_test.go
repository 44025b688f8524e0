package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// rig is a source that the test polls itself.
type rig struct {
	t    testing.TB
	path string
	*Source
	sink *sink
	now  wire.Nanos
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, path: socketPath(t), sink: newSink(1)}
	src, err := Listen(r.path, session, r.sink.journalled)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	r.Source = src
	return r
}

func (r *rig) poll(limit int) int {
	r.t.Helper()
	r.now++
	n, err := r.Poll(r.now, r.sink, limit)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// connect sends b as a new program.
func (r *rig) connect(b []byte) net.Conn {
	r.t.Helper()
	conn, err := net.Dial("unix", r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// expect reads one frame.
func (r *rig) expect(conn net.Conn, want frameType) (body []byte) {
	r.t.Helper()
	b := make([]byte, lenSize, 300)
	if _, err := io.ReadFull(conn, b); err != nil {
		r.t.Fatal(err)
	}
	b = b[:lenSize+int(b[0])]
	if _, err := io.ReadFull(conn, b[lenSize:]); err != nil {
		r.t.Fatal(err)
	}
	got, body, _, err := next(b)
	if err != nil || got != want {
		r.t.Fatalf("frame type %d %q, want %d", got, body, want)
	}
	return body
}

// expectRefusal reads a refusal and the end of the connection.
func (r *rig) expectRefusal(conn net.Conn, want Code) {
	r.t.Helper()
	got, err := parseRefusal(r.expect(conn, frameRefusal))
	if err != nil || got.Code != want || got.Text == "" {
		r.t.Fatalf("%v, %v; want code %d", got, err, want)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		r.t.Fatal("the connection is still open")
	}
}

// puts encodes one put of the messages first to last.
func puts(first, last uint64) []byte {
	var msgs []byte
	for i := first; i <= last; i++ {
		msgs = append(msgs, message(i)...)
	}
	return append(appendPut(nil, first, len(msgs)), msgs...)
}

func TestConversation(t *testing.T) {
	r := newRig(t)
	conn := r.connect(append(appendHello(nil, "a"), puts(1, 5)...))
	if n := r.poll(100); n != 5 {
		t.Fatalf("put %d", n)
	}
	if w, _ := parseWelcome(r.expect(conn, frameWelcome)); w != (welcome{session, 0, 0}) {
		t.Errorf("welcome %+v", w)
	}
	r.poll(100) // nothing is journalled: no ack
	r.sink.journal(true)
	r.poll(100)
	if n, _ := parseAck(r.expect(conn, frameAck)); n != 5 {
		t.Errorf("ack %d", n)
	}
	conn.Write(puts(4, 8)) // two of them again
	if n := r.poll(100); n != 5 {
		t.Errorf("handled %d", n)
	}
	if err := checkLog(r.sink, "a", 8); err != nil {
		t.Error(err)
	}
	conn.Close()
	r.poll(100)
	again := r.connect(appendHello(nil, "a"))
	r.poll(100)
	if w, _ := parseWelcome(r.expect(again, frameWelcome)); w != (welcome{session, 8, 5}) {
		t.Errorf("welcome %+v", w)
	}
}

// One ack a turn at most, and only for news.
func TestAcksAreBatched(t *testing.T) {
	r := newRig(t)
	conn := r.connect(append(appendHello(nil, "a"), puts(1, 50)...))
	for range 60 {
		r.poll(1)
	}
	r.sink.journal(true)
	for range 3 {
		r.poll(1)
	}
	conn.(*net.UnixConn).CloseWrite()
	r.poll(1)
	r.expect(conn, frameWelcome)
	r.expect(conn, frameAck)
	if b, err := io.ReadAll(conn); len(b) > 0 || err != nil {
		t.Errorf("%x, %v", b, err)
	}
}

// Programs of different appetites get the same share.
func TestFairness(t *testing.T) {
	r := newRig(t)
	for i := range 4 {
		r.connect(append(appendHello(nil, fmt.Sprint("p", i)), puts(1, 600)...))
	}
	for r.poll(100) > 0 && r.sink.count() < 1200 {
	}
	for i := range 4 {
		if n := len(r.sink.of(fmt.Sprint("p", i))); n < 275 || n > 325 {
			t.Errorf("program %d: %d of %d", i, n, r.sink.count())
		}
	}
}

// fullFor refuses the messages of one input, and takes the others.
type fullFor struct {
	*sink
	id feed.InputID
}

func (s fullFor) Put(in feed.Input, msg []byte) error {
	if in.ID == s.id {
		return feed.ErrFull
	}
	return s.sink.Put(in, msg)
}

func TestFullHoldsOneProgramOnly(t *testing.T) {
	r := newRig(t)
	stuck := r.connect(appendHello(nil, "stuck"))
	r.poll(1)
	more := make(chan error)
	go func() { // more than buffers hold: this write waits until the sink takes some
		_, err := stuck.Write(bytes.Repeat(puts(1, 100), 500))
		more <- err
	}()
	other := r.connect(append(appendHello(nil, "other"), puts(1, 10)...))
	full := fullFor{r.sink, 0}
	for range 100 {
		if _, err := r.Poll(1, full, 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkLog(r.sink, "other", 10); err != nil {
		t.Error(err)
	}
	r.expect(other, frameWelcome)
	select {
	case err := <-more:
		t.Fatalf("everything was read: %v", err)
	default:
	}
	for over := false; !over; {
		r.poll(1000)
		select {
		case err := <-more:
			over = err == nil
		default:
		}
	}
	if err := checkLog(r.sink, "stuck", 100); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	hello := appendHello(nil, "a")
	with := func(b []byte) []byte { return append(bytes.Clone(hello), b...) }
	broken := puts(1, 2)
	broken[putHead] = 3 // a message shorter than its head
	stamped := puts(1, 1)
	stamped[putHead+3] |= wire.FlagStamp
	newer := bytes.Clone(hello)
	newer[frameHead] = 2
	for _, tc := range []struct {
		name      string
		send      []byte
		welcomed  bool
		want      Code
		retryable bool
	}{
		{"other protocol", []byte("GET / HTTP/1.1\r\n\r\n"), false, CodeMalformed, false},
		{"zero length", make([]byte, 8), false, CodeMalformed, false},
		{"put before hello", puts(1, 1), false, CodeMalformed, false},
		{"newer version", newer, false, CodeVersion, false},
		{"empty name", appendHello(nil, ""), false, CodeName, false},
		{"bad name", appendHello(nil, "A b"), false, CodeName, false},
		{"long name", appendHello(nil, strings.Repeat("x", 65)), false, CodeName, false},
		{"second hello", with(hello), true, CodeMalformed, false},
		{"ack from a program", with(appendAck(nil, 1)), true, CodeMalformed, false},
		{"empty put", with(puts(1, 0)), true, CodeMalformed, false},
		{"sequence 0", with(puts(0, 0)), true, CodeMalformed, false},
		{"gap", with(puts(3, 3)), true, CodeGap, false},
		{"broken message", with(broken), true, CodeMalformed, false},
		{"stamped message", with(stamped), true, CodeMessage, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			good := r.connect(appendHello(nil, "good"))
			r.poll(100)
			r.expect(good, frameWelcome)
			conn := r.connect(tc.send)
			r.poll(100)
			if tc.welcomed {
				r.expect(conn, frameWelcome)
			}
			r.expectRefusal(conn, tc.want)
			if r.Refused() != 1 || tc.want.Retryable() != tc.retryable {
				t.Errorf("refused %d", r.Refused())
			}
			good.Write(puts(1, 3))
			r.poll(100)
			if err := checkLog(r.sink, "good", 3); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	r := newRig(t)
	for i := range maxPeers {
		r.connect(appendHello(nil, fmt.Sprint("p", i)))
		r.poll(1)
	}
	extra := r.connect(nil)
	r.poll(1)
	r.expectRefusal(extra, CodeClients)
	if r.Refused() != 1 {
		t.Errorf("refused %d", r.Refused())
	}
}

func TestSilentProgram(t *testing.T) {
	r := newRig(t)
	silent := r.connect(appendHello(nil, "a")[:6])
	r.poll(1)
	r.now += helloTime + 1
	r.poll(1)
	r.expectRefusal(silent, CodeSilent)
}

// A program that died leaves its name to the next, even in the same turn.
func TestSuccessor(t *testing.T) {
	r := newRig(t)
	first := r.connect(append(appendHello(nil, "a"), puts(1, 2)...))
	r.poll(100)
	first.Close()
	second := r.connect(appendHello(nil, "a"))
	r.poll(100)
	if w, _ := parseWelcome(r.expect(second, frameWelcome)); w.last != 2 {
		t.Errorf("welcome %+v", w)
	}
}

func TestTooManyInputs(t *testing.T) {
	r := newRig(t)
	for i := range feed.MaxInputs {
		r.sink.Register(fmt.Sprint(i))
	}
	conn := r.connect(appendHello(nil, "a"))
	r.poll(1)
	r.expectRefusal(conn, CodeInputs)
}

func TestDue(t *testing.T) {
	r := newRig(t)
	r.now = 1e9
	r.connect(append(appendHello(nil, "a"), puts(1, 10)...))
	r.poll(1)
	if due := r.Due(r.now); due != r.now {
		t.Errorf("busy: due %d after now", due-r.now)
	}
	for r.poll(1) > 0 {
	}
	if due := r.Due(r.now + 1e9); due <= r.now+1e9 {
		t.Error("idle, but due at once")
	}
}

func TestSocketFile(t *testing.T) {
	path := socketPath(t)
	first, err := Listen(path, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Listen(path, session, nil); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "stop it") {
		t.Errorf("second daemon: %v", err)
	}
	unix.Close(first.listener) // as a dead daemon leaves it
	second, err := Listen(path, session, nil)
	if err != nil {
		t.Fatalf("stale file: %v", err)
	}
	os.Remove(path)
	third, err := Listen(path, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a daemon removed another one's file: %v", err)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("file left behind: %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, []byte("precious"), 0o600)
	for name, path := range map[string]string{
		"empty": "", "too long": filepath.Join(dir, strings.Repeat("x", 108)),
		"no folder": filepath.Join(dir, "none", "s"), "a file": file,
	} {
		src, err := Listen(path, session, nil)
		if err == nil {
			src.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), path) || !strings.ContainsAny(err.Error(), ":") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("a file that is no socket was removed")
	}
}
