package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tapecast/tapecast/sequencer/journal"
)

// sigkills is how many SIGKILLs TestSIGKILL gives in each mode.
func sigkills(t *testing.T) int {
	s := os.Getenv("TAPECAST_KILLS")
	if s == "" {
		return 40
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("TAPECAST_KILLS=%q: want a number", s)
	}
	return n
}

// TestSIGKILL kills serve, two recorders and a `listen --resume` again and again, at
// any instruction and under load, and starts each again at once. In the end the
// recorders' files hold every message of the journal once, in order and byte for
// byte. In strict mode nothing was ever orphaned; in fast mode whatever was is
// declared: a recorder that kept one would differ from the journal. TAPECAST_KILLS is
// how many kills there are in each mode (40).
func TestSIGKILL(t *testing.T) {
	for _, durability := range []string{"strict", "fast"} {
		t.Run(durability, func(t *testing.T) { sigkill(t, durability) })
	}
}

func sigkill(t *testing.T, durability string) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 6))
	dir := t.TempDir()
	c := onLoopback(t, t.TempDir())
	serve := with(c.serve, "--source", "synth:31", "--pace", "20000/s", "--durability", durability)
	files := []string{filepath.Join(dir, "one"), filepath.Join(dir, "two")}
	printer := &printed{file: filepath.Join(dir, "position"), listen: c.listen}
	starts := []func() *proc{
		func() *proc { return start(t, "serve", serve...) },
		func() *proc { return startRecorder(t, "one", files[0], c.server) },
		func() *proc { return startRecorder(t, "two", files[1], c.server) },
	}
	if durability == "strict" { // what is printed cannot be taken back
		starts = append(starts, func() *proc { return printer.start(t) })
	}
	procs := make([]*proc, len(starts))
	killed := make([]int, len(starts))
	for i, begin := range starts {
		procs[i] = begin()
	}
	for range sigkills(t) {
		<-time.After(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
		i := r.IntN(len(procs)+1) % len(procs) // serve twice as often
		procs[i].mustRun()
		procs[i].kill()
		if i == 3 {
			printer.ended(procs[i])
		}
		killed[i]++
		procs[i] = starts[i]()
	}
	last := goOn(t, procs[0], c.journal, serve)
	for _, p := range procs[1:] {
		p.wait(0)
	}
	t.Logf("kills: serve %d, recorders and listeners %v; %d messages", killed[0], killed[1:], last.Last)
	for _, file := range files {
		sameAsJournal(t, file, c.journal, last, durability)
	}
	if durability == "strict" {
		printer.ended(procs[3])
		printer.check(t, last.Last)
	}
}

// mustRun fails the test if the process has ended by itself.
func (p *proc) mustRun() {
	p.t.Helper()
	select {
	case <-p.done:
		p.t.Fatalf("%s ended by itself\n%s", p.name, p.tail())
	default:
	}
}

// goOn ends the last life of serve, and the session in another one.
func goOn(t *testing.T, s *proc, dir string, serve []string) summary {
	t.Helper()
	s.ready(`"started"`)
	s.kill()
	r, err := journal.OpenReader(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s = start(t, "last serve", with(serve, "--count", fmt.Sprint(r.State().Last+20_000), "--end-at-eof", "--linger", "3s")...)
	s.wait(0)
	return s.summary()
}

// sameAsJournal holds a recorder's file against the journal, message by message.
func sameAsJournal(t *testing.T, file, dir string, last summary, durability string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tape, err := readTape(b)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	t.Logf("%s: %d messages stand, %d were orphaned", filepath.Base(file), len(tape.messages), tape.orphans)
	if tape.lost > 0 || durability == "strict" && tape.orphans > 0 || tape.last() != last.Last {
		t.Errorf("%s: %d lost, %d orphaned, last %d of %d", file, tape.lost, tape.orphans, tape.last(), last.Last)
	}
	rd, err := journal.OpenReader(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	at := 0
	for {
		p, err := rd.Next()
		if err != nil {
			break
		}
		c := p.Cursor()
		for ; c.Next(); at++ {
			if at >= len(tape.messages) || tape.messages[at].seq != c.Sequence() || !bytes.Equal(tape.messages[at].bytes, c.Message()) {
				t.Fatalf("%s: message %d is not the journal's", file, c.Sequence())
			}
		}
	}
	if at != len(tape.messages) {
		t.Fatalf("%s: %d messages, the journal has %d", file, len(tape.messages), at)
	}
}

// printed is a consumer of `listen --print --resume`: after a kill it keeps what was
// printed up to the saved position, and nothing behind it.
type printed struct {
	file   string
	listen []string
	next   uint64 // the first sequence not kept
	bad    error
}

func (p *printed) start(t *testing.T) *proc {
	t.Helper()
	return start(t, "printer", with(p.listen, "--print", "--resume", p.file)...)
}

// ended takes what a life of the process had printed.
func (p *printed) ended(life *proc) {
	var saved struct{ Sequence uint64 } // none yet: 0
	if b, err := os.ReadFile(p.file); err == nil {
		if err := json.Unmarshal(b, &saved); err != nil {
			p.bad = errors.Join(p.bad, fmt.Errorf("the saved position %q: %w", b, err))
		}
	}
	kept := saved.Sequence
	lines := bufio.NewScanner(strings.NewReader(life.out.String()))
	lines.Buffer(nil, 1<<20)
	at := max(p.next, 1)
	for lines.Scan() {
		var m struct{ Seq uint64 }
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.Seq == 0 {
			continue // torn by the kill, or the summary
		}
		if m.Seq != at {
			p.bad = errors.Join(p.bad, fmt.Errorf("sequence %d was printed where %d follows", m.Seq, at))
		}
		at = m.Seq + 1
	}
	if kept+1 > at {
		p.bad = errors.Join(p.bad, fmt.Errorf("position %d was saved, only %d was printed", kept, at-1))
	}
	p.next = max(kept+1, 1)
}

func (p *printed) check(t *testing.T, last uint64) {
	t.Helper()
	if p.bad != nil || p.next != last+1 {
		t.Errorf("printed up to %d of %d: %v", p.next-1, last, p.bad)
	}
}
