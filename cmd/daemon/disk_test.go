package daemon

import (
	"runtime"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
)

// TestNudge: a strict disk loop with nothing to write sleeps until there is something, or
// until it is to end, and not for as long as it would otherwise.
func TestNudge(t *testing.T) {
	for _, c := range []struct {
		name string
		why  func(d *disk)
	}{
		{"a packet", func(d *disk) {
			b, err := d.history.Reserve()
			if err != nil {
				t.Fatal(err)
			}
			var builder wire.Builder
			builder.Open(b)
			builder.Add((&wire.Opaque{Data: []byte("x")}).AppendTo(nil), 1)
			p, _ := builder.Close(wire.Header{Type: wire.TypeSequenced, Epoch: 1, Sequence: 1}, 1)
			d.history.Commit(p, nil)
		}},
		{"the end", func(d *disk) { d.drain.Store(true) }},
	} {
		h, err := history.New(history.Config{Bytes: 32 << 20, PacketSize: wire.DefaultPacket, Durable: true}, 1)
		if err != nil {
			t.Fatal(err)
		}
		d := &disk{history: h, strict: true, idle: time.Hour, alarm: time.NewTimer(time.Hour), wake: make(chan struct{}, 1)}
		d.nudge() // nobody sleeps
		woken := make(chan struct{})
		go func() {
			d.rest(func(time.Duration) { t.Errorf("%s: dozes, with nothing to write", c.name) })
			close(woken)
		}()
		for !d.asleep.Load() {
			runtime.Gosched()
		}
		c.why(d)
		d.nudge()
		<-woken
		dozed := false
		d.rest(func(time.Duration) { dozed = true })
		if !dozed {
			t.Errorf("%s: sleeps, with something to do", c.name)
		}
	}
}
