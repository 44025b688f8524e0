package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// mark is what a story had promised once its trace had so many events.
type mark struct {
	events          int
	promised, acked uint64
	epoch           uint32
}

func (s *story) mark() {
	if s.trace != nil {
		s.marks = append(s.marks, mark{s.trace.Len(), s.promised, s.acked, s.epoch})
	}
}

// asOf is the story as it was after so many events.
func (s *story) asOf(before mark, events int) *story {
	at := before
	for _, m := range s.marks {
		if m.events <= events {
			at = m
		}
	}
	return &story{all: s.all, promised: at.promised, acked: at.acked, epoch: at.epoch}
}

// setting is n, or what the environment asks for.
func setting(t *testing.T, env string, n int) int {
	if s := os.Getenv(env); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s=%q: want a number", env, s)
		}
		return v
	}
	return n
}

// TestImages cuts the power after every single write, sync, creation and change of
// size of several lives, each going on with an image of the one before, so that it
// also cuts recovery short. At every cut it builds the images that legal reorderings
// and tears leave: no unsynced unit survives, all do, each prefix and each suffix of
// them, each alone, all but each, and random sets. TAPECAST_IMAGES is how many
// images there are at least (20,000), TAPECAST_SEED the first seed.
func TestImages(t *testing.T) {
	usual := 20_000
	if testing.Short() {
		usual = 2_000
	}
	want, first := setting(t, "TAPECAST_IMAGES", usual), setting(t, "TAPECAST_SEED", 0)
	var n counts
	seed := uint64(first)
	for ; n.images < want; seed++ {
		rng := rand.New(rand.NewPCG(seed, 3))
		fs := journaltest.New()
		s := story{}
		for life := range 3 {
			before := mark{0, s.promised, s.acked, s.epoch}
			s.trace, s.marks = fs.Trace(), nil
			if err := s.live(t, fs, rng, rng.IntN(40)); err != nil {
				t.Fatalf("seed %d life %d: %v", seed, life, err)
			}
			for r := s.trace.Replay(); ; {
				place := fmt.Sprintf("seed %d life %d event %d", seed, life, r.At())
				n.at(t, place, s.asOf(before, r.At()), r, rng)
				if !r.Next() {
					break
				}
			}
			fs = fs.Crash(seed)
		}
	}
	t.Logf("seeds %d to %d: %d cuts, %d images, %d with a torn tail, %d gone on with", first, seed-1, n.cuts, n.images, n.torn, n.resumed)
	if n.torn == 0 || n.resumed == 0 {
		t.Error("no image was torn, or none was gone on with: the test tests nothing")
	}
}

// counts is what TestImages did.
type counts struct{ cuts, images, torn, resumed int }

// at checks the images of one cut.
func (n *counts) at(t *testing.T, place string, s *story, r *journaltest.Replay, rng *rand.Rand) {
	t.Helper()
	n.cuts++
	units := r.Units()
	n.image(t, place+" none", s, r.Image(func(int) bool { return false }), rng)
	if units == 0 {
		return
	}
	n.image(t, place+" all", s, r.Image(func(int) bool { return true }), rng)
	for range 8 {
		keep := rng.Float64()
		n.image(t, place+" random", s, r.Image(func(int) bool { return rng.Float64() < keep }), rng)
	}
	stride := (units + 15) / 16 // a batch may be thousands of sectors: 16 of them, another 16 next time
	for u := rng.IntN(stride); u < units; u += stride {
		where := fmt.Sprintf("unit %d of %d", u, units)
		n.image(t, place+" before "+where, s, r.Image(func(i int) bool { return i < u }), rng)
		n.image(t, place+" from "+where, s, r.Image(func(i int) bool { return i >= u }), rng)
		n.image(t, place+" only "+where, s, r.Image(func(i int) bool { return i == u }), rng)
		n.image(t, place+" all but "+where, s, r.Image(func(i int) bool { return i != u }), rng)
	}
}

// image checks one image, and now and then goes on with it.
func (n *counts) image(t *testing.T, place string, s *story, fs *journaltest.FS, rng *rand.Rand) {
	t.Helper()
	n.images++
	s.check(t, place, fs)
	o := journal.Options{Dir: "/j", FS: fs, Session: session(t), Channel: channel}
	st := recoverState(t, o)
	if st.Torn != nil {
		n.torn++
	}
	if rng.IntN(16) > 0 {
		return
	}
	n.resumed++
	again, err := start(t, journal.Options{SegmentBytes: 4 << 10}, fs)
	if err != nil {
		t.Fatalf("%s: going on: %v", place, err)
	}
	again.run(2).close()
	got, err := read(t, fs)
	if kept := len(got) - 2; err != nil || kept < 0 || !samePrefix(got[:kept], s.all) || !samePrefix(got[kept:], again.sent) || recoverState(t, o).Torn != nil {
		t.Fatalf("%s: after going on from %d there are %d packets: %v", place, st.Last, len(got), err)
	}
}
