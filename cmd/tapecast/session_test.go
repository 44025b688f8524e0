package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/tools/testenv"
)

// server is a running serve.
type server struct {
	*daemon.Info
	cmd    *exec.Cmd
	out    strings.Builder
	stderr *bufio.Scanner
}

// serveOn starts serve on loopback groups and ports of its own, with more
// arguments, and waits until it stands.
func serveOn(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	net, err := demoNetwork()
	if err != nil {
		testenv.Missing(t, "multicast", err)
	}
	s := &server{Info: &daemon.Info{}, cmd: tapecast(t, append([]string{"serve", "--json", "--status", "0", "--interface", net.name,
		"--line-a", net.groups[0], "--line-b", net.groups[1], "--retransmit", "127.0.0.1:0", "--journal", dir}, args...)...)}
	s.cmd.Stdout = &s.out
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.stderr = bufio.NewScanner(stderr)
	for s.stderr.Scan() {
		if parseEvent(nil, s.stderr.Bytes()).name == eventStarted {
			if err := json.Unmarshal(s.stderr.Bytes(), s.Info); err != nil {
				t.Fatal(err)
			}
			return s
		}
		t.Log(s.stderr.Text())
	}
	t.Fatal("serve did not start")
	return nil
}

// wait gives the outcome of the exited process.
func (s *server) wait(t *testing.T) outcome {
	t.Helper()
	var diag strings.Builder
	for s.stderr.Scan() {
		fmt.Fprintln(&diag, s.stderr.Text())
	}
	_ = s.cmd.Wait() // the exit code says it
	return outcome{s.cmd.ProcessState.ExitCode(), s.out.String(), diag.String()}
}

const published = 3000

// publish runs a whole session through serve and one listen and returns their
// outcomes.
func publish(t *testing.T, dir string, listen ...string) (sent, got outcome) {
	t.Helper()
	s := serveOn(t, dir, "--source", "synth:7", "--count", fmt.Sprint(published), "--await", "1", "--end-at-eof", "--linger", "500ms")
	got = runCmd(t, tapecast(t, append([]string{"listen", "--json", "--status", "0", "--interface", "lo", "--exit-at-end",
		"--retransmit", s.Retransmit}, listen...)...))
	return s.wait(t), got
}

func TestSession(t *testing.T) {
	dir := t.TempDir()
	position := filepath.Join(t.TempDir(), "position")
	sent, got := publish(t, dir, "--drop", "20%", "--drop-seed", "3", "--resume", position, "--print")
	if sent.code != 0 || got.code != 0 {
		t.Fatalf("serve: %d %s\nlisten: %d %s", sent.code, sent.err, got.code, got.err)
	}
	var ss struct {
		Command string
		daemon.Summary
	}
	var ls listenSummary
	sent.last(t, &ss)
	got.last(t, &ls)
	if ss.Command != "serve" || ss.Last != published || !ss.Ended {
		t.Errorf("serve: %s", sent.out)
	}
	if ls.Chain != ss.Chain || ls.First != 1 || ls.Last != published || ls.Messages != published || !ls.Ended || len(ls.Lost) != 0 {
		t.Errorf("serve  %slisten %s", sent.out, got.out)
	}
	if ls.Discarded == 0 || len(ls.Lines) != 2 || ls.Lines[0].Line != "a" || ls.Lines[0].Missing == 0 {
		t.Errorf("nothing was dropped on purpose: %+v", ls)
	}
	checkPosition(t, position, &ls)
	checkJournal(t, dir, &ls, got.out)
}

func checkPosition(t *testing.T, file string, s *listenSummary) {
	t.Helper()
	p, err := loadPosition(file)
	if err != nil || p == nil {
		t.Fatal("no position was saved:", err)
	}
	if !p.Known || chainText(p.Chain) != s.Chain || p.Sequence != s.Last || p.Session.String() != s.Session {
		t.Errorf("saved %+v, ended at %+v", p, s)
	}
}

