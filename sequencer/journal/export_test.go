package journal

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
