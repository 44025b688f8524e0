package journal

import "io"

// Record is where one record of a segment lies, for tests that damage it.
type Record struct {
	Type     uint8
	From, To int64
	Floor    int64  // of a commit or close: the offset it vouches for in this segment
	First    uint64 // the sequence after the packets up to From
	Next     uint64 // and up to To
}

// TypeEnd is the type of the record that ends a session.
const TypeEnd = typeEnd

// Records lists the records of segment id, by their checksums alone.
func Records(fsys FS, dir string, id uint64) []Record {
	r := segmentReader{fs: fsys, dir: dir}
	defer r.close()
	if r.open(id) != nil {
		return nil
	}
	h, ok, _ := r.header()
	if !ok {
		return nil
	}
	next := h.first
	var all []Record
	for {
		rec, reason, err := r.next()
		if reason != "" || err != nil {
			return all
		}
		x := Record{Type: rec.typ, From: rec.at.offset, To: r.off, First: next}
		switch rec.typ {
		case typeCommit, typeClose:
			if f := decodeFloor(rec.body); f.durable.segment == id {
				x.Floor = f.durable.offset
			}
		case typePacket:
			next += uint64(rec.body[10]) // the packet's message count
		}
		x.Next = next
		all = append(all, x)
	}
}

// Verified is Verify on another file system.
func Verified(fsys FS, dir string) (Report, error) { return verify(fsys, dir, 0) }

// Point is where a scan of a whole journal stood: in front of a record, of a
// segment's header (then the scan is in front of the roll record that leads to it),
// or at the end.
type Point struct {
	Segment uint64
	Offset  int64
	Next    uint64 // the sequence expected there
	Roll    bool   // the record is the last one of its segment
	scan    scan
}

// Points scans a journal and keeps where it stood.
func Points(o Options) ([]Point, error) {
	s, err := newScan(o.FS, o.path(), o.Session)
	if err != nil {
		return nil, err
	}
	points := []Point{{Segment: 1, Next: 1}}
	for {
		before := *s
		rec, err := s.next()
		p := Point{before.r.id, before.r.off, before.st.Last + 1, rec.typ == typeRoll, before}
		points = append(points, p)
		if err != nil {
			s.r.close()
			return points, errUnless(err, io.EOF)
		}
		if p.Roll {
			points = append(points, Point{p.Segment + 1, 0, p.Next, false, before})
		}
	}
}

func errUnless(err, fine error) error {
	if err == fine {
		return nil
	}
	return err
}

// Resume lets the scan go on from p, reading the files as they are now through buf,
// until it has passed that place or has ended; passed says which. It is what Recover
// does from there.
func (p *Point) Resume(o Options, buf []byte, segment uint64, offset int64) (st *State, passed bool, err error) {
	s := p.scan
	if s.fs == nil { // the first header
		fresh, err := newScan(o.FS, o.path(), o.Session)
		if err != nil {
			return nil, false, err
		}
		s = *fresh
	} else {
		chain, off := s.r.chain, s.r.off
		s.r = segmentReader{fs: o.FS, dir: s.dir, buf: buf[:0]}
		if err := s.r.open(p.scan.r.id); err != nil {
			return nil, false, err
		}
		s.r.chain, s.r.off = chain, off
	}
	defer s.r.close()
	for s.err == nil {
		if at := s.st.at; at.segment > segment || at.segment == segment && at.offset > offset {
			return &s.st, true, nil
		}
		s.next()
	}
	return &s.st, false, errUnless(s.err, io.EOF)
}

// RollRecord is the length of a roll record.
const RollRecord = slack
