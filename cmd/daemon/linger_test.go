package daemon

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// few is a source of three messages, and more.
type few struct{ put, more int }

func (f *few) Poll(_ wire.Nanos, sink feed.Sink, _ int) (int, error) {
	id, _, err := sink.Register("few")
	for ; err == nil && f.put < 3+f.more; f.put++ {
		m := wire.OrderDelete{Head: wire.Head{Instrument: 1}, Order: 1}
		err = sink.Put(feed.Input{ID: id}, m.AppendTo(nil))
	}
	if err != nil {
		return 0, err
	}
	return 3 + f.more, io.EOF
}

func (f *few) Due(now wire.Nanos) wire.Nanos { return now }
func (f *few) Close() error                  { return nil }

// ignore takes answers.
type ignore struct{ retransmit.ClientHandler }

func (ignore) Welcome(retransmit.Welcome)  {}
func (ignore) Packets(uint32, []byte)      {}
func (ignore) Done(id uint32, next uint64) {}
func (ignore) Control(wire.Packet)         {}

func (ignore) Refused(_ uint32, r retransmit.Refusal) { panic(r.Text) }

// TestLinger: after the end, repairs are served until nobody has asked, or was being
// answered, for Linger. Time here is the test's.
func TestLinger(t *testing.T) {
	const linger = wire.Nanos(5e9)
	d, err := Open(Config{
		Feed: &few{}, EndAtEOF: true, Linger: linger.Duration(), Journal: NoJournal,
		Interface: "lo", LineA: netip.MustParseAddrPort("239.255.79.5:30505"), Retransmit: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	now := wire.Nanos(time.Hour) + d.clock.Now()
	over := func(want bool, what string) {
		t.Helper()
		d.ingest.turn(now, wire.Clock{})
		if got := d.ingest.over(now); got != want {
			t.Errorf("%s: over is %v", what, got)
		}
	}
	over(false, "at the end")
	d.ingest.promised = true // and the clock has lapsed: nothing is stamped any more
	over(false, "when the clock lapses after the end")
	if d.ingest.lapsed {
		t.Error("a clock that lapses after the end is an error")
	}
	now += linger - 1
	over(false, "before Linger")
	s, err := d.server.Accept(now, "peer")
	if err != nil {
		t.Fatal(err)
	}
	c := retransmit.NewClient(retransmit.ClientConfig{Login: retransmit.Login{Channel: retransmit.AnyChannel}}, now)
	exchange(t, s, c, now)
	if err := c.Request(1, 1, 3); err != nil {
		t.Fatal(err)
	}
	exchange(t, s, c, now)
	asked := now
	now = asked + linger - 1
	over(false, "before Linger since the last request")
	now = asked + linger
	over(true, "Linger after the last request")
}

// exchange carries bytes both ways.
func exchange(t *testing.T, s *retransmit.Session, c *retransmit.Client, now wire.Nanos) {
	t.Helper()
	b := make([]byte, 2*retransmit.MinBuffer)
	if err := s.Receive(now, c.Output()); err != nil {
		t.Fatal(err)
	}
	c.Sent(len(c.Output()))
	n, _ := s.Produce(now, b)
	s.Taken(now, n)
	if err := c.Receive(now, b[:n], ignore{}); err != nil {
		t.Fatal(err)
	}
}
