package journal_test

import (
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
