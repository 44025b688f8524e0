package main

import (
	"slices"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// Worlds that are named in what the project promises.

// scenario runs a world that must hold all invariants.
func scenario(t *testing.T, seed uint64, o Options, prepare func(w *world)) *world {
	t.Helper()
	w := newWorld(seed, o, nil)
	if prepare != nil {
		prepare(w)
	}
	w.runSafely()
	w.close()
	if w.violation != nil {
		t.Fatalf("seed %d violates %v\nworld:\n%v", seed, w.violation, o)
	}
	return w
}

// TestHalfLost loses half of what both lines carry, all the time: everything is
// delivered.
func TestHalfLost(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		o := mild()
		o.Receivers, o.Inputs, o.Messages, o.Rate, o.Safety = 3, 2, 5000, 5000, 2*second
		for i := range o.Lines {
			o.Lines[i].Loss, o.Lines[i].Burst = 500_000, 1+i*8
		}
		w := scenario(t, seed, o, nil)
		for _, r := range w.receivers {
			if s := &r.view.saw; s.delivered != 10_000 || s.lost != 0 || !s.ended {
				t.Errorf("seed %d: %s: %d delivered, %d lost, ended %v", seed, r.label, s.delivered, s.lost, s.ended)
			}
		}
	}
}

// TestFarAway is 10 % loss on both lines and 250 ms there and back: several gaps are
// repaired at once, so that hardly any message waits longer for its turn than two and
// a half round trips after it was sequenced.
func TestFarAway(t *testing.T) {
	const trip = 250 * millisecond
	var waits []wire.Nanos
	for seed := uint64(1); seed <= 4; seed++ {
		o := mild()
		o.Receivers, o.Inputs, o.Messages, o.Rate, o.BodyMax, o.Safety = 2, 1, 40_000, 4000, 200, 11*second
		o.Window, o.TCP.Buffer, o.AskTimeout, o.Slab = 8<<20, 1<<20, 2*second, 256<<10
		o.History, o.Grace, o.LineSkew = 24*o.Slab, 100*microsecond, 5*millisecond
		o.TCP.Latency = trip * 4 / 9 // and up to a quarter more
		for i := range o.Lines {
			o.Lines[i].Loss, o.Lines[i].Latency = 100_000, trip/3
		}
		scenario(t, seed, o, func(w *world) {
			w.onDeliver = func(v *view, stamp wire.Nanos) {
				if v.saw.next > 1000 { // connected
					waits = append(waits, w.node.clock.read(w.k.now)-stamp)
				}
			}
		})
	}
	slices.Sort(waits)
	at := func(ppm int) wire.Nanos { return waits[len(waits)*ppm/1_000_000] }
	t.Logf("%d packets: median %v, 99 %% %v, 99.9 %% %v, largest %v", len(waits),
		at(500_000).Duration(), at(990_000).Duration(), at(999_000).Duration(), waits[len(waits)-1].Duration())
	if limit := trip * 5 / 2; len(waits) < 100_000/40 || at(999_000) > limit {
		t.Errorf("99.9 %% of %d packets wait %v, limit %v", len(waits), at(999_000).Duration(), limit.Duration())
	}
}

// TestThousandLoseTheSame lets a thousand receivers lose the same ten thousand
// messages, which history no longer has in memory: all are repaired, and the journal
// is read at most half as often again as once.
func TestThousandLoseTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand receivers take half a minute")
	}
	o := mild()
	o.Receivers, o.Inputs, o.Messages, o.Rate, o.BodyMax, o.Burst, o.Safety = 1000, 1, 16_000, 16_000, 100, 100, 1500*millisecond
	o.Slab, o.Packet, o.Segment, o.Window = 16<<10, 1400, 4<<20, 256<<10
	o.History = 8 * o.Slab // about a thousand messages
	o.Limits.Connections = 2000
	o.SyncEvery = 5 * millisecond
	const first, last = 3000, 12_999
	var before, after int64
	w := scenario(t, 1, o, func(w *world) {
		w.net.swallow = func(b []byte) bool {
			p, err := wire.Parse(b)
			if err != nil || p.Type() != wire.TypeSequenced {
				return err == nil && w.ledger.next > first && w.ledger.next <= last // nor does a heartbeat tell of them
			}
			return p.Next() > first && p.First() <= last
		}
		w.onDeliver = func(*view, wire.Nanos) { after = w.node.writer.BytesRead() }
	})
	var once int
	w.ledger.walk(func(p wire.Packet) {
		if p.Next() > first && p.First() <= last {
			once += len(p)
		}
	})
	for _, r := range w.receivers {
		if s := &r.view.saw; s.lost != 0 || s.delivered != uint64(o.Messages) {
			t.Fatalf("%s: %d delivered, %d lost", r.label, s.delivered, s.lost)
		}
	}
	t.Logf("%d receivers, %d bytes lost by each, %d bytes read from the journal: %.2f times", o.Receivers, once, after-before, float64(after-before)/float64(once))
	if read := after - before; read == 0 || read > int64(once)*3/2 {
		t.Errorf("%d bytes read, %d were lost", read, once)
	}
}
