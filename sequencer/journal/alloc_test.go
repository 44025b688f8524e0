package journal_test

import (
	"path/filepath"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// live opens a journal on the machine's file system and a history before it.
func live(t testing.TB) (journal.Options, *journal.Writer, *history.History) {
	o := journal.Options{Dir: t.TempDir(), Session: session(t), Channel: channel}
	w, err := journal.Open(o, recoverState(t, o), journal.Cut{Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.New(history.Config{Older: w}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); h.Close() })
	return o, w, h
}

// feeder commits full packets.
func feeder(t testing.TB, h *history.History) (commit func()) {
	var chain uint64
	var b wire.Builder
	msg := (&wire.Opaque{Data: make([]byte, 13)}).AppendTo(nil)
	progress := []feed.Progress{{Input: 1, Hash: 2}}
	ps := make([]wire.Packet, 0, 8)
	return func() {
		buf, err := h.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		for b.Open(buf); b.Add(msg, 5); {
		}
		var p wire.Packet
		p, chain = b.Close(wire.Header{
			Type: wire.TypeSequenced, Channel: channel, Session: session(t), Epoch: 1, Sequence: h.Next(), Chain: chain,
		}, 9)
		progress[0].Seq = p.Next() - 1
		h.Commit(p, progress)
		h.Unsent(8, ps)
	}
}

func TestAllocs(t *testing.T) {
	o, w, h := live(t)
	commit := feeder(t, h)
	now := wire.Nanos(0)
	step := func() {
		for range 4 {
			commit()
		}
		now += journal.DefaultSync
		if _, err := w.Step(h, now); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("Step: %v allocations", n)
	}
	dst := make([]byte, 64<<10)
	if n := testing.AllocsPerRun(200, func() { w.Copy(dst, 3) }); n != 0 {
		t.Errorf("Copy: %v allocations", n)
	}
	if n := testing.AllocsPerRun(200, func() { w.Acknowledged(1); w.Oldest() }); n != 0 {
		t.Errorf("Acknowledged, Oldest: %v allocations", n)
	}
	rd, err := journal.OpenReader(filepath.Clean(o.Dir), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	rd.Next()
	if n := testing.AllocsPerRun(100, func() { rd.Next() }); n != 0 {
		t.Errorf("Next: %v allocations", n)
	}
}

func BenchmarkStep(b *testing.B) {
	_, w, h := live(b)
	commit := feeder(b, h)
	b.SetBytes(1400)
	for b.Loop() {
		commit()
		if h.Next()%(46*200) < 46 {
			if _, err := w.Step(h, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkRecover(b *testing.B) {
	o, w, h := live(b)
	commit := feeder(b, h)
	for i := range 200_000 {
		commit()
		if i%500 == 499 {
			if _, err := w.Step(h, 1); err != nil {
				b.Fatal(err)
			}
		}
	}
	w.Close()
	b.ResetTimer()
	for b.Loop() {
		st := recoverState(b, o)
		b.SetBytes(st.Bytes)
		b.ReportMetric(float64(st.Last), "messages/op")
	}
}
