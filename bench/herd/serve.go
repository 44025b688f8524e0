package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"net/netip"
	"os"
	"runtime/debug"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// source puts messages when they are due. Each carries that time.
type source struct {
	even  rig.Schedule
	input feed.Input
	begun int64
	buf   []byte
	data  [24]byte // the time, and room up to the size of a trade
}

// Poll implements feed.Source.
func (s *source) Poll(_ wire.Nanos, sink feed.Sink, most int) (n int, err error) {
	if s.begun == 0 {
		if s.input.ID, s.input.Seq, err = sink.Register("herd"); err != nil {
			return 0, err
		}
		s.begun = rig.Nanotime()
	}
	due := s.even.Due(rig.Nanotime() - s.begun)
	for ; n < most && s.input.Seq < due; n++ {
		binary.LittleEndian.PutUint64(s.data[:], uint64(s.begun+s.even.At(s.input.Seq)))
		m := wire.Opaque{Format: wire.FormatApplication, Data: s.data[:]}
		s.input.Seq++
		s.buf = m.AppendTo(s.buf[:0])
		if err := sink.Put(s.input, s.buf); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Due implements feed.Source.
func (s *source) Due(now wire.Nanos) wire.Nanos {
	return now + wire.Nanos(max(s.begun+s.even.At(s.input.Seq)-rig.Nanotime(), 0))
}

// Close implements feed.Source.
func (s *source) Close() error { return nil }

// quiet reports nothing but warnings.
type quiet struct{}

func (quiet) Started(daemon.Info)  {}
func (quiet) Status(daemon.Status) {}
func (quiet) Clock(keeper.Event)   {}
func (quiet) Warn(problem string)  { log.Println(problem) }

// serve publishes until its parent has heard enough.
func serve(ctx context.Context, p *rig.Part) (any, error) {
	var s settings
	if err := p.Args(&s); err != nil {
		return nil, err
	}
	debug.SetGCPercent(400)
	daemon.MoreContexts(os.LookupEnv)
	port := uint16(20_000 + os.Getpid()%20_000)
	d, err := daemon.Open(daemon.Config{
		Feed: &source{even: rig.Even(s.Rate)}, Await: 1, Interface: "lo", Journal: s.Journal,
		LineA:      netip.AddrPortFrom(netip.MustParseAddr("239.255.76.1"), port),
		LineB:      netip.AddrPortFrom(netip.MustParseAddr("239.255.76.2"), port),
		Retransmit: "127.0.0.1:0",
	})
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	if err := p.Ready(d.Addr()); err != nil {
		return nil, err
	}
	return d.Run(ctx, quiet{})
}
