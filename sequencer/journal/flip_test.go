package journal_test

import (
	"cmp"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// flipSegment times flipSegments is the journal of TestFlipMebibyte: 1 MiB.
const (
	flipSegment  = 64 << 10
	flipSegments = 16
)

// flips is a journal of 1 MiB and what recovering it says, from each place on.
type flips struct {
	r      *rig
	fs     *journaltest.FS
	o      journal.Options
	whole  *journal.State
	points [][]journal.Point // by segment, from 0
	floor  int64             // of the last segment
	second int64             // and the next lower one, which counts where the record with floor is hit
	holder int64             // the offset of that record
	buf    []byte
}

// TestFlipMebibyte flips bits of a journal of 1 MiB that was not closed, one at a
// time, and recovers from the record or header that was hit; what lies before is the
// same for each of its bits. A sample is recovered from the start as well. Below the
// floor a flip is rot, at the record that it hit, and never a shorter journal; above
// it the tail is torn there; where nothing was written it is a torn tail behind all
// records, or nothing. It flips one bit in TAPECAST_FLIPS (1009), which ones by seed;
// 1 is all 8,388,608 of them, in about three minutes of one core.
func TestFlipMebibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short mode: half a minute under the race detector, of one goroutine")
	}
	stride := int64(setting(t, "TAPECAST_FLIPS", 1009))
	f := newFlips(t)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 5))
	t.Logf("seed %d", seed)
	var bits, fully int
	outcomes := map[string]int{}
	for id := uint64(1); id <= flipSegments; id++ {
		for bit := rng.Int64N(stride); bit < 8*flipSegment; bit += stride {
			bits++
			outcome := f.flip(t, id, bit, rng.Int64N(max(20_000/stride, 1)) == 0, &fully)
			outcomes[outcome]++
		}
	}
	t.Logf("%d bits flipped: %v; %d recovered from the start as well", bits, outcomes, fully)
	if len(outcomes) != 4 || fully == 0 || stride == 1 && bits != 8<<20 {
		t.Errorf("outcomes %v, %d from the start: not all kinds were met", outcomes, fully)
	}
	st, err := journal.Recover(f.o)
	if err != nil || !same(st, f.whole) {
		t.Fatalf("the test changed the journal: %+v %v", st, err)
	}
}

// newFlips writes the journal: 15 segments and a part of another, the last records
// beyond the floor.
func newFlips(t *testing.T) *flips {
	t.Helper()
	r := mustStart(t, journal.Options{SegmentBytes: flipSegment}, journaltest.New())
	for len(journal.Records(r.fs, sessionDir, flipSegments)) < 30 {
		r.put(1+int(r.next%20), 8+int(r.next%57))
		r.settle()
	}
	r.step()
	for range 5 {
		r.put(3, 60)
		r.step() // beyond the floor
	}
	f := &flips{r: r, fs: r.fs.Kill(), o: r.o, buf: make([]byte, flipSegment), points: make([][]journal.Point, flipSegments+1)}
	f.o.FS = f.fs
	f.whole = recoverState(t, f.o)
	points, err := journal.Points(f.o)
	if err != nil || f.whole.Last != r.next-1 || f.whole.Segments != flipSegments {
		t.Fatalf("recovered to %d of %d, %d segments: %v", f.whole.Last, r.next-1, f.whole.Segments, err)
	}
	for _, p := range points {
		f.points[p.Segment] = append(f.points[p.Segment], p)
	}
	for _, rec := range journal.Records(f.fs, sessionDir, flipSegments) {
		if rec.Floor > f.floor {
			f.second, f.floor, f.holder = f.floor, rec.Floor, rec.From
		}
	}
	if end := f.end(); f.floor >= end.Offset || f.second == 0 {
		t.Fatalf("floors %d and %d, the end is %d", f.second, f.floor, end.Offset)
	}
	return f
}

// end is where nothing is written any more.
func (f *flips) end() journal.Point {
	last := f.points[flipSegments]
	return last[len(last)-1]
}

func same(a, b *journal.State) bool {
	return a.Last == b.Last && a.Chain == b.Chain && a.Packets == b.Packets && a.Epoch == b.Epoch && a.Segments == b.Segments && (a.Torn == nil) == (b.Torn == nil)
}

// flip flips one bit, checks what recovery says, and flips it back.
func (f *flips) flip(t *testing.T, id uint64, bit int64, fully bool, count *int) (outcome string) {
	t.Helper()
	f.fs.Flip(segment(int(id)), bit)
	defer f.fs.Flip(segment(int(id)), bit)
	ps := f.points[id]
	hit := search(ps, bit/8)
	st, passed, err := hit.Resume(f.o, f.buf, id, hit.Offset)
	outcome = f.judge(t, id, bit, hit, st, passed, err)
	if !fully {
		return outcome
	}
	*count++
	whole, wholeErr := journal.Recover(f.o)
	rot, wholeRot := asRot(err), asRot(wholeErr)
	if (err == nil) != (wholeErr == nil) || rot != nil && *rot != *wholeRot {
		t.Fatalf("segment %d bit %d: from the start %v, from the record %v", id, bit, wholeErr, err)
	}
	if err == nil && !passed && (whole.Last != st.Last || *whole.Torn != *st.Torn) || passed && !same(whole, f.whole) {
		t.Fatalf("segment %d bit %d: from the start %+v, from the record %+v", id, bit, whole, st)
	}
	return outcome
}

// search finds the header or record that a byte belongs to; in a rolled segment the
// roll record stands for the zeros behind it.
func search(ps []journal.Point, at int64) *journal.Point {
	lo, hi := 0, len(ps)
	for lo < hi {
		mid := (lo + hi) / 2
		if cmp.Compare(ps[mid].Offset, at) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return &ps[lo-1]
}

// judge says which outcome it is, or that it is the wrong one.
func (f *flips) judge(t *testing.T, id uint64, bit int64, hit *journal.Point, st *journal.State, passed bool, err error) string {
	t.Helper()
	at, rot := bit/8, asRot(err)
	floor := f.floor
	if hit.Offset == f.holder {
		floor = f.second
	}
	switch rolled := hit.Roll && at >= hit.Offset+journal.RollRecord; {
	case rolled:
		if err == nil && passed && st.Last == hit.Next-1 {
			return "nothing, behind a roll record"
		}
	case id < flipSegments || hit.Offset < floor:
		if rot != nil && rot.File == segment(int(id)) && rot.Offset == hit.Offset && rot.Sequence == hit.Next {
			return "rot"
		}
	case hit.Offset < f.end().Offset:
		if err == nil && !passed && st.Torn != nil && st.Torn.Offset == hit.Offset && st.Last == hit.Next-1 {
			return "a torn tail at the record"
		}
	default:
		if err == nil && !passed && st.Torn != nil && st.Torn.Offset == f.end().Offset && st.Last == f.whole.Last {
			return "a torn tail behind all records"
		}
	}
	t.Fatalf("segment %d bit %d, record at %d, sequence %d: %v, passed %v, last %d, torn %+v", id, bit, hit.Offset, hit.Next, err, passed, st.Last, st.Torn)
	return ""
}
