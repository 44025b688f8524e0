package keeper

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

// TestSettleTAI: the kernel's word counts where none is declared, and a declaration that
// contradicts it is refused.
func TestSettleTAI(t *testing.T) {
	for _, c := range []struct{ declared, kernel, want int }{
		{0, 0, PublishedTAI}, {0, 38, 38}, {0, 1, PublishedTAI}, {38, 0, 38}, {38, 38, 38}, {37, 38, 0}, {38, 37, 0}, {37, 1, 0},
	} {
		cfg := Default()
		cfg.TAI = c.declared
		k, err := New(cfg, Options{kernelTAI: func() int { return c.kernel }})
		var bad *ConfigError
		if c.want == 0 {
			if !errors.As(err, &bad) || bad.Key != "tai" || !strings.Contains(err.Error(), "kernel says") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if got := k.est.Leaps.TAI(); got != c.want || k.cfg.TAI != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// TestContradictedTAI: when the kernel comes to say another TAI - UTC than the packets, that
// is an alarm after a minute, in events, trail and status, until they agree again; near a
// leap second, or when the kernel says nothing, it is none.
func TestContradictedTAI(t *testing.T) {
	kernel := 37
	var told []string
	c := Default()
	c.Audit, c.Chronyd = t.TempDir(), newChronyd(t)
	k, err := New(c, Options{kernelTAI: func() int { return kernel }, OnEvent: func(e Event) { told = append(told, e.Kind+": "+e.Text) }})
	if err != nil {
		t.Fatal(err)
	}
	look := func(after time.Duration, says int, alarm bool, events int) {
		t.Helper()
		k.watchTAI(int64(after), says)
		k.tell(k.counter.Now())
		if got := strings.Contains(k.Status().Alarm, "TAI - UTC"); got != alarm || len(told) != events {
			t.Errorf("after %v, %d: alarm %q, %q", after, says, k.Status().Alarm, told)
		}
	}
	look(time.Second, 37, false, 0)
	look(2*time.Second, 38, false, 0)
	look(61*time.Second, 38, false, 0)
	look(62*time.Second, 38, true, 1)
	look(63*time.Second, 38, true, 1)
	look(64*time.Second, 37, false, 2)
	look(65*time.Second, 38, false, 2)
	look(66*time.Second, 0, false, 2)
	look(130*time.Second, 38, false, 2)
	k.est.Leaps.Announce(time.Now().Add(time.Hour).UnixNano(), true)
	look(200*time.Second, 38, false, 2)
	kernel = 36
	k.tick()
	if k.doubtTAI != 0 {
		t.Error("doubted with a leap second ahead")
	}
	k.Close()
	alarms := 0
	for _, r := range records(t, c.Audit) {
		if r.Kind == audit.KindAlarm && strings.Contains(r.Text, "TAI - UTC") {
			alarms++
		}
	}
	if alarms != 2 || !strings.HasPrefix(told[0], "alarm: TAI - UTC is told as 37, the kernel says 38") {
		t.Errorf("%d in the trail, %q", alarms, told)
	}
}

// TestAsksTAI: the keeper asks at every anchor.
func TestAsksTAI(t *testing.T) {
	kernel := 0
	k, err := New(Default(), Options{kernelTAI: func() int { return kernel }})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	kernel = 38
	if k.tick(); k.doubtTAI == 0 {
		t.Error("the kernel contradicts what is told, and nobody looks")
	}
}
