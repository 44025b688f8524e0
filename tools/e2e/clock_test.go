package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/clocktest"
)

// clockFile is a configuration by three real servers, one of which may lie.
func clockFile(t *testing.T, servers []*clocktest.Chronyd, more string) string {
	t.Helper()
	var list []string
	for _, s := range servers {
		list = append(list, fmt.Sprintf("%q", s.Address))
	}
	name := filepath.Join(t.TempDir(), "tapecast.toml")
	text := fmt.Sprintf("[clock]\nsources = [\"ntp\"]\nservers = [%s]\nfaulty = 1\npoll = \"1s\"\nprofile = \"us50ms\"\nholdover = \"2500ms\"\nwait = \"20s\"\n%s",
		strings.Join(list, ", "), more)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func chronyds(t *testing.T) (all []*clocktest.Chronyd) {
	t.Helper()
	for n := range 3 {
		all = append(all, clocktest.StartChronyd(t, n+1))
	}
	return all
}

// TestClock: packets promise a bound by real servers; when those are killed it is
// held over, then the promise ends, and receivers see each; what was promised follows from
// the trail.
func TestClock(t *testing.T) {
	servers := chronyds(t)
	audit := filepath.Join(t.TempDir(), "audit")
	c := onLoopback(t, t.TempDir())
	serve := start(t, "serve", with(c.serve, "-c", clockFile(t, servers, fmt.Sprintf("audit = %q\n", audit)), "--source", "synth:1", "--pace", "2000/s", "--status", "200ms")...)
	serve.ready(`"event":"started"`)
	listen := start(t, "listen", with(c.listen, "--status", "100ms", "--from", "now", "--clock", filepath.Join(audit, "clock.json"))...)
	listen.ready(`"clock":{"state":"synchronised","bound":`)
	listen.ready(`"low":{"count":`)
	status := exec.Command(command, "clock", "status", audit)
	if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "3 of 3") && strings.Count(string(out), " agrees ") != 3 {
		t.Errorf("clock status: %v\n%s", err, out)
	}
	for _, s := range servers {
		s.Stop()
	}
	listen.ready(`"clock":{"state":"holdover","bound":`)
	listen.ready(`"clock":{"state":"unsynchronised","bound":-1`)
	serve.ready(`"kind":"state","text":"unsynchronised: holdover over its limit"`)
	listen.interrupt()
	listen.wait(0)
	serve.interrupt()
	serve.wait(0)
	checkHoldover(t, listen)
	checkLatency(t, listen)
	checkAudit(t, audit)
}

// checkHoldover: every status in holdover states a bound. It need not rise from one to
// the next: what time is off the middle of its interval is still slewed away.
func checkHoldover(t *testing.T, listen *proc) {
	t.Helper()
	seen := 0
	for line := range strings.Lines(listen.err.String()) {
		var s struct {
			Event string
			Clock struct {
				State string
				Bound int64
			}
		}
		if json.Unmarshal([]byte(line), &s) != nil || s.Event != "status" || s.Clock.State != "holdover" {
			continue
		}
		if s.Clock.Bound <= 0 {
			t.Errorf("holdover with a bound of %d ns", s.Clock.Bound)
		}
		seen++
	}
	if seen == 0 {
		t.Error("no status in holdover")
	}
}

// checkLatency: one clock at both ends leaves an interval that is narrow although the
// clock's bound is not.
func checkLatency(t *testing.T, listen *proc) {
	t.Helper()
	out := strings.TrimSpace(listen.out.String())
	var s struct {
		Clock struct {
			Widest   int64 `json:"widest_bound"`
			Messages map[string]uint64
		}
		Latency struct {
			Count, P50, Impossible, Unknown int64
			Low, High                       struct{ P50 int64 }
		} `json:"latency_ns"`
	}
	if err := json.Unmarshal([]byte(out[strings.LastIndex(out, "\n")+1:]), &s); err != nil {
		t.Fatal(err)
	}
	l := s.Latency
	if l.Count == 0 || l.Impossible > 0 || l.Unknown > 0 || l.Low.P50 > l.P50 || l.High.P50 < l.P50 || l.High.P50-l.Low.P50 > s.Clock.Widest {
		t.Errorf("%+v", s)
	}
	if s.Clock.Messages["synchronised"] == 0 || s.Clock.Messages["holdover"] == 0 || s.Clock.Messages["unsynchronised"] == 0 {
		t.Errorf("%+v", s.Clock)
	}
}

