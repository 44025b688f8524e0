package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/tapecast/tapecast/feed/wire"
)

// Reader gives the packets of a session in order, without those that a later
// epoch's cut made void. One goroutine uses it.
type Reader struct {
	s   *scan
	st  *State
	rot bool // the first look found some
}

// OpenReader reads the journal of session in dir; 0 is the only session there, or
// the one with the newest epoch. It reads all of it once to find the cuts, so it
// takes a second per gigabyte or so. Damage is reported by Next, where it lies.
// It returns ErrNone, or why the files cannot be read.
func OpenReader(dir string, session wire.Session) (*Reader, error) {
	return NewReader(OS{}, dir, session)
}

// NewReader is OpenReader on another file system.
func NewReader(fsys FS, dir string, session wire.Session) (*Reader, error) {
	s, err := openScan(fsys, dir, session)
	if err != nil {
		return nil, err
	}
	st, err := s.recover()
	var rot *RotError
	if err != nil && !errors.As(err, &rot) {
		return nil, err
	}
	s.reset(st.Cuts)
	return &Reader{s, st, rot != nil}, nil
}

func openScan(fsys FS, dir string, session wire.Session) (*scan, error) {
	session, err := choose(fsys, dir, session)
	if err != nil {
		return nil, err
	}
	s, err := newScan(fsys, filepath.Join(dir, session.String()), session)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no session %s", ErrNone, dir, session)
	}
	return s, err
}

// choose resolves session 0.
func choose(fsys FS, dir string, session wire.Session) (wire.Session, error) {
	if session != 0 {
		return session, nil
	}
	all, err := sessions(fsys, dir)
	if err != nil {
		return 0, err
	}
	var newest Info
	for _, x := range all {
		if x.Epoch >= newest.Epoch {
			newest = x
		}
	}
	if newest.Session == 0 {
		return 0, fmt.Errorf("%w: %s holds none", ErrNone, dir)
	}
	return newest.Session, nil
}

// State is what the journal said when the Reader was opened.
func (r *Reader) State() *State { return r.st }

// Next returns the next packet, lent until the next call; io.EOF at the end of the
// valid prefix, *RotError at damage to what was durable.
func (r *Reader) Next() (wire.Packet, error) {
	for {
		if !r.rot && r.s.err == nil && r.s.st.at == r.st.at {
			return nil, io.EOF // what a writer at work has added since is not looked at
		}
		rec, err := r.s.next()
		if err != nil {
			return nil, err
		}
		if p := wire.Packet(rec.body); rec.typ == typePacket && p.Next()-1 <= r.s.limit {
			return p, nil
		}
	}
}

// Close lets go of the files.
func (r *Reader) Close() error {
	r.s.r.close()
	r.s.err = io.EOF
	return nil
}

// Report is what Verify found.
type Report struct {
	State  *State    // of the valid prefix; State.Torn is a torn tail
	Damage *RotError // the first damaged place in what was durable; nil: none
}

// Verify checks every checksum and every chain link of session in dir (0 as in
// OpenReader), of void packets too. The error is why it could not be read; damage
// is in the Report.
func Verify(dir string, session wire.Session) (Report, error) { return verify(OS{}, dir, session) }

func verify(fsys FS, dir string, session wire.Session) (Report, error) {
	s, err := openScan(fsys, dir, session)
	if err != nil {
		return Report{}, err
	}
	st, err := s.recover()
	rep := Report{State: st}
	if errors.As(err, &rep.Damage) {
		err = nil
	}
	return rep, err
}
