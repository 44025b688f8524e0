package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/tools/netlab"
)

// sleeper is a subscriber that stands still in the middle of a packet until it is
// released.
type sleeper struct {
	stand    uint64        // at this sequence
	standing chan struct{} // closed once it stands
	release  chan struct{}
	once     sync.Once
}

// Packet implements recovery.Handler.
func (s *sleeper) Packet(d recovery.Delivery) {
	if d.First() >= s.stand {
		s.once.Do(func() { close(s.standing) })
		<-s.release
	}
}

// Event implements recovery.Handler.
func (s *sleeper) Event(recovery.Event) {}

// TestOverrun stops a subscriber until the small buffers of its sockets have run
// over. One without a retransmit service joins before serve starts, so that all that
// serve sent is accounted for: what arrived, and what its kernel dropped. Without
// UDP_GRO that is exact, datagram by datagram; with it the kernel counts what it had
// put together as one. Exactly what was missed is declared lost. With a retransmit
// service all is repaired. The chains are equal.
func TestOverrun(t *testing.T) {
	t.Run("apart, lost", func(t *testing.T) { overrun(t, true, false) })
	t.Run("batches, lost", func(t *testing.T) { overrun(t, false, false) })
	t.Run("apart, repaired", func(t *testing.T) { overrun(t, true, true) })
}

func overrun(t *testing.T, apart, repair bool) {
	const count = 60_000
	pace := "100000/s"
	l := netlab.NewLink(t)
	if !apart {
		l.Batches()
		pace = "3000000/s" // many packets at a time, which one send hands over
	}
	ch := onLink(t, l, t.TempDir())
	h := &sleeper{stand: count / 4, standing: make(chan struct{}), release: make(chan struct{})}
	cfg := multicast.Config{Interface: l.ToIf, ReceiveBuffer: 128 << 10, Apart: apart}
	if repair {
		cfg.Retransmit = []string{ch.server}
	}
	for _, g := range groups() {
		cfg.Lines = append(cfg.Lines, multicast.Line{Group: g, Interface: l.ToIf})
	}
	sub := subscribeIn(t, l.To, cfg, h)
	s := startIn(t, l, l.From, "serve", with(ch.serve, "--source", "synth:24", "--pace", pace, "--count", fmt.Sprint(count), "--status", "50ms")...)
	<-h.standing
	s.ready(fmt.Sprintf(`"next":%d`, count+1))
	close(h.release)
	await(t, sub, func(st multicast.Stats) bool {
		return st.Delivered+st.Lost == count && sub.Position().Known // a heartbeat tells it where the last packet was lost
	})
	s.interrupt()
	s.wait(0)
	sum := s.summary()
	sent := sum.Lines[0].Packets + sum.Lines[1].Packets
	if apart && !repair {
		await(t, sub, func(st multicast.Stats) bool { return arrived(st)+st.KernelDrops >= sent })
	}
	st := sub.Stats()
	t.Logf("%d datagrams sent, %d arrived, the kernel dropped %d reads; %d messages delivered, %d repaired, %d lost", sent, arrived(st), st.KernelDrops, st.Delivered, st.Repaired, st.Lost)
	if repair != (st.Lost == 0) || repair != (st.Repaired > 0) {
		t.Errorf("%d repaired, %d lost", st.Repaired, st.Lost)
	}
	if p := sub.Position(); p.Sequence != sum.Last || chainOf(p.Chain) != sum.Chain {
		t.Errorf("the chain is %s at %d, serve's %s at %d", chainOf(p.Chain), p.Sequence, sum.Chain, sum.Last)
	}
	if missed := sent - arrived(st); st.KernelDrops == 0 || st.KernelDrops > missed || !repair && apart != (st.KernelDrops == missed) {
		t.Errorf("the kernel dropped %d, %d did not arrive", st.KernelDrops, missed)
	}
}

// arrived is the datagrams read on all lines.
func arrived(st multicast.Stats) (n uint64) {
	for _, s := range st.Sockets {
		n += s.Datagrams
	}
	return n
}

// await waits until the counters of sub are as they should be.
func await(t *testing.T, sub *multicast.Subscription, good func(multicast.Stats) bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !good(sub.Stats()) {
		select {
		case <-tick.C:
		case <-deadline:
			st := sub.Stats()
			t.Fatalf("still %d datagrams arrived, %d dropped, %d messages delivered, %d lost", arrived(st), st.KernelDrops, st.Delivered, st.Lost)
		}
	}
}

// subscribeIn runs a subscription in a namespace until the test ends.
func subscribeIn(t *testing.T, ns string, c multicast.Config, h recovery.Handler) *multicast.Subscription {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	opened, ended := make(chan *multicast.Subscription, 1), make(chan error, 1)
	go func() {
		ended <- netlab.Enter(ns, func() error {
			sub, err := multicast.Open(c, h)
			opened <- sub
			if err != nil {
				return err
			}
			return sub.Run(ctx)
		})
	}()
	sub := <-opened
	if sub == nil {
		t.Fatal(<-ended)
	}
	t.Cleanup(func() { cancel(); <-ended })
	return sub
}
