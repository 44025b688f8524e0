package e2e

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/local"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// TestProgramInput: a program publishes through the Unix socket while the daemon is
// killed again and again, and the program starts again as well. In the end the
// journal has every message once, in order.
func TestProgramInput(t *testing.T) {
	const messages, deaths = 20_000, 8
	for _, durability := range []string{"fast", "strict"} {
		t.Run(durability, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 3))
			dir := t.TempDir()
			socket := filepath.Join(t.TempDir(), "in")
			c := onLoopback(t, dir)
			args := with(c.serve, "--source", "unix:"+socket, "--durability", durability)
			s := start(t, "serve", args...)
			s.ready(`"started"`)
			heard := start(t, "listen", with(c.listen[:len(c.listen)-1], "--status", "50ms")...)
			client := dial(t, socket)
			for i := uint64(1); i <= messages; i++ {
				if seq, err := client.Put(order(i)); err != nil || seq != i {
					t.Fatalf("put %d: sequence %d, %v", i, seq, err)
				}
				if r.IntN(messages/deaths) == 0 {
					s.kill()
					s = start(t, "serve", args...)
					s.ready(`"started"`)
				}
				if r.IntN(messages/deaths) == 0 { // the program starts again
					client.Close()
					client = dial(t, socket)
					i = client.Last()
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			if err := client.WaitAcknowledged(ctx, messages); err != nil {
				t.Fatal(err)
			}
			heard.until(messages)
			s.interrupt()
			s.wait(0)
			heard.interrupt()
			heard.wait(0)
			onceInOrder(t, dir, messages)
			if sum := heard.summary(); sum.Last != messages || sum.Delivered != messages+sum.Orphans || sum.Chain != s.summary().Chain {
				t.Errorf("%+v", sum)
			}
		})
	}
}

func dial(t *testing.T, socket string) *local.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		c, err := local.Dial(ctx, socket, "program")
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "connected") {
			t.Fatal(err)
		}
		<-time.After(time.Millisecond) // the daemon has not yet seen the old one go
	}
}

func order(n uint64) []byte {
	m := wire.OrderDelete{Head: wire.Head{Instrument: 1, Source: n}, Order: n}
	return m.AppendTo(nil)
}

// onceInOrder checks that the journal holds the orders 1 to n and nothing else.
func onceInOrder(t *testing.T, dir string, n uint64) {
	t.Helper()
	r, err := journal.OpenReader(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	next := uint64(1)
	for {
		p, err := r.Next()
		if err != nil {
			break
		}
		var m wire.OrderDelete
		c := p.Cursor()
		for ; c.Next(); next++ {
			if err := m.Decode(c.Message()); err != nil || m.Order != next || c.Sequence() != next {
				t.Fatalf("message %d is order %d, %v", c.Sequence(), m.Order, err)
			}
		}
	}
	if next != n+1 {
		t.Fatalf("the journal ends at %d, want %d", next-1, n)
	}
}
