package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"

	"github.com/tapecast/tapecast/feed/wire"
)

// readBytes is the reader's buffer: at least two of the longest records.
const readBytes = 1 << 20

// pageBytes is what is read of a segment for its header: many are read for no more.
const pageBytes = 4 << 10

// segmentReader reads one segment file through a buffer of readBytes.
type segmentReader struct {
	fs   FS
	dir  string
	file File
	path string
	id   uint64
	size int64
	off  int64 // of the next record

	buf   []byte
	base  int64 // file offset of buf[0]
	chain uint64
}

// open turns to segment id.
func (r *segmentReader) open(id uint64) (err error) {
	r.close()
	r.path = filepath.Join(r.dir, segmentName(id))
	if r.file, err = r.fs.Open(r.path); err != nil {
		return err
	}
	r.id, r.off, r.base, r.buf = id, 0, 0, r.buf[:0]
	r.size, err = r.file.Size()
	return err
}

func (r *segmentReader) close() {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// forget drops the buffer: the next window is read from the file.
func (r *segmentReader) forget() { r.buf = r.buf[:0] }

// window returns the n bytes at off, fewer at the end of the file. They live until
// the next call.
func (r *segmentReader) window(off int64, n int) ([]byte, error) {
	if off < r.base || off+int64(n) > r.base+int64(len(r.buf)) {
		if err := r.fill(off, readBytes); err != nil {
			return nil, err
		}
	}
	b := r.buf[min(off-r.base, int64(len(r.buf))):]
	return b[:min(n, len(b)):min(n, len(b))], nil
}

func (r *segmentReader) fill(off, most int64) error {
	if r.base == off && len(r.buf) > 0 && off+int64(len(r.buf)) == r.size {
		return nil // the end of the file is in the buffer
	}
	want := int(min(most, r.size))
	if cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	n, err := r.file.ReadAt(r.buf[:want], off)
	r.buf, r.base = r.buf[:n], off
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// header reads the segment's header; false: there is none, and off stays 0.
func (r *segmentReader) header() (h header, ok bool, err error) {
	if err := r.fill(0, pageBytes); err != nil {
		return h, false, err
	}
	b, err := r.window(0, headerLen)
	if err != nil {
		return h, false, err
	}
	if ok, err = h.decode(b); ok {
		r.off, r.chain = headerLen, h.start()
	}
	return h, ok, err
}

// next reads the record at off and moves behind it. A reason is why there is
// none; off stays. The record is lent until the next call.
func (r *segmentReader) next() (rec record, reason string, err error) {
	head, err := r.window(r.off, recordLen)
	if err != nil {
		return rec, "", err
	}
	if len(head) < recordLen {
		return rec, "the segment is full without a roll record", nil
	}
	n := int(binary.LittleEndian.Uint32(head[offLength:]))
	if n == 0 {
		return rec, "nothing was written from here on", nil
	}
	if n < recordLen || n > maxRecord || r.off+int64(n) > r.size {
		return rec, "record length does not fit", nil
	}
	b, err := r.window(r.off, n)
	if err != nil {
		return rec, "", err
	}
	if len(b) < n {
		return rec, "record is cut short", nil
	}
	rec, reason = r.check(b)
	if reason == "" {
		r.off += int64(n)
	}
	return rec, reason, nil
}

// headAt returns the recordLen bytes at off, zeros behind the end of the file, and
// io.EOF where reading went well: it ends a scan.
func (r *segmentReader) headAt(off int64) (head [recordLen]byte, err error) {
	b, err := r.window(off, recordLen)
	copy(head[:], b)
	if err == nil {
		err = io.EOF
	}
	return head, err
}

// check verifies the record in b, which fills it.
func (r *segmentReader) check(b []byte) (rec record, reason string) {
	s := binary.LittleEndian.Uint32(b[offSum:])
	if s != sum(b[offLength:]) {
		return rec, "record checksum does not match"
	}
	chain := link(r.chain, r.id, s, uint32(len(b)))
	if chain != binary.LittleEndian.Uint64(b[offLink:]) {
		return rec, "record does not continue the chain"
	}
	rec, ok := splitRecord(b)
	if !ok {
		rec = record{} // of type 0: it verifies and cannot be, which is for the scan to say
	}
	rec.at = place{r.id, r.off}
	r.chain = chain
	return rec, ""
}

// splitRecord takes apart a record whose checksum matches.
func splitRecord(b []byte) (rec record, ok bool) {
	n := int(binary.LittleEndian.Uint16(b[offProgress:])) * progressLen
	if recordLen+n > len(b) || b[offUnused] != 0 {
		return rec, false
	}
	rec.typ = b[offType]
	rec.progress, rec.body = b[recordLen:recordLen+n], b[recordLen+n:]
	if rec.typ == typePacket {
		return rec, true
	}
	return rec, n == 0 && bodyLen(rec.typ) == len(rec.body)
}

// tail looks at what follows the end of the valid prefix: the highest floor that
// any commit record there claims in this segment, and the offset behind the last
// byte that is not zero.
func (r *segmentReader) tail(session wire.Session) (claimed, used int64, err error) {
	const n = recordLen + floorLen
	for off := r.off; off < r.size; {
		b, err := r.window(off, readBytes/2)
		if err != nil {
			return 0, 0, err
		}
		if len(b) == 0 {
			break
		}
		step := len(b)
		if off+int64(len(b)) < r.size {
			step -= n - 1 // a record may lie across the edge
		}
		if bytes.Count(b, []byte{0}) < len(b) {
			for i := range step {
				if b[i] != 0 {
					used = off + int64(i) + 1
				}
				if i+n <= len(b) && b[i+offLength] == n {
					claimed = max(claimed, r.claim(b[i:][:n], off+int64(i), session))
				}
			}
		}
		off += int64(step)
	}
	return claimed, used, nil
}

// claim returns the floor that b claims if it is a floor record written at off of
// this segment, else 0. The chain cannot be checked behind damage; checksum,
// session and its own place must do.
func (r *segmentReader) claim(b []byte, off int64, session wire.Session) int64 {
	if t := b[offType]; t != typeCommit && t != typeClose {
		return 0
	}
	if int(binary.LittleEndian.Uint32(b[offLength:])) != len(b) || binary.LittleEndian.Uint32(b[offSum:]) != sum(b[offLength:]) {
		return 0
	}
	f := decodeFloor(b[recordLen:])
	if f.own != (place{r.id, off}) || f.session != session || f.durable.segment != r.id {
		return 0
	}
	return f.durable.offset
}
