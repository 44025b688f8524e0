package local

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

var seedFlag = flag.Uint64("seed", 0, "run this seed only")

func TestPutAndAcknowledge(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	c := dialTest(t, path, "prices.a")
	if c.Last() != 0 || c.Session() != session {
		t.Fatalf("last %d, session %v", c.Last(), c.Session())
	}
	const n = 20_000 // many puts, and more than one queue compaction
	for i := uint64(1); i <= n; i++ {
		if seq, err := c.Put(message(i)); err != nil || seq != i {
			t.Fatalf("Put = %d, %v; want %d", seq, err, i)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	waitAcked(t, c, n)
	if err := checkLog(s, "prices.a", n); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Put(message(1)); err != ErrClosed {
		t.Errorf("Put after Close: %v", err)
	}
	if err := c.Flush(); err != ErrClosed {
		t.Errorf("Flush after Close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	c = dialTest(t, path, "prices.a")
	defer c.Close()
	if c.Last() != n || c.Acknowledged() != n {
		t.Errorf("after a restart: last %d, acknowledged %d, want %d", c.Last(), c.Acknowledged(), n)
	}
}

// What was flushed arrives although the program ends without waiting.
func TestFlushAndClose(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	s.full = 90
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	c := dialTest(t, path, "a")
	for i := uint64(1); i <= 1000; i++ {
		c.Put(message(i))
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil && err != ErrUnacknowledged {
		t.Fatal(err)
	}
	again := dialUntilFree(t, path, "a")
	defer again.Close()
	waitAcked(t, again, 1000) // which the run before put
	for seq := again.Last() + 1; seq <= 1001; seq++ {
		if got, err := again.Put(message(seq)); got != seq || err != nil {
			t.Fatalf("Put = %d, %v, want %d", got, err, seq)
		}
	}
	waitAcked(t, again, 1001)
	if err := checkLog(s, "a", 1001); err != nil {
		t.Error(err)
	}
}

// dialUntilFree dials until the daemon is done with the program before.
func dialUntilFree(t testing.TB, path, name string) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		c, err := Dial(ctx, path, name)
		if err == nil {
			return c
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

// Either side restarts at random; nothing is lost and nothing doubled.
func TestRestarts(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if testing.Short() {
		seeds = seeds[:2]
	}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			restarts(t, seed)
		})
	}
}

func restarts(t *testing.T, seed uint64) {
	path, s := socketPath(t), newSink(seed)
	s.full = 10
	rng := rand.New(rand.NewPCG(seed, 3))
	d := startDaemon(t, path, s, seed)
	const n = 4000
	var programs sync.WaitGroup
	finished := make(chan struct{})
	for i := range 3 {
		name := fmt.Sprint("program-", i)
		prng := rand.New(rand.NewPCG(seed, uint64(10+i)))
		programs.Go(func() { program(t, path, name, n, prng) })
	}
	go func() { programs.Wait(); close(finished) }()
	for crashes := 0; crashes < 10; crashes++ {
		untilCount(s, s.count()+rng.IntN(1500), finished)
		d.kill()
		s.crash()
		d = startDaemon(t, path, s, seed+uint64(crashes)<<32)
	}
	<-finished
	d.kill()
	for i := range 3 {
		if err := checkLog(s, fmt.Sprint("program-", i), n); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if s.lost == 0 {
		t.Errorf("seed %d: no crash lost anything: the test proves nothing", seed)
	}
}

// untilCount returns when the sink has taken n messages or finished is closed.
func untilCount(s *sink, n int, finished <-chan struct{}) {
	for s.count() < n {
		select {
		case <-finished:
			return
		default:
			runtime.Gosched()
		}
	}
}

// program puts n messages, dying now and then, and goes on after Last.
func program(t *testing.T, path, name string, n uint64, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ctx.Err() == nil {
		c, err := Dial(ctx, path, name)
		if err != nil {
			continue // the daemon is down, or not yet done with the run before
		}
		life := uint64(rng.IntN(3000))
		for seq := c.Last() + 1; seq <= n && life > 0; seq, life = seq+1, life-1 {
			if _, err = c.Put(message(seq)); err != nil {
				break
			}
		}
		if life > 0 && err == nil && c.WaitAcknowledged(ctx, n) == nil {
			c.Close()
			return
		}
		if err := c.Close(); err != nil && err != ErrUnacknowledged {
			t.Errorf("%s: %v", name, err)
			return
		}
	}
	t.Errorf("%s: out of patience", name)
}

func TestDialRefused(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	ctx := context.Background()
	if _, err := Dial(ctx, path, "A"); err != ErrName {
		t.Errorf("bad name: %v", err)
	}
	if _, err := Dial(ctx, path, "a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no daemon: %v", err)
	}
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	a := dialTest(t, path, "a")
	defer a.Close()
	_, err := Dial(ctx, path, "a")
	var r *Refusal
	if !errors.As(err, &r) || r.Code != CodeInUse || !r.Code.Retryable() {
		t.Errorf("second program of one name: %v", err)
	}
	for d.source.Refused() != 1 { // counted when the connection is closed
		runtime.Gosched()
	}
	if _, err := a.Put(message(1)); err != nil {
		t.Error(err)
	}
	waitAcked(t, a, 1)
}

func TestDialGivesUp(t *testing.T) {
	path := socketPath(t)
	src, err := Listen(path, session, newSink(1).journalled) // never polled
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Dial(ctx, path, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v", err)
	}
}

func TestPutRefusesNonsense(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	c := dialTest(t, path, "a")
	defer c.Close()
	for _, msg := range [][]byte{nil, {1}, message(1)[:20], append(message(1), 0)} {
		if _, err := c.Put(msg); err != wire.ErrMessage {
			t.Errorf("Put(%x) = %v", msg, err)
		}
	}
	if seq, err := c.Put(message(1)); seq != 1 || err != nil {
		t.Errorf("Put = %d, %v", seq, err)
	}
	waitAcked(t, c, 1)
}

// The buffer is bounded: Put blocks while nothing is journalled, and no longer.
func TestPutBlocks(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	d := startDaemon(t, path, s, 1)
	defer func() { d.kill() }()
	c := dialTest(t, path, "a")
	d.kill()
	big := wire.Opaque{Data: make([]byte, 1000)}
	msg := big.AppendTo(nil)
	fits := uint64(maxUnacknowledged / len(msg))
	for range fits {
		if _, err := c.Put(msg); err != nil {
			t.Fatal(err)
		}
	}
	put := make(chan uint64)
	go func() {
		seq, _ := c.Put(msg)
		put <- seq
	}()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.WaitAcknowledged(ctx, 1); err != context.Canceled {
		t.Errorf("WaitAcknowledged = %v", err)
	}
	select {
	case seq := <-put:
		t.Fatalf("Put of %d did not block", seq)
	default:
	}
	d = startDaemon(t, path, s, 2)
	if seq := <-put; seq != fits+1 {
		t.Errorf("Put = %d, want %d", seq, fits+1)
	}
	waitAcked(t, c, fits+1)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A daemon that comes back as another one ends the client with the reason.
func TestRestartMismatch(t *testing.T) {
	for _, tc := range []struct {
		name    string
		session wire.Session
		change  func(s *sink)
		want    error
	}{
		{"another session", session + 1, func(*sink) {}, ErrSession},
		{"lost journal", session, func(s *sink) { s.last[0], s.acked[0] = 5, 5 }, ErrLost},
		{"another program", session, func(s *sink) { s.last[0] = 11 }, ErrAhead},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, s := socketPath(t), newSink(1)
			d := startDaemon(t, path, s, 1)
			c := dialTest(t, path, "a")
			for i := uint64(1); i <= 10; i++ {
				c.Put(message(i))
			}
			waitAcked(t, c, 10)
			d.kill()
			tc.change(s)
			src, err := Listen(path, tc.session, s.journalled)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			for over := false; !over; {
				if _, err := src.Poll(1, s, 100); err != nil {
					t.Fatal(err)
				}
				select {
				case <-c.done:
					over = true
				default:
				}
			}
			if _, err := c.Put(message(11)); err != tc.want {
				t.Errorf("Put = %v, want %v", err, tc.want)
			}
			if err := c.Close(); err != tc.want {
				t.Errorf("Close = %v, want %v", err, tc.want)
			}
		})
	}
}

// The end of a session reaches the program as such.
func TestEnded(t *testing.T) {
	path, s := socketPath(t), newSink(1)
	s.ended = true
	d := startDaemon(t, path, s, 1)
	defer d.kill()
	c := dialTest(t, path, "a")
	c.Put(message(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var r *Refusal
	if err := c.WaitAcknowledged(ctx, 1); !errors.As(err, &r) || r.Code != CodeEnded {
		t.Errorf("WaitAcknowledged = %v", err)
	}
	if err := c.Close(); !errors.As(err, &r) {
		t.Errorf("Close = %v", err)
	}
}