// checkJournal reads the journal of a session by every command that can. printed
// is what listen printed of it.
func checkJournal(t *testing.T, dir string, want *listenSummary, printed string) {
	t.Helper()
	for _, command := range []string{"verify", "info"} {
		var j journalSummary
		o := runCmd(t, tapecast(t, command, "--json", dir))
		o.last(t, &j)
		if o.code != 0 || j.Command != command || j.Chain != want.Chain || j.Last != want.Last || j.Messages != want.Messages || !j.Ended || j.Damage != nil {
			t.Errorf("%s: exit code %d\n%s%s", command, o.code, o.out, o.err)
		}
		if text := runCmd(t, tapecast(t, command, dir)); !strings.Contains(text.out, want.Chain) {
			t.Errorf("%s:\n%s", command, text.out)
		}
	}
	all := runCmd(t, tapecast(t, "cat", "--json", dir))
	var sum catSummary
	all.last(t, &sum)
	if sum != (catSummary{"cat", want.Session, want.Epoch, want.First, want.Last, want.Messages, want.Chain}) {
		t.Errorf("cat --json ends with %+v", sum)
	}
	if messages := withoutLast(printed); all.code != 0 || withoutLast(all.out) != messages {
		t.Errorf("cat --json prints %d bytes, listen --print --json %d; exit code %d", len(all.out), len(messages), all.code)
	}
	if text := runCmd(t, tapecast(t, "cat", dir)); !strings.Contains(text.err, want.Chain) {
		t.Errorf("cat ends with %s", text.err)
	}
	for args, want := range map[string]string{
		"--from 10 --count 2": "10 11", "--from 2999": "2999 3000", "--to 2": "1 2", "--from 5 --to 5": "5", "--from 4000": "", "--from 2 --to 9 --count 1": "2",
	} {
		o := runCmd(t, tapecast(t, append([]string{"cat", dir, "--json"}, strings.Fields(args)...)...))
		if got := sequences(t, withoutLast(o.out)); got != want {
			t.Errorf("cat %s prints %s, want %s", args, got, want)
		}
	}
}

// withoutLast is out without its last line, the summary.
func withoutLast(out string) string {
	return out[:strings.LastIndex(strings.TrimSuffix(out, "\n"), "\n")+1]
}

func sequences(t *testing.T, out string) string {
	t.Helper()
	var seqs []string
	for line := range strings.Lines(out) {
		var m struct{ Seq uint64 }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		seqs = append(seqs, fmt.Sprint(m.Seq))
	}
	return strings.Join(seqs, " ")
}

// The fields that scripts rely on are there, with these names.
func TestSummaryFields(t *testing.T) {
	data, err := json.Marshal(&listenSummary{Lines: []lineSummary{{}}})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("session epoch first last messages chain delivered repaired duplicates reordered lost orphaned requests kernel_drops lines latency_ns messages_per_second seconds allocations_per_message") {
		if _, ok := m[name]; !ok {
			t.Errorf("no %q in %s", name, data)
		}
	}
	line := m["lines"].([]any)[0].(map[string]any)
	for _, name := range []string{"line", "packets", "missing"} {
		if _, ok := line[name]; !ok {
			t.Errorf("no %q in a line of %s", name, data)
		}
	}
}

// A signal ends serve with its summary and without error; started again, it goes
// on where it was, and so does the receiver.
func TestRestart(t *testing.T) {
	dir, position := t.TempDir(), filepath.Join(t.TempDir(), "position")
	source := []string{"--source", "synth:7", "--pace", "20000/s", "--await", "1"}
	var before listenSummary
	{
		s := serveOn(t, dir, source...)
		listen := tapecast(t, "listen", "--json", "--print", "--interface", "lo", "--retransmit", s.Retransmit, "--resume", position)
		first := printedBy(t, listen, 500)
		s.cmd.Process.Signal(syscall.SIGINT)
		o := s.wait(t)
		var sum daemon.Summary
		o.last(t, &sum)
		if o.code != 0 || sum.Ended || sum.Last < 500 {
			t.Fatalf("serve: exit code %d\n%s%s", o.code, o.out, o.err)
		}
		listen.Process.Signal(syscall.SIGTERM)
		rest := first()
		if rest.code != 0 {
			t.Fatalf("listen: exit code %d\n%s", rest.code, rest.err)
		}
		rest.last(t, &before)
	}
	s := serveOn(t, dir, append(source, "--count", "100000", "--end-at-eof", "--linger", "500ms", "--pace", "max")...)
	if s.Epoch <= before.Epoch || s.Session != before.Session {
		t.Errorf("serve goes on as session %s, epoch %d, after %s, %d", s.Session, s.Epoch, before.Session, before.Epoch)
	}
	got := runCmd(t, tapecast(t, "listen", "--json", "--interface", "lo", "--exit-at-end", "--retransmit", s.Retransmit, "--resume", position))
	sent := s.wait(t)
	var after listenSummary
	var sum daemon.Summary
	got.last(t, &after)
	sent.last(t, &sum)
	if got.code != 0 || after.First != before.Last+1 || after.Chain != sum.Chain || after.Epoch != sum.Epoch || sum.Last != 100000 {
		t.Errorf("before %+v\nserve  %slisten %s%s", before, sent.out, got.out, got.err)
	}
}

