package path

import (
	"context"
	"errors"
	"io"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// A bridge is a source that makes its messages of what a subscription brings, in
// the daemon's own loop.
type bridge struct {
	Ping
	writer
	reader
	losses
	sub   *multicast.Subscription
	sink  feed.Sink
	input feed.Input
	put   int // in this Poll
	err   error
	begin func() // called once, in the loop, before the first turn
	done  bool   // nothing more is to be put
}

// Poll implements feed.Source: one turn of the subscription.
func (b *bridge) Poll(_ wire.Nanos, sink feed.Sink, _ int) (int, error) {
	b.put = 0
	if b.sink == nil {
		if b.err = b.start(sink); b.err != nil {
			return 0, b.err
		}
	}
	ended, err := b.sub.Turn()
	switch {
	case b.err != nil:
		return b.put, b.err
	case err != nil:
		return b.put, err
	case ended || b.done:
		return b.put, io.EOF
	}
	return b.put, nil
}

func (b *bridge) start(sink feed.Sink) (err error) {
	rig.Pin(b.Ping.CPU)
	b.sink = sink
	if b.input.ID, b.input.Seq, err = sink.Register("bench"); err != nil {
		return err
	}
	if err := b.sub.Start(); err != nil {
		return err
	}
	b.begin()
	return nil
}

// send puts one message.
func (b *bridge) send(number uint64, at int64) {
	in := feed.Input{ID: b.input.ID, Seq: b.input.Seq + 1}
	if err := b.sink.Put(in, b.writer.message(number, at)); err != nil {
		b.err = errors.Join(b.err, err)
		return
	}
	b.input = in
	b.put++
}

// Due implements feed.Source: something may have arrived at any time.
func (b *bridge) Due(now wire.Nanos) wire.Nanos { return now }

// Wait lets the subscription wait, as the daemon does for sources that can.
func (b *bridge) Wait(most wire.Nanos) { b.sub.Wait(most) }

// Close implements feed.Source.
func (b *bridge) Close() error {
	if b.sink != nil {
		s := b.sub.Stats()
		b.sub.Close()
		b.Repaired, b.Drops = s.Repaired, s.KernelDrops
	}
	return nil
}

// run publishes b on c until b is done.
func (b *bridge) run(ctx context.Context, c Channel) (*daemon.Summary, error) {
	d, err := b.Settings.daemon(c, b, 0)
	if err != nil {
		return nil, err
	}
	var r reporter
	s, err := d.Run(ctx, &r)
	if err == nil && r.warned != "" {
		err = errors.New(r.warned)
	}
	return s, err
}

// open reads the arguments and opens the subscription of c to h.
func (b *bridge) open(part *rig.Part, h recovery.Handler, c func() Channel) (err error) {
	rig.NoCollection()
	if err := part.Args(&b.Ping); err != nil {
		return err
	}
	b.writer = newWriter(b.Size)
	if b.sub, err = multicast.Open(b.subscriber(c()), h); err != nil {
		return err
	}
	return part.Ready(nil)
}
