package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
)

// scan reads a session's records in order, checking every checksum and chain, and
// folds them into a State. It tells a torn tail from rot where they end.
type scan struct {
	fs      FS
	dir     string
	session wire.Session
	ids     []uint64 // of the segments
	r       segmentReader
	st      State
	known   []Cut  // of all epochs, when a first pass has found them
	limit   uint64 // of known: what goes past it is void
	void    bool   // a cut left void packets behind
	err     error  // how it ended: io.EOF, *RotError, or why it cannot be read
}

// newScan lists the segments of dir. The error wraps fs.ErrNotExist when there is
// no such directory.
func newScan(fsys FS, dir string, session wire.Session) (*scan, error) {
	s := &scan{fs: fsys, dir: dir, session: session}
	if err := s.list(); err != nil {
		return nil, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	s.reset(nil)
	return s, nil
}

// list finds the segments that there are now.
func (s *scan) list() error {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	s.ids = s.ids[:0]
	for _, name := range names {
		if id := segmentID(name); id != 0 {
			s.ids = append(s.ids, id)
		}
	}
	slices.Sort(s.ids)
	return nil
}

// reset goes back to the start, knowing the cuts.
func (s *scan) reset(known []Cut) {
	s.r.close()
	s.r = segmentReader{fs: s.fs, dir: s.dir, buf: s.r.buf[:0]}
	s.st = State{Session: s.session, First: 1, Inputs: map[uint64]uint64{}, at: place{segment: 1}}
	s.known, s.void, s.err = known, false, nil
	s.limit = voidPast(known)
	s.begin(1)
}

// voidPast is the lowest cut of epochs: a packet of an earlier epoch that goes
// past it is void.
func voidPast(epochs []Cut) uint64 {
	limit := ^uint64(0)
	for _, c := range epochs {
		limit = min(limit, c.Cut)
	}
	return limit
}

// recover reads all of it, a second time when the first one met void packets:
// they must not count.
func (s *scan) recover() (*State, error) {
	s.drain()
	if s.void {
		s.reset(s.st.Cuts)
		s.drain()
	}
	s.r.close()
	st := s.st
	st.chain = s.r.chain
	if s.err != io.EOF {
		return &st, s.err
	}
	return &st, nil
}

func (s *scan) drain() {
	for s.err == nil {
		s.next()
	}
}

// next returns the next valid record, lent until the next call. At the end of the
// valid prefix it returns s.err.
func (s *scan) next() (record, error) {
	if s.err != nil {
		return record{}, s.err
	}
	rec, reason, err := s.r.next()
	if err == nil && reason != "" {
		s.finish(reason)
		rec, reason, err = s.again(reason)
	}
	switch {
	case err != nil:
		s.err = fmt.Errorf("journal: read %s: %w", s.r.path, err)
	case reason == "":
		s.apply(rec)
	}
	s.st.at = place{s.r.id, s.r.off}
	if s.err == nil && rec.typ == typeRoll {
		s.begin(s.r.id + 1)
	}
	return rec, s.err
}

// again reads the record that was not valid once more, from the file, when what
// lies behind it says that it should be: a writer at work may have written both
// since the first look. A second look that succeeds undoes finish.
func (s *scan) again(reason string) (record, string, error) {
	var rot *RotError
	if !errors.As(s.err, &rot) && s.st.Torn == nil {
		return record{}, reason, nil
	}
	s.r.forget()
	rec, reason, err := s.r.next()
	if err == nil && reason == "" {
		s.err, s.st.Torn = nil, nil
	}
	return rec, reason, err
}

// begin turns to segment id and reads its header.
func (s *scan) begin(id uint64) {
	s.st.at = place{segment: id}
	s.r.path = filepath.Join(s.dir, segmentName(id))
	if !slices.Contains(s.ids, id) {
		s.list() // a writer at work may have made it since
	}
	if !slices.Contains(s.ids, id) {
		s.missing(id)
		return
	}
	if err := s.r.open(id); err != nil {
		s.err = fmt.Errorf("journal: open %s: %w", s.r.path, err)
		return
	}
	previous := s.r.chain
	h, ok, err := s.r.header()
	switch {
	case err != nil:
		s.err = fmt.Errorf("journal: read %s: %w", s.r.path, err)
	case !ok:
		s.finish("segment header does not verify")
	case h.session != s.session:
		s.err = fmt.Errorf("%w: %s is of session %s", ErrForeign, s.r.path, h.session)
	case h.segment != id || id > 1 && (h.recordChain != previous || h.first != s.st.Last+1 || h.chain != s.st.Chain || h.channel != s.st.Channel):
		s.rot(0, "the segment does not continue the one before")
	default:
		s.started(h)
	}
}

func (s *scan) started(h header) {
	if h.segment == 1 {
		s.st.Channel, s.st.First, s.st.Last, s.st.Chain = h.channel, h.first, h.first-1, h.chain
	}
	s.st.Segments++
	s.st.Bytes += headerLen
	s.st.at.offset = headerLen
}

// missing ends the scan where there is no file: the end of an empty journal, or rot.
func (s *scan) missing(id uint64) {
	s.err = io.EOF
	if id > 1 || len(s.ids) > 0 {
		s.rot(0, "the segment is missing")
	}
}

// finish ends the scan at the record, or header, that is not valid: at the end of
// what was written, at a torn tail, or at rot.
func (s *scan) finish(reason string) {
	s.err = io.EOF
	if later, err := s.begun(s.r.id + 1); later || err != nil {
		// A segment is synced, roll record and all, before the next one is begun.
		s.rot(s.r.off, reason)
		if err != nil {
			s.err = err
		}
		return
	}
	claimed, used, err := s.r.tail(s.session)
	switch {
	case err != nil:
		s.err = fmt.Errorf("journal: read %s: %w", s.r.path, err)
	case claimed > s.r.off:
		s.rot(s.r.off, reason)
	case used > s.r.off:
		s.st.Torn = &Damage{s.r.path, s.r.off, used - s.r.off, s.st.Last + 1, reason}
	}
	if s.err == io.EOF {
		s.st.head, s.err = s.r.headAt(s.r.off)
	}
}

// begun reports whether any segment from id on has a header.
func (s *scan) begun(id uint64) (bool, error) {
	r := segmentReader{fs: s.fs, dir: s.dir}
	defer r.close()
	for _, later := range s.ids {
		if later < id {
			continue
		}
		err := r.open(later)
		var ok bool
		if err == nil {
			var h header
			h, ok, err = r.header()
			ok = ok && h.session == s.session
		}
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (s *scan) rot(off int64, reason string) {
	s.err = &RotError{File: s.r.path, Offset: off, Sequence: s.st.Last + 1, Reason: reason}
}

// apply folds a valid record into the state. A record that verifies and cannot be
// was written so: that is never a torn tail.
func (s *scan) apply(rec record) {
	if reason := s.fold(rec); reason != "" {
		s.rot(rec.at.offset, reason)
		return
	}
	s.st.Clean = rec.typ == typeClose
	s.st.Bytes += int64(recordLen + len(rec.progress) + len(rec.body))
}

func (s *scan) fold(rec record) (reason string) {
	switch st := &s.st; {
	case rec.typ == typePacket:
		return s.foldPacket(rec)
	case rec.typ == typeEpoch:
		return s.foldEpoch(rec, decodeCut(rec.body))
	case rec.typ == typeEnd:
		if binary.LittleEndian.Uint64(rec.body) != st.Last || binary.LittleEndian.Uint64(rec.body[8:]) != st.Chain {
			return "the end of the session is not where the packets end"
		}
		st.Ended = true
	case rec.typ == typeCommit || rec.typ == typeClose:
		st.floor = decodeFloor(rec.body).durable
	case rec.typ == typeRoll:
		if binary.LittleEndian.Uint64(rec.body) != rec.at.segment+1 {
			return "the roll record names another segment"
		}
		st.index.seal(rec.at.offset)
	case rec.typ == 0:
		return "the record is of no known type, or not of its length"
	}
	return ""
}

func (s *scan) foldPacket(rec record) (reason string) {
	st := &s.st
	p, err := wire.Parse(rec.body)
	switch {
	case err != nil:
		return err.Error()
	case len(p) != len(rec.body) || p.Type() != wire.TypeSequenced || p.Count() == 0:
		return "the record holds something else than one packet"
	case p.First() != st.Last+1:
		return "the packet's sequence does not follow"
	case p.Chain() != st.Chain:
		return "the packet does not continue the chain"
	case p.Epoch() != st.Epoch || p.Session() != s.session || p.Channel() != st.Channel:
		return "the packet is of another epoch, session or channel"
	case st.Ended:
		return "a packet follows the end of the session"
	}
	st.Last, st.Chain = p.Next()-1, wire.ChainAfter(p)
	st.index.note(p.First(), rec.at)
	if st.Last <= s.limit {
		s.count(p, rec.progress)
	}
	return ""
}

// count takes what a packet that is not void says beyond its bytes.
func (s *scan) count(p wire.Packet, progress []byte) {
	st := &s.st
	st.Packets++
	st.Stamp = p.CloseStamp()
	for b := progress; len(b) > 0; b = b[progressLen:] {
		st.Inputs[binary.LittleEndian.Uint64(b)] = binary.LittleEndian.Uint64(b[8:])
	}
	if p.Flags()&wire.FlagDefinitions != 0 {
		st.Definitions = history.AppendDefinitions(st.Definitions, p)
	}
}

func (s *scan) foldEpoch(rec record, c Cut) (reason string) {
	st := &s.st
	switch {
	case c.Epoch <= st.Epoch:
		return "the epoch does not rise"
	case st.Ended:
		return "an epoch follows the end of the session"
	case c.Cut > st.Last || c.Cut == st.Last && c.Chain != st.Chain:
		return "the epoch's cut is not one of this journal"
	}
	s.void = s.void || c.Cut < st.Last
	st.Epoch, st.Last, st.Chain = c.Epoch, c.Cut, c.Chain
	st.First = min(st.First, c.Cut+1)
	st.Cuts = append(st.Cuts, c)
	if len(s.known) > 0 {
		s.known = s.known[1:]
		s.limit = voidPast(s.known)
	}
	st.index.seal(rec.at.offset)
	st.index.cut(c.Cut)
	return ""
}
