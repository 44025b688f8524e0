package daemon_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"os"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// trades is a program's own source: ten trades, then the end.
type trades struct {
	input feed.Input
	buf   []byte
}

// Poll puts what is due. The input has a name and a sequence of its own, so that a
// program that starts again goes on where the journal ends.
func (t *trades) Poll(now wire.Nanos, sink feed.Sink, most int) (n int, err error) {
	if t.input.Seq == 0 {
		if t.input.ID, t.input.Seq, err = sink.Register("example"); err != nil {
			return 0, err
		}
	}
	for ; n < most && t.input.Seq < 10; n++ {
		m := wire.Trade{Head: wire.Head{Instrument: 1}, Match: t.input.Seq + 1, Price: 1_000_000, Qty: 100}
		t.buf = m.AppendTo(t.buf[:0])
		t.input.Seq++
		if err := sink.Put(t.input, t.buf); err != nil {
			return n, err
		}
	}
	if t.input.Seq == 10 {
		return n, io.EOF
	}
	return n, nil
}

func (t *trades) Due(now wire.Nanos) wire.Nanos { return now }
func (t *trades) Close() error                  { return nil }

// quiet reports nothing.
type quiet struct{}

func (quiet) Started(daemon.Info)  {}
func (quiet) Status(daemon.Status) {}
func (quiet) Clock(keeper.Event)   {}
func (quiet) Warn(problem string)  { log.Println(problem) }

// counter is a subscriber that adds up quantities.
type counter struct{ messages, quantity uint64 }

func (c *counter) Packet(d recovery.Delivery) {
	var t wire.Trade
	m := d.Cursor()
	for ; m.Next(); c.messages++ {
		if m.Kind() == wire.KindTrade && t.Decode(m.Message()) == nil {
			c.quantity += t.Qty
		}
	}
}

func (c *counter) Event(e recovery.Event) {}

// A program that sequences and publishes its own messages, and a subscriber of it,
// here in one process.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "tapecast-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	d, err := daemon.Open(daemon.Config{
		Feed: &trades{}, Await: 1, EndAtEOF: true, Linger: 100 * time.Millisecond,
		Interface: "lo", LineA: netip.MustParseAddrPort("239.255.79.1:30501"), LineB: netip.MustParseAddrPort("239.255.79.2:30501"),
		Retransmit: "127.0.0.1:0", Journal: dir,
	})
	if err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := d.Run(context.Background(), quiet{})
		done <- err
	}()
	var c counter
	err = multicast.Subscribe(context.Background(), multicast.Config{Retransmit: []string{d.Addr()}, Interface: "lo"}, &c)
	fmt.Println(c.messages, "messages, quantity", c.quantity, err, <-done)
	// Output: 10 messages, quantity 1000 <nil> <nil>
}
