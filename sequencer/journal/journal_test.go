package journal_test

import (
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

func TestRoundTrip(t *testing.T) {
	for _, strict := range []bool{false, true} {
		fs := journaltest.New()
		var all []wire.Packet
		var cuts []journal.Cut
		for epoch := range 4 { // rolls within and across processes
			r := mustStart(t, journal.Options{Strict: strict}, fs)
			if r.st.Clean != (epoch > 0) || r.st.Torn != nil {
				t.Errorf("epoch %d: clean %v, torn %v", epoch, r.st.Clean, r.st.Torn)
			}
			if d := cmp.Diff(cuts, r.st.Cuts); d != "" {
				t.Errorf("cuts: %s", d)
			}
			cuts = append(cuts, journal.Cut{Epoch: r.epoch, Previous: r.st.Epoch, Cut: r.st.Last, Chain: r.st.Chain})
			r.run(40)
			all = append(all, r.sent...)
			if got := r.w.Acknowledged(1); got != r.input {
				t.Errorf("acknowledged %d, want %d", got, r.input)
			}
			if got := copyAll(t, r.h.Copy, 1, r.next); len(got) != len(all) || !samePrefix(got, all) {
				t.Errorf("epoch %d: %d packets served, want %d", epoch, len(got), len(all))
			}
			r.close()
		}
		r := mustStart(t, journal.Options{}, fs)
		last := all[len(all)-1]
		if r.st.Last != last.Next()-1 || r.st.Chain != wire.ChainAfter(last) || r.st.Stamp != last.CloseStamp() ||
			r.st.Packets != uint64(len(all)) || r.st.First != 1 || r.st.Segments < 8 {
			t.Errorf("state %+v", r.st)
		}
		if got := r.st.Inputs[feed.Hash("in")]; got != r.st.Last {
			t.Errorf("input at %d, want %d", got, r.st.Last)
		}
		var want []byte
		for _, p := range all {
			want = history.AppendDefinitions(want, p)
		}
		if d := cmp.Diff(want, r.st.Definitions); d != "" || len(want) == 0 {
			t.Errorf("definitions: %s", d)
		}
		if got, err := read(t, fs.Kill()); err != nil || len(got) != len(all) || !samePrefix(got, all) {
			t.Errorf("read %d packets, want %d: %v", len(got), len(all), err)
		}
	}
}

func TestStrictIsDurableAtOnce(t *testing.T) {
	r := mustStart(t, journal.Options{Strict: true}, journaltest.New())
	r.put(1, 20)
	if _, next := r.h.Bounds(); next != 1 {
		t.Errorf("visible to %d before the sync", next)
	}
	if n, err := r.step(); n != 1 || err != nil {
		t.Errorf("Step: %d, %v", n, err)
	}
	if _, next := r.h.Bounds(); next != 2 || r.w.Acknowledged(1) != 1 {
		t.Errorf("visible to %d, acknowledged %d", next, r.w.Acknowledged(1))
	}
}

func TestFastGroupsSyncs(t *testing.T) {
	r := mustStart(t, journal.Options{SyncEvery: 10_000_000}, journaltest.New())
	r.fs.Record()
	for range 10 { // 1 ms apart
		r.put(1, 20)
		if _, err := r.step(); err != nil {
			t.Fatal(err)
		}
	}
	syncs := 0
	for _, op := range r.fs.Ops() {
		if op.Call == "Sync" && op.Path == segment(1) {
			syncs++
		}
	}
	if syncs != 0 || r.h.Durable() != 0 || r.h.Written() != 10 || r.w.Acknowledged(1) != 10 {
		t.Errorf("%d syncs, durable %d, written %d", syncs, r.h.Durable(), r.h.Written())
	}
	r.now += 10_000_000
	if _, err := r.step(); err != nil || r.h.Durable() != 10 {
		t.Errorf("durable %d, %v", r.h.Durable(), err)
	}
	r.step() // writes the floor
	before := r.fs.Calls()
	for range 5 {
		r.now += 20_000_000
		if n, err := r.step(); n != 0 || err != nil {
			t.Errorf("idle: %d, %v", n, err)
		}
	}
	if r.fs.Calls() != before {
		t.Errorf("%d calls while idle", r.fs.Calls()-before)
	}
}

func TestEnd(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(5)
	if err := r.w.End(3, r.chain); !errors.Is(err, journal.ErrChain) {
		t.Errorf("End in the middle: %v", err)
	}
	if err := r.w.End(r.next-1, r.chain); err != nil {
		t.Fatal(err)
	}
	r.close()
	if st := recoverState(t, r.o); !st.Ended || st.Last != r.next-1 {
		t.Errorf("state %+v", st)
	}
	if _, err := start(t, journal.Options{}, r.fs); !errors.Is(err, journal.ErrEnded) {
		t.Errorf("Open after the end: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(5)
	old := recoverState(t, r.o)
	if _, err := start(t, journal.Options{}, r.fs); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("two writers: %v", err)
	}
	r.run(1)
	r.close()
	st := recoverState(t, r.o)
	cut := journal.Cut{Epoch: st.Epoch + 1, Previous: st.Epoch, Cut: st.Last, Chain: st.Chain}
	try := func(name string, st *journal.State, want error, change func(o *journal.Options, c *journal.Cut)) {
		t.Helper()
		o, c := r.o, cut
		change(&o, &c)
		if _, err := journal.Open(o, st, c); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	try("a state from before", old, journal.ErrStale, func(_ *journal.Options, c *journal.Cut) { c.Cut, c.Chain = old.Last, old.Chain })
	try("the same epoch", st, journal.ErrEpoch, func(_ *journal.Options, c *journal.Cut) { c.Epoch-- })
	try("epoch 0", st, journal.ErrEpoch, func(_ *journal.Options, c *journal.Cut) { c.Epoch = 0 })
	try("a cut ahead", st, journal.ErrEpoch, func(_ *journal.Options, c *journal.Cut) { c.Cut++ })
	try("another chain", st, journal.ErrEpoch, func(_ *journal.Options, c *journal.Cut) { c.Chain++ })
	try("another channel", st, journal.ErrForeign, func(o *journal.Options, _ *journal.Cut) { o.Channel++ })
	try("no directory", st, journal.ErrConfig, func(o *journal.Options, _ *journal.Cut) { o.Dir = "" })
	o := r.o
	o.Channel++
	if _, err := journal.Recover(o); !errors.Is(err, journal.ErrForeign) {
		t.Errorf("Recover of another channel: %v", err)
	}
}

// A relay follows two failovers, the first one below what it has written.
func TestRelayCuts(t *testing.T) {
	r := mustStart(t, journal.Options{Relay: true}, journaltest.New())
	chains := map[uint64]uint64{0: 0}
	add := func(n int) {
		for range n {
			p, chain := buildPacket(make([]byte, 1400), t, r.epoch, r.next, r.chain, 2, 60)
			if err := r.h.Append(p, []feed.Progress{{Input: 1, Hash: 5, Seq: p.Next() - 1}}); err != nil {
				t.Fatal(err)
			}
			r.sent = append(r.sent, p)
			r.next, r.chain = p.Next(), chain
			chains[r.next-1] = chain
		}
	}
	turn := func(cut uint64) {
		c := journal.Cut{Epoch: r.epoch + 10, Previous: r.epoch, Cut: cut, Chain: chains[cut]}
		r.w.Cut(c)
		r.h.Truncate(c.Cut, c.Chain)
		r.epoch, r.next, r.chain = c.Epoch, cut+1, c.Chain
		for len(r.sent) > 0 && r.sent[len(r.sent)-1].First() > cut {
			r.sent = r.sent[:len(r.sent)-1]
		}
	}
	add(20)
	r.settle()
	turn(30) // void in the journal: 31 to 40
	add(3)
	if r.h.Written() != 30 {
		t.Errorf("written %d before the disk loop noticed, want 30", r.h.Written())
	}
	r.settle()
	add(2)
	turn(38) // not written yet: 37 and 38 are to be kept, 39 and 40 never get there
	r.settle()
	add(30)
	r.settle()
	check := func(name string, got []wire.Packet) {
		t.Helper()
		if len(got) != len(r.sent) || !samePrefix(got, r.sent) {
			t.Errorf("%s: %d packets, want %d", name, len(got), len(r.sent))
		}
	}
	check("served from the journal", copyAll(t, r.w.Copy, 1, r.next))
	got, err := read(t, r.fs.Kill())
	if err != nil {
		t.Error(err)
	}
	check("read", got)
	st := recoverState(t, journal.Options{Dir: "/j", FS: r.fs.Kill(), Session: session(t), Channel: channel})
	if st.Last != r.next-1 || st.Chain != r.chain || len(st.Cuts) != 3 || st.Inputs[5] != r.next-1 || st.Packets != uint64(len(r.sent)) {
		t.Errorf("state %+v", st)
	}
	fs := r.fs.Kill()
	o := r.o
	o.FS = fs
	w, err := journal.Open(o, st, st.Cuts[2]) // the relay restarts within the epoch
	if err != nil {
		t.Fatal(err)
	}
	check("served after a restart", copyAll(t, w.Copy, 1, r.next))
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// A relay that joins late begins in the middle.
func TestBeginsInTheMiddle(t *testing.T) {
	fs := journaltest.New()
	o := journal.Options{Dir: "/j", FS: fs, Session: session(t), Channel: channel, Relay: true, SegmentBytes: 8 << 10}
	w, err := journal.Open(o, recoverState(t, o), journal.Cut{Epoch: 9, Previous: 8, Cut: 1000, Chain: 77})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := history.New(history.Config{Older: w}, 1001)
	p, chain := buildPacket(make([]byte, 1400), t, 9, 1001, 77, 2, 60)
	if err := h.Append(p, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Step(h, 1); err != nil {
		t.Fatal(err)
	}
	if w.Oldest() != 1001 {
		t.Errorf("oldest %d", w.Oldest())
	}
	w.Close()
	if st := recoverState(t, o); st.First != 1001 || st.Last != 1002 || st.Chain != chain {
		t.Errorf("state %+v", st)
	}
}

func TestStepRefusesABrokenChain(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(2)
	r.chain++
	r.put(1, 20)
	_, err := r.step()
	if !errors.Is(err, journal.ErrChain) || !r.w.Failed() {
		t.Errorf("Step: %v", err)
	}
}

func TestDiskFull(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New())
	r.put(1, 20)
	r.fs.FailCall(1, syscall.ENOSPC, true)
	_, err := r.step()
	if !errors.Is(err, journal.ErrDead) || !errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(err.Error(), segment(1)) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("Step: %v", err)
	}
	calls := r.fs.Calls()
	if _, again := r.step(); again != err || r.fs.Calls() != calls {
		t.Errorf("the dead journal tried again: %v", again)
	}
	if err := r.w.Close(); !errors.Is(err, journal.ErrDead) {
		t.Errorf("Close: %v", err)
	}
	if _, err := start(t, journal.Options{}, r.fs); err != nil {
		t.Errorf("start when there is space again: %v", err)
	}
}

// Many clients that ask for one range cost about one read.
func TestCopySharesReads(t *testing.T) {
	r := mustStart(t, journal.Options{SegmentBytes: 1 << 20}, journaltest.New())
	for range 100 {
		for range 20 {
			r.put(3, 400)
		}
		r.settle()
	}
	total := int64(0)
	for _, p := range r.sent {
		total += int64(len(p))
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			dst := make([]byte, 16<<10)
			for seq := uint64(1); seq < r.next; {
				n, err := r.w.Copy(dst, seq)
				if errors.Is(err, feed.ErrBusy) {
					continue
				}
				if err != nil {
					t.Errorf("Copy(%d): %v", seq, err)
					return
				}
				for b := dst[:n]; len(b) > 0; {
					p, err := wire.Parse(b)
					if err != nil || p.First() != seq {
						t.Errorf("Copy(%d): %v", seq, err)
						return
					}
					seq, b = p.Next(), b[len(p):]
				}
			}
		})
	}
	wg.Wait()
	if read := r.w.BytesRead(); read > 3*total/2 {
		t.Errorf("50 clients read %d bytes for %d", read, total)
	}
}

func TestCopyNamesRot(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(100)
	r.fs.Flip(segment(2), 8*3000)
	var failed error
	dst := make([]byte, 4000)
	for seq := uint64(1); seq < r.next; seq++ {
		if _, err := r.w.Copy(dst, seq); err != nil {
			failed = err
		}
	}
	rot := asRot(failed)
	if rot == nil || rot.File != segment(2) || !errors.Is(failed, feed.ErrGone) {
		t.Errorf("Copy over damage: %v", failed)
	}
}

func TestSessionsAndReader(t *testing.T) {
	fs := journaltest.New()
	if _, err := journal.NewReader(fs, "/j", 0); !errors.Is(err, journal.ErrNone) {
		t.Errorf("no directory: %v", err)
	}
	mustStart(t, journal.Options{}, fs).run(3).close()
	if _, err := journal.NewReader(fs, "/j", 1); !errors.Is(err, journal.ErrNone) {
		t.Errorf("no such session: %v", err)
	}
	rd, err := journal.NewReader(fs, "/j", 0)
	if err != nil || rd.State().Session != session(t) {
		t.Fatalf("the only session: %v", err)
	}
	if p, err := rd.Next(); err != nil || p.First() != 1 {
		t.Errorf("Next: %v", err)
	}
	rd.Close()
	if _, err := rd.Next(); err != io.EOF {
		t.Errorf("Next after Close: %v", err)
	}
}
