package source

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
)

func asker(t *testing.T, cfg NTPConfig) *NTP {
	t.Helper()
	n, err := NewNTP(cfg, NewCounter(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestChronydAnswers: the interval of every exchange with a server that has our own
// clock contains no offset, and the kernel stamps both ends.
func TestChronydAnswers(t *testing.T) {
	server := clocktest.StartChronyd(t, 1)
	n := asker(t, NTPConfig{Address: server.Address, Timeout: 100 * time.Millisecond})
	server.Await(t, func() error { _, err := n.Query(); return err })
	kernel, trips := 0, []int64{}
	for range 200 {
		a, err := n.Query()
		if err != nil {
			t.Fatal(err)
		}
		x := n.counter.cross() // the truth: the host's UTC
		if up, low := a.T2+a.Error-a.Sent, a.T3-a.Error-a.Received; up < x.Low || low > x.High {
			t.Errorf("UTC less the counter is in [%d, %d], the exchange says [%d, %d]", x.Low, x.High, low, up)
		}
		if a.Kernel {
			kernel++
		}
		trips = append(trips, a.Received-a.Sent-(a.T3-a.T2))
	}
	slices.Sort(trips)
	t.Logf("%d of 200 stamped by the kernel; round trip p50 %d ns, p95 %d ns", kernel, trips[100], trips[190])
	if kernel < 190 {
		t.Errorf("the kernel stamped only %d of 200 exchanges", kernel)
	}
}

// TestChronydKeys: the right key is taken, a wrong one is not.
func TestChronydKeys(t *testing.T) {
	server := clocktest.StartChronyd(t, 2)
	plain := asker(t, NTPConfig{Address: server.Address, Timeout: 100 * time.Millisecond})
	server.Await(t, func() error { _, err := plain.Query(); return err })
	keyed := NTPConfig{Address: server.Address, Timeout: time.Second, KeyID: 7, KeyKind: "aes128cmac", Key: clocktest.ChronydKey}
	a, err := asker(t, keyed).Query()
	if err != nil || !a.Authenticated {
		t.Errorf("with the key: %v, authenticated %v", err, a.Authenticated)
	}
	keyed.Key = "ff" + clocktest.ChronydKey[2:]
	keyed.Timeout = 200 * time.Millisecond
	if a, err := asker(t, keyed).Query(); err == nil {
		t.Errorf("with a wrong key: %+v", a)
	}
}

// TestChronydTracking: chronyd's own report, by its command protocol.
func TestChronydTracking(t *testing.T) {
	server := clocktest.StartChronyd(t, 3)
	var tracking Tracking
	server.Await(t, func() (err error) { tracking, err = Track(server.Command, 100*time.Millisecond); return err })
	t.Logf("%+v", tracking)
	if tracking.Stratum != 1 && tracking.Stratum != 0 {
		t.Errorf("stratum %d", tracking.Stratum)
	}
	r, err := Chronyd(NewCounter(time.Now()), server.Command, time.Second)
	if err != nil && !errors.Is(err, ErrUnsynced) {
		t.Error(err)
	}
	t.Logf("%+v, %v", r, err)
}
