package local

import (
	"bytes"
	"math/rand/v2"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Programs that send garbage change nothing for one that does not.
func TestGarbageBesideWork(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	c := dialTest(t, path, "good")
	defer c.Close()
	rng := rand.New(rand.NewPCG(1, 5))
	for i := uint64(1); i <= 1000; i++ {
		if i%10 == 0 {
			sendGarbage(t, path, rng)
		}
		if _, err := c.Put(message(i)); err != nil {
			t.Fatal(err)
		}
	}
	waitAcked(t, c, 1000)
	if err := checkLog(s, "good", 1000); err != nil {
		t.Error(err)
	}
}

func sendGarbage(t *testing.T, path string, rng *rand.Rand) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b := make([]byte, rng.IntN(300))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	if rng.IntN(2) == 0 {
		conn.Write(appendHello(nil, "garbage"))
	}
	conn.Write(b)
}

// TestDescriptors: programs leave the journal the descriptors that it needs: who would take one of the
// last is told to come again, and is taken when there are more.
func TestDescriptors(t *testing.T) {
	r := newRig(t)
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		t.Helper()
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: l.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer limit(l.Cur)
	free, err := unix.Dup(r.listener)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(free)
	limit(uint64(free) + spare)
	conn := r.connect(appendHello(nil, "a"))
	r.poll(1)
	r.expectRefusal(conn, CodeClients)
	limit(l.Cur)
	conn = r.connect(appendHello(nil, "a"))
	r.poll(1)
	r.expect(conn, frameWelcome)
}

// FuzzConnection feeds a connection whatever comes, in two parts.
func FuzzConnection(f *testing.F) {
	talk := append(appendHello(nil, "a"), puts(1, 3)...)
	f.Add(talk, uint8(3))
	f.Add(append(bytes.Clone(talk), puts(2, 9)...), uint8(40))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(0))
	for _, b := range frames() {
		f.Add(append(appendHello(nil, "a"), b...), uint8(len(b)))
	}
	r := newRig(f)
	good := r.connect(appendHello(nil, "good"))
	r.poll(1)
	r.expect(good, frameWelcome)
	seq := uint64(0)
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		if len(b) > maxFrame {
			return
		}
		conn, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r.t = t
		half := min(int(cut), len(b))
		for _, part := range [][]byte{b[:half], b[half:]} {
			conn.Write(part)
			r.poll(1000)
		}
		seq++
		good.Write(puts(seq, seq))
		r.poll(1000)
		if last := r.sink.last[0]; last != seq {
			t.Fatalf("the other program is at %d, not %d", last, seq)
		}
		r.sink.log = r.sink.log[:0]
	})
}
