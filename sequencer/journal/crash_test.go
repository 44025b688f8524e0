package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// story is one life of a journal: packets of random sizes, random times, in both
// modes, closed or not. It returns what was committed and what was promised to be
// durable, and stops at the first failure.
type story struct {
	all      []wire.Packet // what the journal may hold, in order
	promised uint64        // the highest sequence that was said to be durable
	acked    uint64        // of input 1, in strict mode
	epoch    uint32        // the highest that Open returned for

	trace *journaltest.Trace // nil: none
	marks []mark             // what was promised when, by its events
}

func (s *story) live(t *testing.T, fs *journaltest.FS, rng *rand.Rand, packets int) (err error) {
	o := journal.Options{Strict: rng.IntN(2) == 0, SegmentBytes: 4 << 10, Prewrite: int64(rng.IntN(3)) * (7 << 10)}
	r, err := start(t, o, fs)
	if r.w != nil {
		if rng.IntN(2) == 0 {
			defer func() { err = errors.Join(err, r.w.Close()) }()
		}
		s.epoch = r.epoch
		s.cut(r.st.Last)
		s.mark()
	}
	if err != nil {
		return err
	}
	for range packets {
		r.put(1+rng.IntN(4), 8+rng.IntN(100))
		s.all = append(s.all, r.sent[len(r.sent)-1])
		if rng.IntN(3) == 0 {
			continue
		}
		r.now += wire.Nanos(rng.IntN(8_000_000))
		_, err := r.step()
		s.promised = max(s.promised, r.h.Durable()) // what was said counts, failure or not
		if o.Strict {
			s.acked = max(s.acked, r.w.Acknowledged(1))
		}
		s.mark()
		if err != nil {
			return err
		}
	}
	return nil
}

// cut drops what a restart did not find.
func (s *story) cut(last uint64) {
	for len(s.all) > 0 && s.all[len(s.all)-1].Next()-1 > last {
		s.all = s.all[:len(s.all)-1]
	}
}

// check recovers an image and says whether all promises hold.
func (s *story) check(t *testing.T, place string, fs *journaltest.FS) {
	t.Helper()
	o := journal.Options{Dir: "/j", FS: fs, Session: session(t), Channel: channel}
	st, err := journal.Recover(o)
	if err != nil {
		t.Fatalf("%s: Recover: %v", place, err)
	}
	if st.Last < s.promised || st.Inputs[inputHash] < s.acked || st.Epoch < s.epoch {
		t.Fatalf("%s: recovered to %d, input %d, epoch %d; promised %d, %d, %d", place, st.Last, st.Inputs[inputHash], st.Epoch, s.promised, s.acked, s.epoch)
	}
	got, err := read(t, fs)
	if errors.Is(err, journal.ErrNone) && st.Epoch == 0 {
		err = nil
	}
	if err != nil || !samePrefix(got, s.all) {
		t.Fatalf("%s: %d packets that were never committed so: %v", place, len(got), err)
	}
	if n := len(got); n > 0 && got[n-1].Next()-1 != st.Last || n == 0 && st.Last != 0 {
		t.Fatalf("%s: read %d packets, recovered to %d", place, n, st.Last)
	}
}

// TestCrashImages cuts the power at random moments of several lives in a row, each
// going on with the image that the last one left.
func TestCrashImages(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 50
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := journaltest.New()
		var s story
		for life := range 4 {
			if err := s.live(t, fs, rng, rng.IntN(40)); err != nil {
				t.Fatalf("seed %d life %d: %v", seed, life, err)
			}
			for i := range uint64(3) {
				s.check(t, fmt.Sprintf("seed %d life %d image %d", seed, life, i), fs.Crash(seed*100+i))
			}
			s.check(t, fmt.Sprintf("seed %d life %d killed", seed, life), fs.Kill())
			fs = fs.Crash(seed * 100)
		}
	}
}

// TestEveryCallFails lets every call of a life fail once, in every way, until none
// is left. The journal must be dead or refuse to open, and must not have promised
// what a crash afterwards takes away.
func TestEveryCallFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		short bool
	}{{"EIO", syscall.EIO, false}, {"ENOSPC", syscall.ENOSPC, true}} {
		t.Run(c.name, func(t *testing.T) {
			for k := 1; ; k++ {
				if !failOnce(t, k, c.err, c.short) {
					t.Logf("%d calls", k-1)
					return
				}
			}
		})
	}
}

// failOnce fails the k-th call of a first life and of a second one, and reports
// whether either had so many.
func failOnce(t *testing.T, k int, failure error, short bool) bool {
	happened, lives := false, uint64(8)
	if testing.Short() {
		lives = 2
	}
	for i := range lives {
		seed, life := i/2, int(i%2)
		place := fmt.Sprintf("call %d of life %d, seed %d", k, life, seed)
		fs := journaltest.New()
		var s story
		rng := rand.New(rand.NewPCG(seed, 9))
		for range life {
			if err := s.live(t, fs, rng, 25); err != nil {
				t.Fatal(err)
			}
			fs = fs.Crash(seed)
		}
		before := fs.Calls()
		fs.Record()
		fs.FailCall(k, failure, short)
		err := s.live(t, fs, rng, 50)
		if fs.Calls()-before < k {
			continue
		}
		happened = true
		op := fs.Ops()[k-1]
		if !errors.Is(err, failure) && op.Call != "Close" { // a file that is only closed has been synced
			t.Fatalf("%s, %s: %v, want %v", place, op, err, failure)
		}
		fs.FailCall(0, nil, false)
		for j := range uint64(3) {
			s.check(t, place, fs.Crash(uint64(k)*10+j))
		}
		s.check(t, place, fs.Kill())
	}
	return happened
}
