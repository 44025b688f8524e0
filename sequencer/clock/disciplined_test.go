package clock

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// follow publishes the next anchor, to start at the counter reading or as soon as
// may be.
func follow(t testing.TB, c *Disciplined, rate float64, period int64) {
	t.Helper()
	old := c.Anchor()
	start := max(old.End, c.Counter())
	a := &Anchor{
		Segment: Segment{Start: start, End: start + period, UTC: old.At(start), Rate: rate},
		Before:  old.Segment, State: wire.ClockSynchronised, Exit: 1e9, ID: 1,
	}
	if err := c.Publish(a); err != nil {
		t.Errorf("publish: %v", err)
	}
}

func TestStepOnlyUnread(t *testing.T) {
	c := NewDisciplined()
	back := Undisciplined(5)
	if err := c.Publish(back); err != nil || !c.Unread() {
		t.Fatalf("step back before the first read: %v, unread %v", err, c.Unread())
	}
	if now := c.Now(); now < 5 || now > 3600e9 || c.Unread() {
		t.Fatalf("read %d, unread %v", now, c.Unread())
	}
	if err := c.Publish(Undisciplined(3)); err != ErrOrder {
		t.Fatalf("step back after the first read: %v", err)
	}
	old := c.Anchor()
	if err := c.Publish(&Anchor{Before: old.Segment, Segment: Segment{Start: old.End, End: 1e9, UTC: old.At(old.End) + 1e9}}); err != nil {
		t.Fatalf("step forward: %v", err)
	}
}

// TestMonotone: threads that read in turn, each after it saw what another read, while
// anchors with rates up and down come early, late and by the thousand.
// TAPECAST_CLOCK_READS is how many reads, 2 million otherwise.
func TestMonotone(t *testing.T) {
	reads := uint64(2_000_000)
	if text := os.Getenv("TAPECAST_CLOCK_READS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		reads = n
	}
	c := NewDisciplined()
	c.Now()
	var seen atomic.Int64
	var fell, done atomic.Uint64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range reads / 2 {
				before := seen.Load()
				now := int64(c.Now())
				if i%2 == 0 {
					stamp, _ := c.Read()
					now = int64(stamp)
				}
				if now < before {
					fell.Add(1)
				}
				for now > before && !seen.CompareAndSwap(before, now) {
					before = seen.Load()
				}
			}
			done.Add(1)
		})
	}
	anchors := 0
	for rate := 500e-6; done.Load() < 2; rate = -rate {
		if c.Counter() >= c.Anchor().Start {
			follow(t, c, rate, 1+int64(anchors%7)*20_000)
			anchors++
		}
	}
	wg.Wait()
	t.Logf("%d reads on 2 threads over %d anchors", reads, anchors)
	if fell.Load() > 0 {
		t.Errorf("time fell %d times", fell.Load())
	}
}

func TestLocalPromisesNothing(t *testing.T) {
	c := NewLocal()
	a, s := c.Read()
	if b := c.Now(); b < a || s.State != wire.ClockUnsynchronised || s.Bound != wire.BoundUnknown || s.TAI != wire.TAIUnknown {
		t.Errorf("%d then %d, %+v", a, b, s)
	}
}

func steady() *Disciplined {
	c := NewDisciplined()
	_ = c.Publish(&Anchor{Segment: Segment{UTC: 1e18, End: 1 << 60, Rate: 1e-6}, AheadGrowth: 1e-9, Wander: 1e-18, WanderCap: 1e-6, Exit: 1e9, State: wire.ClockSynchronised})
	c.Now()
	return c
}
