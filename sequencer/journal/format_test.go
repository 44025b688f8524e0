package journal

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// TestGolden pins the layout that doc.go draws.
func TestGolden(t *testing.T) {
	h := header{channel: 0x0102, epoch: 0x03040506, segment: 2, session: 0x4142, first: 9, chain: 0x11, recordChain: 0x22}
	chain := uint64(0x33)
	rec := appendRecord(make([]byte, 0, 64), &chain, 2, typePacket, []feed.Progress{{Hash: 7, Seq: 8}}, []byte("abc"))
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"header": {h.appendTo(nil), "54436a726e6c0d0a" + "0100" + "0201" + "06050403" + "0200000000000000" + "4241000000000000" +
			"0900000000000000" + "1100000000000000" + "2200000000000000" + "0000000000000000000000000000000000000000"},
		"record": {rec[offLength:], "27000000" + "01" + "00" + "0100" + "0700000000000000" + "0800000000000000" + "616263"},
		"epoch":  {(&Cut{1, 2, 3, 4}).append(nil), "01000000" + "02000000" + "0300000000000000" + "0400000000000000"},
		"floor": {(&floor{0x41, place{1, 2}, place{3, 4}, 5}).append(nil), "4100000000000000" + "0100000000000000" + "0200000000000000" +
			"0300000000000000" + "0400000000000000" + "0500000000000000"},
	} {
		if got := hex.EncodeToString(c.got); len(got) < len(c.want) || got[:len(c.want)] != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	var back header
	if ok, err := back.decode(h.appendTo(nil)); !ok || err != nil || back != h {
		t.Errorf("header read back: %+v, %v %v", back, ok, err)
	}
	if link(1, 2, 3, 4) == link(1, 3, 3, 4) || link(1, 2, 3, 4) == link(2, 2, 3, 4) {
		t.Error("the record chain does not depend on the segment and the chain before")
	}
}

// Another version is not damage.
func TestVersion(t *testing.T) {
	h := header{segment: 1}
	b := h.appendTo(nil)
	b[offVersion] = formatVersion + 1
	s := sum(b[:offHeaderSum])
	b[offHeaderSum], b[offHeaderSum+1], b[offHeaderSum+2], b[offHeaderSum+3] = byte(s), byte(s>>8), byte(s>>16), byte(s>>24)
	if _, err := h.decode(b); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer version: %v", err)
	}
}

func TestSegmentNames(t *testing.T) {
	for name, want := range map[string]uint64{
		"00000001.tcj": 1, "12345678.tcj": 12345678, "1.tcj": 0, "00000000.tcj": 0, "00000001.tcj.old": 0, "lock": 0, "": 0,
	} {
		if got := segmentID(name); got != want {
			t.Errorf("%q is segment %d, want %d", name, got, want)
		}
	}
}

// TestRecordsThatCannotBe writes records that verify and make no sense. They are
// never cut as a torn tail would be.
func TestRecordsThatCannotBe(t *testing.T) {
	session, _ := wire.ParseSession("S")
	good := wire.Header{Type: wire.TypeSequenced, Session: session, Epoch: 5, Sequence: 1}
	for name, change := range map[string]func(h *wire.Header){
		"chain":    func(h *wire.Header) { h.Chain++ },
		"sequence": func(h *wire.Header) { h.Sequence++ },
		"epoch":    func(h *wire.Header) { h.Epoch++ },
		"session":  func(h *wire.Header) { h.Session++ },
		"channel":  func(h *wire.Header) { h.Channel++ },
		"type":     func(h *wire.Header) { h.Type = wire.TypeSnapshot },
		"":         func(*wire.Header) {},
	} {
		h := good
		change(&h)
		var b wire.Builder
		b.Open(make([]byte, 200))
		b.Add((&wire.Opaque{}).AppendTo(nil), 1)
		p, _ := b.Close(h, 1)
		err := recoverWith(t, session, func(w *Writer) {
			w.batch = appendRecord(w.batch, &w.chain, w.seg.id, typePacket, nil, p)
		})
		checkCannotBe(t, "packet of another "+name, name == "", err)
	}
	for name, rec := range map[string]struct {
		typ  uint8
		body []byte
	}{
		"an epoch that falls":  {typeEpoch, (&Cut{Epoch: 4}).append(nil)},
		"a cut ahead":          {typeEpoch, (&Cut{Epoch: 6, Cut: 1}).append(nil)},
		"a short end":          {typeEnd, make([]byte, endLen-1)},
		"an unknown type":      {9, nil},
		"an end of more":       {typeEnd, append([]byte{9}, make([]byte, endLen-1)...)},
		"a roll to itself":     {typeRoll, append([]byte{1}, make([]byte, rollLen-1)...)},
		"a cut of other chain": {typeEpoch, (&Cut{Epoch: 6, Chain: 1}).append(nil)},
	} {
		err := recoverWith(t, session, func(w *Writer) {
			w.batch = appendRecord(w.batch, &w.chain, w.seg.id, rec.typ, nil, rec.body)
		})
		checkCannotBe(t, name, false, err)
	}
}