func checkAudit(t *testing.T, dir string) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "report.html")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"verify", dir}, 0, "sound: every hash fits, and every bound follows"},
		{[]string{"verify", "--head", strings.Repeat("00", 32), dir}, 3, "NOT SOUND"},
		{[]string{"report", dir, "--limit", "50ms", "--min-coverage", "10%", "--page", page}, 0, "COMPLIANT: error at most 50ms"},
		{[]string{"report", dir, "--limit", "50ms", "--min-coverage", "100%"}, 3, "NOT COMPLIANT"},
		{[]string{"report", dir, "--limit", "50ms", "--min-coverage", "10%", "--json"}, 0, `"compliant":true`},
		{[]string{"report", dir, "--limit", "0s"}, 2, ""},
		{[]string{"report", dir + "/none"}, 2, ""},
	} {
		cmd := exec.Command(command, append([]string{"clock", "audit"}, c.args...)...)
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v, want exit code %d and %q\n%s", c.args, err, c.code, c.want, out)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil || strings.Count(string(html), "<svg") != 2 || strings.Contains(string(html), "http") {
		t.Errorf("the page: %v, %d bytes", err, len(html))
	}
}

// TestClockLie: the sequencer's clock is 200 ms ahead and says that it is not. The
// receiver, whose host is right, proves it, and warns.
func TestClockLie(t *testing.T) {
	truth := clocktest.StartChronyd(t, 1)
	liar := clocktest.StartProxy(t, 2, truth.Address, clocktest.Faults{})
	liar.Lie(200 * time.Millisecond)
	c := onLoopback(t, t.TempDir())
	serve := start(t, "serve", with(c.serve, "--clock", "ntp", "--clock-servers", liar.Address, "--clock-poll", "1s", "--clock-wait", "20s",
		"--source", "synth:1", "--pace", "2000/s")...)
	listen := start(t, "listen", with(c.listen, "--status", "100ms", "--chronyd", truth.Command)...)
	listen.ready(`"problem":"a clock lies: `)
	listen.interrupt()
	listen.wait(0)
	var s struct {
		Latency struct{ Count, Impossible, Worst int64 } `json:"latency_ns"`
	}
	out := strings.TrimSpace(listen.out.String())
	if err := json.Unmarshal([]byte(out[strings.LastIndex(out, "\n")+1:]), &s); err != nil {
		t.Fatal(err)
	}
	if l := s.Latency; l.Impossible == 0 || l.Worst <= 0 || l.Worst > 200e6 {
		t.Errorf("%+v", l)
	}
	serve.interrupt()
	serve.wait(0)
}

// TestClockStops: with on-loss stop serve publishes nothing without a promise, ends
// with exit code 1 and the reason, and leaves a session that can go on.
func TestClockStops(t *testing.T) {
	servers := chronyds(t)
	c := onLoopback(t, t.TempDir())
	flags := with(c.serve, "-c", clockFile(t, servers, "on-loss = \"stop\"\n"), "--source", "synth:1", "--pace", "2000/s")
	serve := start(t, "serve", flags...)
	listen := start(t, "listen", with(c.listen, "--status", "100ms")...)
	listen.ready(`"clock":{"state":"synchronised","bound":`)
	for _, s := range servers {
		s.Stop()
	}
	serve.wait(1)
	first := serve.summary()
	if !strings.Contains(serve.err.String(), "no promise on time, and on-loss is stop") {
		t.Error(serve.tail())
	}
	none := start(t, "serve", with(flags, "--clock-wait", "1s")...)
	none.wait(1)
	if !strings.Contains(none.err.String(), "none came in 1s") {
		t.Error(none.tail())
	}
	for _, s := range servers {
		s.Start(t)
	}
	again := start(t, "serve", with(flags, "--count", fmt.Sprint(first.Last+1000), "--end-at-eof", "--linger", "500ms")...)
	again.wait(0)
	listen.wait(0)
	complete(t, again.summary(), listen)
	if strings.Contains(listen.err.String(), `"clock":{"state":"unsynchronised"`) {
		t.Error("a packet went out without a promise")
	}
}
