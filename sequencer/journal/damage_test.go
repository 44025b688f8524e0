package journal_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

const sessionDir = "/j/20240103"

// damaged returns a file system with files' contents, one of them replaced.
func damaged(fs *journaltest.FS, path string, b []byte) *journaltest.FS {
	g := fs.Kill()
	g.Put(path, b)
	return g
}

// TestTornTailAtEveryByte tears the last records of a journal at every byte, in
// four ways. What is durable stays, what is torn is reported, cut, and gone.
func TestTornTailAtEveryByte(t *testing.T) {
	r := mustStart(t, journal.Options{SegmentBytes: 4 << 10}, journaltest.New()).run(4)
	r.step() // the floor
	for range 3 {
		r.put(1, 40)
		r.step() // written, not synced
	}
	whole := r.fs.Bytes(segment(1))
	recs := journal.Records(r.fs, sessionDir, 1)
	last := recs[len(recs)-1]
	from := recs[len(recs)-3].From
	rng := rand.New(rand.NewPCG(1, 2))
	for at := from; at < last.To; at++ {
		zeroed, noise, hole := bytes.Clone(whole), bytes.Clone(whole), bytes.Clone(whole)
		clear(zeroed[at:])
		for i := at; i < int64(len(noise)); i++ {
			noise[i] = byte(rng.Uint32())
		}
		hole[at] ^= 0x55 // and what follows survived
		for name, b := range map[string][]byte{"truncated": bytes.Clone(whole[:at]), "zeroed": zeroed, "noise": noise, "hole": hole} {
			checkTorn(t, name, r, recs, at, damaged(r.fs, segment(1), b))
		}
	}
}

func checkTorn(t *testing.T, name string, r *rig, recs []journal.Record, at int64, fs *journaltest.FS) {
	t.Helper()
	var valid journal.Record // the last one before at
	for _, rec := range recs {
		if rec.To <= at {
			valid = rec
		}
	}
	o := r.o
	o.FS = fs
	st, err := journal.Recover(o)
	if err != nil {
		t.Fatalf("%s at %d: %v", name, at, err)
	}
	if st.Last != valid.Next-1 {
		t.Fatalf("%s at %d: last %d, want %d", name, at, st.Last, valid.Next-1)
	}
	if torn := st.Torn; torn != nil && (torn.Offset != valid.To || torn.Sequence != valid.Next || torn.File != segment(1)) {
		t.Fatalf("%s at %d: torn %+v, want offset %d", name, at, torn, valid.To)
	}
	if st.Torn == nil && at > valid.To && name != "truncated" && name != "zeroed" {
		t.Fatalf("%s at %d: nothing reported", name, at)
	}
	again := mustStart(t, journal.Options{SegmentBytes: 4 << 10}, fs).run(2)
	again.close()
	if st := recoverState(t, o); st.Torn != nil || !st.Clean {
		t.Fatalf("%s at %d: after the restart clean %v, torn %+v", name, at, st.Clean, st.Torn)
	}
	got, err := read(t, fs)
	want := append(r.sent[:len(r.sent):len(r.sent)], again.sent...)
	kept := 0
	for kept < len(r.sent) && r.sent[kept].First() <= st.Last {
		kept++
	}
	want = append(want[:kept:kept], again.sent...)
	if err != nil || len(got) != len(want) || !samePrefix(got, want) {
		t.Fatalf("%s at %d: after the restart %d packets, want %d: %v", name, at, len(got), len(want), err)
	}
}

// TestEveryBitFlip flips every bit of a small journal that was not closed. Below
// the floor it is rot, at the record it hit; above it the tail is cut there.
func TestEveryBitFlip(t *testing.T) {
	r := mustStart(t, journal.Options{SegmentBytes: 4 << 10}, journaltest.New())
	for range 9 {
		r.put(2, 50)
		r.put(1, 20)
		r.settle()
	}
	r.step()
	r.put(1, 20)
	r.step() // beyond the floor
	segments := 0
	for id := 1; r.fs.Bytes(segment(id)) != nil && len(journal.Records(r.fs, sessionDir, uint64(id))) > 0; id++ {
		segments = id
	}
	if segments < 2 {
		t.Fatalf("%d segments", segments)
	}
	for id := 1; id <= segments; id++ {
		recs := journal.Records(r.fs, sessionDir, uint64(id))
		whole := r.fs.Bytes(segment(id))
		fs := r.fs.Kill()
		for bit := int64(0); bit < recs[len(recs)-1].To*8; bit++ {
			fs.Flip(segment(id), bit)
			checkFlip(t, r, fs, id, segments, recs, bit/8)
			fs.Flip(segment(id), bit)
		}
		if got := fs.Bytes(segment(id)); !bytes.Equal(got, whole) {
			t.Fatal("the test changed the journal")
		}
	}
}

