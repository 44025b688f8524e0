package journal_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// TestRestartAfterFailure makes each call fail in turn, starts again on the same
// kernel, which still has in memory what it could not write, and then cuts the power:
// what the second process promised must be there. tools/sim found that it was not.
func TestRestartAfterFailure(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for k := 1; ; k++ {
			fs := journaltest.New()
			r := mustStart(t, journal.Options{Strict: strict, SegmentBytes: 4 << 10}, fs)
			fs.FailCall(k, syscall.EIO, false)
			if !r.fails(40) {
				break
			}
			_ = r.w.Close()
			fs.FailCall(0, nil, false)
			again := mustStart(t, journal.Options{Strict: strict, SegmentBytes: 4 << 10}, fs).run(3)
			for seed := range uint64(20) {
				o := again.o
				o.FS = fs.Crash(seed)
				st, err := journal.Recover(o)
				if err != nil || st.Last < again.h.Durable() {
					t.Fatalf("strict %v, call %d fails, crash %d: recovered to %d of %d: %v", strict, k, seed, st.Last, again.h.Durable(), err)
				}
			}
		}
	}
}

// fails runs until a step fails, n packets at most.
func (r *rig) fails(n int) bool {
	for range n {
		r.put(3, 60)
		r.now += journal.DefaultSync
		if _, err := r.step(); err != nil {
			return true
		}
	}
	return false
}

// TestStartAfterCrashAtStart cuts the power at each call of the very first start: the
// next one begins the session.
func TestStartAfterCrashAtStart(t *testing.T) {
	for k := 1; ; k++ {
		fs := journaltest.New()
		fs.FailCall(k, syscall.EIO, false)
		if _, err := start(t, journal.Options{}, fs); err == nil {
			return
		}
		for seed := range uint64(20) {
			if _, err := start(t, journal.Options{}, fs.Crash(seed)); err != nil {
				t.Fatalf("call %d fails, crash %d: %v", k, seed, err)
			}
		}
	}
}

// TestRotBeforeOpen changes every fifth byte that Open writes again, one at a time, after
// Recover has read it: Open refuses it and does not write it, so that no floor comes to
// stand over it, and the next Recover names the place.
func TestRotBeforeOpen(t *testing.T) {
	r := mustStart(t, journal.Options{SegmentBytes: 4 << 10}, journaltest.New()).run(3)
	for range 16 {
		r.put(3, 60)
	}
	if n, err := r.step(); err != nil || n != 16 { // rolls, and syncs no more than that
		t.Fatalf("%d packets, %v", n, err)
	}
	tried := 0
	for id := 1; id <= 2; id++ {
		recs := journal.Records(r.fs, sessionDir, uint64(id))
		from, to := int64(0), recs[len(recs)-1].To
		for _, rec := range recs {
			from = max(from, rec.Floor)
		}
		for at := from; at < to; at += 5 {
			checkRotBeforeOpen(t, r, segment(id), at)
			tried++
		}
	}
	if tried < 800 {
		t.Errorf("%d bytes tried", tried)
	}
}

func checkRotBeforeOpen(t *testing.T, r *rig, path string, at int64) {
	t.Helper()
	o, fs := r.o, r.fs.Kill()
	o.FS = fs
	st := recoverState(t, o)
	fs.Flip(path, 8*at+at%8)
	fs.Record()
	_, err := journal.Open(o, st, journal.Cut{Epoch: st.Epoch + 1, Previous: st.Epoch, Cut: st.Last, Chain: st.Chain})
	if !errors.Is(err, journal.ErrStale) {
		t.Fatalf("%s, byte %d changed: Open: %v", path, at, err)
	}
	for _, op := range fs.Ops() {
		if op.Call == "WriteAt" && op.Path == path && op.Offset <= at && at < op.Offset+int64(op.Length) {
			t.Fatalf("%s, byte %d changed, and written: %v", path, at, op)
		}
	}
	again, err := journal.Recover(o)
	if rot := asRot(err); rot == nil && (err != nil || again.Last >= st.Last && again.Torn == nil) {
		t.Fatalf("%s, byte %d changed: recovered to %d of %d, torn %v, %v", path, at, again.Last, st.Last, again.Torn, err)
	}
}

// TestGoneBeforeOpen takes durable segments away after Recover has read them: Open refuses,
// and makes none, so that the next Recover tells what is missing, and not a shorter journal.
func TestGoneBeforeOpen(t *testing.T) {
	r := mustStart(t, journal.Options{SegmentBytes: 4 << 10}, journaltest.New()).run(3)
	for range 16 {
		r.put(3, 60)
	}
	if n, err := r.step(); err != nil || n != 16 {
		t.Fatalf("%d packets, %v", n, err)
	}
	o, fs := r.o, r.fs.Kill()
	o.FS = fs
	st := recoverState(t, o)
	for id := 2; id <= st.Segments+1; id++ { // the last one is prepared for what comes next
		fs.Remove(segment(id))
	}
	_, err := journal.Open(o, st, journal.Cut{Epoch: st.Epoch + 1, Previous: st.Epoch, Cut: st.Last, Chain: st.Chain})
	if !errors.Is(err, journal.ErrStale) {
		t.Errorf("Open: %v", err)
	}
	if again, err := journal.Recover(o); asRot(err) == nil {
		t.Errorf("recovered to %d of %d, torn %v, %v", again.Last, st.Last, again.Torn, err)
	}
}