// printedBy starts cmd and returns when it has printed so many lines; the function
// waits for its end.
func printedBy(t *testing.T, cmd *exec.Cmd, want int) func() outcome {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var diag strings.Builder
	cmd.Stderr = &diag
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	for range want {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatalf("%v\n%s", err, diag.String())
		}
	}
	return func() outcome {
		out, _ := io.ReadAll(r)
		_ = cmd.Wait() // the exit code says it
		return outcome{cmd.ProcessState.ExitCode(), string(out), diag.String()}
	}
}

// Whoever reads the output may have had enough: that is no error, and nothing to
// talk about.
func TestClosedPipe(t *testing.T) {
	dir := t.TempDir()
	publish(t, dir)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	for _, args := range [][]string{{"cat", dir}, {"verify", dir}, {"info", "--json", dir}, {"version"}} {
		cmd := tapecast(t, args...)
		var diag strings.Builder
		cmd.Stdout, cmd.Stderr = w, &diag
		if err := cmd.Run(); err != nil || strings.Contains(diag.String(), "tapecast:") {
			t.Errorf("%s into a closed pipe: %v: %s", args, err, diag.String())
		}
	}
}

// A receiver that journals has the sequencer's messages and chain, goes on behind
// them when it is started again, and serves them to others.
func TestRelay(t *testing.T) {
	dir, kept := t.TempDir(), t.TempDir()
	source := []string{"--source", "synth:7", "--pace", "50000/s", "--count", "30000", "--await", "1", "--end-at-eof", "--linger", "1s"}
	s := serveOn(t, dir, source...)
	relay := tapecast(t, "listen", "--json", "--interface", "lo", "--retransmit", s.Retransmit, "--journal", kept, "--print")
	first := printedBy(t, relay, 1000)
	relay.Process.Signal(syscall.SIGTERM)
	if o := first(); o.code != 0 {
		t.Fatalf("relay: exit code %d\n%s", o.code, o.err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	relay = tapecast(t, "listen", "--json", "--interface", "lo", "--retransmit", s.Retransmit, "--journal", kept, "--serve", address)
	second := printedBy(t, relay, 0)
	got := runCmd(t, tapecast(t, "listen", "--json", "--interface", "lo", "--retransmit", s.Retransmit, "--exit-at-end"))
	sent := s.wait(t)
	late := runCmd(t, tapecast(t, "listen", "--json", "--interface", "lo", "--retransmit", address, "--exit-at-end"))
	relay.Process.Signal(syscall.SIGTERM)
	var summaries [4]listenSummary
	for i, o := range []outcome{sent, got, late, second()} {
		o.last(t, &summaries[i])
		if o.code != 0 || summaries[i].Chain != summaries[0].Chain || summaries[i].Last != 30000 {
			t.Errorf("process %d: exit code %d\n%s%s", i, o.code, o.out, o.err)
		}
	}
	var j journalSummary
	o := runCmd(t, tapecast(t, "verify", "--json", kept))
	o.last(t, &j)
	if o.code != 0 || j.Chain != summaries[0].Chain || j.First != 1 || j.Last != 30000 {
		t.Errorf("verify: exit code %d\n%s%s", o.code, o.out, o.err)
	}
}

func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	publish(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.tcj"))
	if err != nil || len(files) == 0 {
		t.Fatal("no segment in", dir, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[20_000] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", dir}, {"verify", "--json", dir}, {"info", dir}, {"cat", dir}} {
		o := runCmd(t, tapecast(t, args...))
		if o.code != exitData || !strings.Contains(o.err, files[0]) {
			t.Errorf("%s: exit code %d, want %d and the name of the file\n%s", args, o.code, exitData, o.err)
		}
	}
}

// What serve cannot open is a configuration error that names the setting.
func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, filepath.Join(dir, "j"), "--source", "synth:1", "--await", "1")
	for _, c := range []struct{ args, want string }{
		{"--source itch:/nonexistent.gz", "--source"},
		{"--source itch:" + dir, "--source"},
		{"--source tape:x", "--source"},
		{"--source synth:x", "--source"},
		{"--retransmit " + s.Retransmit, "--retransmit"},
		{"--interface nosuch0", "--interface"},
		{"--journal " + file + "/j", "--journal"},
		{"--journal " + filepath.Join(dir, "j"), "--journal"},
		{"--durability strict --journal none", "--durability"},
		{"--packet-size 100", "--packet-size"},
		{"--line-b 239.255.42.1:30001", "--line-b"},
	} {
		args := append([]string{"serve", "--source", "synth:1", "--interface", "lo", "--retransmit", "127.0.0.1:0", "--journal", filepath.Join(dir, "other")},
			strings.Fields(c.args)...)
		o := runCmd(t, tapecast(t, args...))
		if o.code != exitUsage || !strings.HasPrefix(o.err, "tapecast: "+c.want) {
			t.Errorf("serve %s: exit code %d, want %d about %s\n%s", c.args, o.code, exitUsage, c.want, o.err)
		}
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if o := s.wait(t); o.code != 0 {
		t.Errorf("serve: exit code %d\n%s", o.code, o.err)
	}
}

// Nobody at the other end is told by the exit code.
func TestUnreachable(t *testing.T) {
	o := runCmd(t, tapecast(t, "listen", "--retransmit", "127.0.0.1:9", "--interface", "lo", "--give-up", "100ms", "--json"))
	if o.code != exitUnreachable || !strings.Contains(o.err, "127.0.0.1:9") {
		t.Errorf("exit code %d\n%s", o.code, o.err)
	}
	var s listenSummary
	o.last(t, &s)
	if d := cmp.Diff(uint64(0), s.Delivered); d != "" || s.Lost == nil {
		t.Error(d, o.out)
	}
}

// A position of another session is refused, not continued.
func TestResumeMismatch(t *testing.T) {
	dir, position := t.TempDir(), filepath.Join(t.TempDir(), "position")
	for content, want := range map[string]string{
		"{}": "holds no saved position",
		"x":  "holds no saved position",
		`{"session":"other","epoch":1,"sequence":5,"chain":"00000000000000ff"}`: "--resume=" + position,
	} {
		if err := os.WriteFile(position, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s := serveOn(t, dir, "--source", "synth:1", "--await", "1", "--count", "10")
		o := runCmd(t, tapecast(t, "listen", "--retransmit", s.Retransmit, "--interface", "lo", "--resume", position, "--exit-at-end"))
		if o.code != exitUsage || !strings.Contains(o.err, want) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s", content, o.code, exitUsage, want, o.err)
		}
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.wait(t)
	}
}

func TestDemo(t *testing.T) {
	if _, err := demoNetwork(); err != nil {
		testenv.Missing(t, "multicast", err)
	}
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "tapecast-demo-*"))
	o := runCmd(t, tapecast(t, "demo", "--seconds", "1", "--drop", "10%"))
	if o.code != 0 || !strings.Contains(o.out, "All three chains are equal") || !strings.Contains(o.out, "repaired") {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "tapecast-demo-*")); len(after) > len(before) {
		t.Errorf("left behind: %v", after)
	}
	o = runCmd(t, tapecast(t, "demo", "--seconds", "1", "--json"))
	var sum demoSummary
	o.last(t, &sum)
	if o.code != 0 || strings.Count(o.out, "\n") != 1 || !sum.Equal || sum.Messages != demoRate || len(sum.Receivers) != 2 || sum.Receivers[1].Chain != sum.Chain {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.err)
	}
}

// What serve refuses, the demo refuses, and says it once.
func TestDemoRefuses(t *testing.T) {
	if _, err := demoNetwork(); err != nil {
		testenv.Missing(t, "multicast", err)
	}
	o := runCmd(t, tapecast(t, "demo", "--source", "itch:/nonexistent"))
	if o.code != exitUsage || strings.Count(o.out+o.err, "give the path") != 1 {
		t.Errorf("exit code %d\n%s%s", o.code, o.out, o.err)
	}
}

// A signal in the middle ends the demo and all that it started.
func TestDemoInterrupted(t *testing.T) {
	if _, err := demoNetwork(); err != nil {
		testenv.Missing(t, "multicast", err)
	}
	cmd := tapecast(t, "demo", "--seconds", "60")
	wait := printedBy(t, cmd, 10)
	cmd.Process.Signal(syscall.SIGINT)
	if o := wait(); o.code != exitFailure || !strings.Contains(o.err, "stopped before the end") {
		t.Errorf("exit code %d\n%s", o.code, o.err)
	}
}