func checkFlip(t *testing.T, r *rig, fs *journaltest.FS, id, segments int, recs []journal.Record, at int64) {
	t.Helper()
	hit, next := int64(0), recs[0].First // the header
	for _, rec := range recs {
		if rec.From <= at && at < rec.To {
			hit, next = rec.From, rec.First
		}
	}
	floor := int64(0) // of the records that are still whole
	for _, rec := range recs {
		if rec.From != hit {
			floor = max(floor, rec.Floor)
		}
	}
	o := r.o
	o.FS = fs
	st, err := journal.Recover(o)
	rot := asRot(err)
	if id < segments || hit < floor {
		if rot == nil || rot.File != segment(id) || rot.Offset != hit || rot.Sequence != next {
			t.Fatalf("segment %d byte %d: %v, want rot at %d, sequence %d", id, at, err, hit, next)
		}
		return
	}
	if err != nil || st.Torn == nil || st.Torn.Offset != hit || st.Last != next-1 {
		t.Fatalf("segment %d byte %d: %v, %+v, want a tail torn at %d, sequence %d", id, at, err, st.Torn, hit, next)
	}
}

// What Open has promised is told from a torn tail at once, and so is the end.
func TestFloorsOfOpenAndEnd(t *testing.T) {
	fs := journaltest.New()
	r := mustStart(t, journal.Options{}, fs)
	flip := func(name string, rec journal.Record) {
		t.Helper()
		o := r.o
		g := fs.Kill()
		g.Flip(segment(1), 8*rec.To-1)
		o.FS = g
		if _, err := journal.Recover(o); asRot(err) == nil || asRot(err).Offset != rec.From {
			t.Errorf("%s damaged: %v", name, err)
		}
	}
	flip("the epoch record", journal.Records(fs, sessionDir, 1)[0])
	r.run(3)
	if err := r.w.End(r.next-1, r.chain); err != nil {
		t.Fatal(err)
	}
	for _, rec := range journal.Records(fs, sessionDir, 1) {
		if rec.Type == journal.TypeEnd {
			flip("the end record", rec)
		}
	}
}

func TestMissingSegments(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(120)
	r.close()
	var begun int
	for begun = 1; len(journal.Records(r.fs, sessionDir, uint64(begun+1))) > 0; begun++ {
	}
	if begun < 3 {
		t.Fatalf("%d segments", begun)
	}
	for id := 1; id <= begun; id++ {
		fs := r.fs.Kill()
		fs.Remove(segment(id))
		o := r.o
		o.FS = fs
		_, err := journal.Recover(o)
		if rot := asRot(err); rot == nil || rot.File != segment(id) {
			t.Errorf("segment %d missing: %v", id, err)
		}
	}
	for id := 2; id <= begun; id++ { // recycled or misplaced: a neighbour's bytes
		o := r.o
		o.FS = damaged(r.fs, segment(id), r.fs.Bytes(segment(id-1)))
		_, err := journal.Recover(o)
		if rot := asRot(err); rot == nil {
			t.Errorf("segment %d holds the one before: %v", id, err)
		}
	}
}

// Bytes of an earlier use of the disk never verify, whatever they are.
func TestStaleBytesNeverVerify(t *testing.T) {
	old := mustStart(t, journal.Options{}, journaltest.New())
	old.put(1, 30)
	old.run(60)
	old.close()
	r := mustStart(t, journal.Options{}, journaltest.New()).run(3)
	b := r.fs.Bytes(segment(1))
	recs := journal.Records(r.fs, sessionDir, 1)
	end := recs[len(recs)-1].To
	for id := 1; id <= 3; id++ {
		stale := old.fs.Bytes(segment(id))
		for _, rec := range journal.Records(old.fs, sessionDir, uint64(id)) {
			image := bytes.Clone(b)
			copy(image[end:], stale[rec.From:])
			o := r.o
			o.FS = damaged(r.fs, segment(1), image)
			if st := recoverState(t, o); st.Last != r.next-1 || st.Torn == nil {
				t.Fatalf("segment %d record %d: last %d, want %d", id, rec.From, st.Last, r.next-1)
			}
		}
	}
}

func TestVerify(t *testing.T) {
	r := mustStart(t, journal.Options{}, journaltest.New()).run(60)
	r.close()
	rep, err := journal.Verified(r.fs, "/j")
	if err != nil || rep.Damage != nil || !rep.State.Clean || rep.State.Last != r.next-1 || rep.State.Chain != r.chain {
		t.Fatalf("a whole journal: %+v %v", rep, err)
	}
	rec := journal.Records(r.fs, sessionDir, 2)[4]
	r.fs.Flip(segment(2), 8*rec.From+100)
	r.fs.Flip(segment(3), 8*200)
	rep, err = journal.Verified(r.fs, "/j")
	if d := rep.Damage; err != nil || d == nil || d.File != segment(2) || d.Offset != rec.From {
		t.Errorf("damage %+v, want offset %d: %v", rep.Damage, rec.From, err)
	}
	got, err := read(t, r.fs)
	if rot := asRot(err); rot == nil || len(got) == 0 || !samePrefix(got, r.sent) || got[len(got)-1].Next() != rot.Sequence {
		t.Errorf("read %d packets up to %v", len(got), err)
	}
}