func checkCannotBe(t *testing.T, name string, fine bool, err error) {
	t.Helper()
	var rot *RotError
	if errors.As(err, &rot) == fine {
		t.Errorf("%s: %v", name, err)
	}
}

// recoverWith recovers a journal with something put at its end.
func recoverWith(t *testing.T, session wire.Session, put func(*Writer)) error {
	t.Helper()
	o := Options{Dir: t.TempDir(), Session: session, SegmentBytes: MinSegment}
	st, err := Recover(o)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Open(o, st, Cut{Epoch: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	put(w)
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	_, err = Recover(o)
	return err
}

func TestIndex(t *testing.T) {
	var x index
	for i := range uint64(10) { // a packet of 100 messages in every half block
		x.note(1+100*i, place{1, int64(i) * blockBytes / 2})
	}
	if len(x.blocks) != 5 {
		t.Fatalf("%d blocks", len(x.blocks))
	}
	x.seal(10 * blockBytes / 2)
	x.cut(450)
	x.note(451, place{2, headerLen})
	for seq, want := range map[uint64]block{
		1: {1, 1, 0, blockBytes}, 200: {1, 1, 0, blockBytes}, 201: {201, 1, blockBytes, 2 * blockBytes},
		450: {401, 1, 2 * blockBytes, 3 * blockBytes}, 451: {451, 2, headerLen, 0}, 999: {451, 2, headerLen, 0},
	} {
		if got, limit, ok := x.find(seq, 1000); !ok || got != want || seq >= limit {
			t.Errorf("find(%d): %+v below %d, want %+v", seq, got, limit, want)
		}
	}
	if _, _, ok := x.find(0, 1000); ok {
		t.Error("found sequence 0")
	}
}

// A block whose end is noted but not written yet is read only as far as it is.
func TestLocateStopsAtTheTail(t *testing.T) {
	s := store{next: 50, tail: place{1, 5000}}
	s.note(1, place{1, 100})
	s.note(80, place{1, 100 + blockBytes})
	if b, limit, err := s.locate(10); err != nil || b.to != 5000 || limit != 50 {
		t.Errorf("block %+v below %d, %v", b, limit, err)
	}
	if _, _, err := s.locate(50); err != feed.ErrAhead {
		t.Errorf("locate(50): %v", err)
	}
}

// After a cut nothing past it is found until it is written anew.
func TestStoreCut(t *testing.T) {
	s := store{next: 200, tail: place{1, 3 * blockBytes}}
	s.note(1, place{1, 100})
	s.note(80, place{1, 100 + blockBytes})
	s.cut(50, 3*blockBytes)
	if _, _, err := s.locate(51); err != feed.ErrAhead {
		t.Errorf("locate(51): %v", err)
	}
	s.note(51, place{1, 3*blockBytes + 44})
	s.grow(60, place{1, 4 * blockBytes})
	for seq, want := range map[uint64]uint64{50: 51, 55: 60} {
		if b, limit, err := s.locate(seq); err != nil || limit != want {
			t.Errorf("locate(%d): %+v below %d, %v; want below %d", seq, b, limit, err, want)
		}
	}
}
