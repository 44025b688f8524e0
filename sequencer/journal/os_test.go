package journal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// TestRealFiles is a life on the file system of the machine.
func TestRealFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	o := journal.Options{Dir: dir, Session: session(t), Channel: channel, SegmentBytes: 64 << 10, Prewrite: 300 << 10}
	var next, chain uint64 = 1, 0
	for epoch := uint32(1); epoch <= 3; epoch++ {
		st := recoverState(t, o)
		if st.Last != next-1 || st.Chain != chain || st.Epoch != epoch-1 {
			t.Fatalf("epoch %d: recovered %d %x, want %d %x", epoch, st.Last, st.Chain, next-1, chain)
		}
		w, err := journal.Open(o, st, journal.Cut{Epoch: epoch, Previous: epoch - 1, Cut: next - 1, Chain: chain})
		if err != nil {
			t.Fatal(err)
		}
		_, err = journal.Open(o, st, journal.Cut{Epoch: epoch + 1, Cut: next - 1, Chain: chain})
		if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), dir) {
			t.Errorf("a second writer: %v", err)
		}
		h, err := history.New(history.Config{Slab: 64 << 10, Bytes: 1 << 20, Older: w}, next)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			b, err := h.Reserve()
			if err != nil {
				t.Fatal(err)
			}
			var p wire.Packet
			p, chain = buildPacket(b, t, epoch, next, chain, 10, 100)
			h.Commit(p, nil)
			next = p.Next()
			h.Unsent(10, nil)
			if _, err := w.Step(h, wire.Nanos(next)*1_000_000); err != nil {
				t.Fatal(err)
			}
		}
		copyAll(t, h.Copy, 1, next)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := journal.Verify(dir, 0)
	if err != nil || rep.Damage != nil || rep.State.Last != next-1 || rep.State.Chain != chain {
		t.Errorf("Verify: %+v, %v", rep, err)
	}
	all, err := journal.Sessions(dir)
	if err != nil || len(all) != 1 || all[0].Session != session(t) || all[0].Segments < 3 {
		t.Errorf("Sessions: %+v, %v", all, err)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := journal.Options{Dir: file, Session: session(t), Channel: channel}
	st, err := journal.Recover(o)
	if err == nil {
		_, err = journal.Open(o, st, journal.Cut{Epoch: 1})
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a directory: %v", err)
	}
}
