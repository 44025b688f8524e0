package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/bench/rig"
)

// benched runs one benchmark and reads its object.
func benched(t *testing.T, args ...string) (r struct {
	Machine  rig.Machine `json:"machine"`
	Latency  rig.Latency `json:"latency_ns"`
	Messages uint64      `json:"messages"`
	Repaired uint64      `json:"repaired"`
	Lost     uint64      `json:"lost"`
}) {
	t.Helper()
	o := runCmd(t, tapecast(t, append([]string{"bench"}, args...)...))
	if o.code != exitFine || o.err != "" {
		t.Fatalf("bench %v: exit %d: %s", args, o.code, o.err)
	}
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("%v: %s", err, o.out)
	}
	if r.Machine.Kernel == "" || r.Lost != 0 {
		t.Errorf("bench %v: %s", args, o.out)
	}
	return r
}

// benchPort is a port that was free, with the next ones.
func benchPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)
}

func TestBenchPing(t *testing.T) {
	port := benchPort(t)
	r := benched(t, "ping", "--json", "--count", "100", "--wait", "block", "--port", port, "--line-a", "239.255.44.1:"+port, "--line-b", "239.255.44.2:"+port, "--journal", t.TempDir())
	if r.Latency.Count != 100 || r.Latency.Min < 1000 {
		t.Errorf("%+v", r)
	}
}

// Both ends may be apart, each a command of its own.
func TestBenchRepairTwoEnds(t *testing.T) {
	port := benchPort(t)
	args := []string{"repair", "--json", "--peer", "127.0.0.1", "--rate", "4000", "--seconds", "0.2", "--lose", "3", "--port", port, "--line-a", "239.255.44.3:" + port, "--line-b", "239.255.44.4:" + port}
	other := tapecast(t, append([]string{"bench", args[0], "--serve"}, args[1:]...)...)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	r := benched(t, args...)
	if err := other.Wait(); err != nil {
		t.Error(err)
	}
	if r.Messages == 0 || r.Latency.Count == 0 || r.Repaired == 0 {
		t.Errorf("%+v", r)
	}
}

// What cannot be measured is a usage error that names the flag.
func TestBenchRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"rate", "--serve"}, "--peer"},
		{[]string{"rate", "--rate", "0"}, "--rate"},
		{[]string{"repair", "--seconds", "0"}, "--seconds"},
		{[]string{"ping", "--interface", "nowhere0"}, "--interface"},
		{[]string{"ping", "--journal", "/nonexistent"}, "--journal"},
	} {
		o := runCmd(t, tapecast(t, append([]string{"bench"}, c.args...)...))
		if o.code != exitUsage || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("bench %v: exit %d: %s%s", c.args, o.code, o.err, o.out)
		}
	}
}

// What is interrupted gives no result, and says so in one line.
func TestBenchInterrupted(t *testing.T) {
	port := benchPort(t)
	cmd := tapecast(t, "bench", "ping", "--wait", "block", "--count", "100000000", "--port", port, "--line-a", "239.255.44.5:"+port, "--line-b", "239.255.44.6:"+port)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitPort(t, port)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != exitFailure || out.Len() != 0 || errs.String() != "tapecast: interrupted before the end, so there is no result\n" {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
}

// awaitPort returns once something listens on port: a child of the benchmark.
func awaitPort(t *testing.T, port string) {
	t.Helper()
	for t.Context().Err() == nil {
		if c, err := net.Dial("tcp4", "127.0.0.1:"+port); err == nil {
			c.Close()
			return
		}
		runtime.Gosched()
	}
}
