package path

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/multicast"
)

// The test's own binary plays the children.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "role" {
		if err := Roles().Play(context.Background(), os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func start(t *testing.T, role string, args any) *rig.Process {
	t.Helper()
	self, err := rig.Self("role")
	if err != nil {
		t.Fatal(err)
	}
	p, err := self.Start(t.Context(), role, args)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// freePort is a port that was free, with the next ones.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func ready(t *testing.T, ps ...*rig.Process) {
	t.Helper()
	for _, p := range ps {
		if err := p.Ready(nil); err != nil {
			t.Fatal(err)
		}
	}
}

func result(t *testing.T, p *rig.Process, v any) {
	t.Helper()
	if err := p.Result(v); err != nil {
		t.Fatal(err)
	}
}

func TestPing(t *testing.T) {
	for _, c := range []struct {
		wait    daemon.Wait
		receive multicast.ReceiveMethod
	}{{daemon.Block, multicast.ReceiveSockets}, {daemon.Yield, multicast.ReceiveSockets}, {daemon.Block, multicast.ReceiveRing}} {
		t.Run(fmt.Sprint(c.wait, " ", c.receive), func(t *testing.T) {
			if c.receive == multicast.ReceiveRing && os.Geteuid() != 0 {
				t.Skip("a packet ring needs CAP_NET_RAW: run as root")
			}
			ch := Channels(2, 2, freePort(t))
			a := Ping{Settings: Settings{Interface: "lo", Wait: c.wait, Receive: c.receive, Journal: t.TempDir(), CPU: -1}, There: ch[0], Back: ch[1], Size: 64, Count: 200, Warmup: 10}
			z := a
			z.Journal = t.TempDir()
			pong := start(t, "path-pong", z)
			ready(t, pong)
			var out Pinged
			result(t, start(t, "path-ping", a), &out)
			if out.Latency.Count != 200 || out.Latency.Min < 5000 || out.Lost != 0 {
				t.Errorf("%+v", out)
			}
			if err := pong.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// settings of a test's open-loop run.
func settings() Settings { return Settings{Interface: "lo", Wait: daemon.Block, CPU: -1} }

func TestServeListen(t *testing.T) {
	s, ch := settings(), Channels(1, 2, freePort(t))[0]
	listen := Listen{Settings: s, Channel: ch, Warm: 1000, Every: true}
	s.Journal = t.TempDir()
	serve := start(t, "path-serve", Serve{Settings: s, Load: rig.Load{Rate: 50_000, Seconds: 0.1}, Channel: ch, Size: 40, Receivers: 2})
	ready(t, serve)
	a, b := start(t, "path-listen", listen), start(t, "path-listen", listen)
	ready(t, a, b)
	if err := serve.Go(); err != nil {
		t.Fatal(err)
	}
	var heard, too Heard
	result(t, a, &heard)
	result(t, b, &too)
	var served Served
	result(t, serve, &served)
	if served.Late > 0.5 { // it gave up, as it should on a host that is this busy
		t.Skipf("this host was %.1f s late with 5,000 messages", served.Late)
	}
	if served.Messages != 5000 || served.Chain == "" || heard.Chain != served.Chain || too.Chain != served.Chain {
		t.Errorf("served %+v, heard %+v and %+v", served, heard, too)
	}
	if heard.Messages != 5000 || heard.Lost != 0 || heard.Latency.Count != 4000 || heard.Sum != too.Sum || heard.Sum == 0 {
		t.Errorf("heard %+v, %+v", heard, too)
	}
}

// What is lost on both lines is repaired, and every repair is timed.
func TestRepair(t *testing.T) {
	s, ch := settings(), Channels(1, 2, freePort(t))[0]
	repair := Repair{Listen: Listen{Settings: s, Channel: ch}, Every: 100, Grace: 100_000}
	serve := start(t, "path-serve", Serve{Settings: s, Load: rig.Load{Rate: 5000, Seconds: 0.4}, Channel: ch, Size: 40, Receivers: 1})
	ready(t, serve)
	p := start(t, "path-repair", repair)
	ready(t, p)
	if err := serve.Go(); err != nil {
		t.Fatal(err)
	}
	var got Repaired
	result(t, p, &got)
	var served Served
	result(t, serve, &served)
	if got.Lost != 0 || got.Messages != served.Messages || got.Chain != served.Chain || got.Heard.Repaired < uint64(got.Dropped) {
		t.Errorf("%+v", got)
	}
	if served.Late < 0.5 && (got.Dropped == 0 || got.Took.Count == 0 || got.Took.Min < 100_000) {
		t.Errorf("dropped %d, timed %v, least %d ns", got.Dropped, got.Took, got.Took.Min)
	}
}

// A journal that was left open is gone on with.
func TestRestart(t *testing.T) {
	s, port := settings(), freePort(t)
	s.Journal, s.Open = t.TempDir(), true
	serve := start(t, "path-serve", Serve{Settings: s, Load: rig.Load{Rate: 100_000, Seconds: 0.02}, Channel: Channels(1, 1, port)[0], Size: 40})
	ready(t, serve)
	if err := serve.Go(); err != nil {
		t.Fatal(err)
	}
	var served Served
	result(t, serve, &served)
	for _, cold := range []bool{false, true} {
		var again Restarted
		result(t, start(t, "path-restart", Restart{Settings: s, Channel: Channels(1, 1, port)[0], Cold: cold}), &again)
		if again.Messages < served.Messages || again.First <= again.Opened || again.Opened <= 0 {
			t.Errorf("served %+v, again %+v", served, again)
		}
	}
}

// A program that has a heap hears what any other does, and its collections are
// counted; so does one that follows a process which receives for it.
func TestHeapAndRelay(t *testing.T) {
	s, port := settings(), freePort(t)
	ch, behind := Channels(1, 2, port)[0], freePort(t)
	listen := Listen{Settings: s, Channel: ch, Every: true}
	relay := Relay{Listen: listen, Serve: fmt.Sprintf("127.0.0.1:%d", behind)}
	relay.Journal = t.TempDir()
	inside := Heap{Listen: listen, Live: 1 << 20, Garbage: 64 << 20, Percent: 100}
	outside := inside
	outside.Outside, outside.Percent, outside.TCP, outside.Channel.Retransmit = true, -1, true, relay.Serve
	serve := start(t, "path-serve", Serve{Settings: s, Load: rig.Load{Rate: 5000, Seconds: 0.4}, Channel: ch, Size: 40, Receivers: 2})
	ready(t, serve)
	r, in := start(t, "path-relay", relay), start(t, "path-heap", inside)
	ready(t, r, in)
	out := start(t, "path-heap", outside)
	ready(t, out)
	if err := serve.Go(); err != nil {
		t.Fatal(err)
	}
	var direct, followed Heaped
	var between Heard
	result(t, in, &direct)
	result(t, out, &followed)
	result(t, r, &between)
	var served Served
	result(t, serve, &served)
	if direct.Chain != served.Chain || followed.Chain != served.Chain || between.Chain != served.Chain {
		t.Errorf("served %+v: heard %+v, %+v, %+v", served, direct, between, followed)
	}
	if direct.Collected == 0 || followed.Collected != 0 {
		t.Errorf("%d collections with GOGC=100, %d without", direct.Collected, followed.Collected)
	}
}
