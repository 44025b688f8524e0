package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/tapecast/tapecast/feed/wire"
)

// Defaults and bounds of Options.
const (
	DefaultSegment = 64 << 20               // bytes
	MinSegment     = 4 << 10                // bytes
	MaxSegment     = 1 << 30                // bytes
	DefaultSync    = wire.Nanos(50_000_000) // ns

	maxUnsynced = 16 << 20 // bytes: fast mode syncs no later than this
	batchBytes  = 1 << 20  // bytes of one write
)

// Options says where a journal is and how it promises.
type Options struct {
	Dir          string       // the session's directory is made in it
	Session      wire.Session // required
	Channel      uint16
	SegmentBytes int64      // default DefaultSegment; existing segments keep theirs
	Strict       bool       // sync every batch at once; otherwise every SyncEvery
	SyncEvery    wire.Nanos // ns, default DefaultSync; what a power cut may lose in fast mode
	Prewrite     int64      // bytes of segments that Open makes and fills with zeros before it returns; 0 none. End empties those not used
	Relay        bool       // packets come from a sequencer elsewhere: its epoch may go on where the journal ends
	FS           FS         // nil: OS
}

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = OS{}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegment
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = DefaultSync
	}
	switch {
	case o.Dir == "":
		return o, fmt.Errorf("%w: no directory given", ErrConfig)
	case o.Session == 0:
		return o, fmt.Errorf("%w: no session given", ErrConfig)
	case o.Prewrite < 0:
		return o, fmt.Errorf("%w: %d bytes cannot be written ahead", ErrConfig, o.Prewrite)
	case o.SegmentBytes < MinSegment || o.SegmentBytes > MaxSegment:
		return o, fmt.Errorf("%w: a segment of %d bytes is not within %d and %d", ErrConfig, o.SegmentBytes, MinSegment, MaxSegment)
	}
	return o, nil
}

// path is the session's directory.
func (o Options) path() string { return filepath.Join(o.Dir, o.Session.String()) }

// Cut begins an epoch: its packets follow the sequence Cut, after which the chain
// is Chain.
type Cut struct {
	Epoch    uint32
	Previous uint32 // the epoch before; 0 none
	Cut      uint64
	Chain    uint64
}

// State is what a journal's longest valid prefix says.
type State struct {
	Session     wire.Session
	Channel     uint16
	Epoch       uint32            // the last one; 0: the journal is empty
	First       uint64            // first sequence kept; Last+1 when there is none
	Last        uint64            // last sequence journalled
	Chain       uint64            // after Last
	Ended       bool              // the session is over
	Clean       bool              // the last record is a close
	Inputs      map[uint64]uint64 // hash of an input's name to its last sequence journalled
	Definitions []byte            // instrument definitions up to Last, as history.Definitions
	Cuts        []Cut             // of all epochs, rising
	Stamp       wire.Nanos        // when the last packet was closed; 0 none
	Packets     uint64            // valid ones; void ones not counted
	Segments    int               // begun
	Bytes       int64             // written, in all segments
	Torn        *Damage           // the torn tail that Open will cut; nil: none

	at    place           // the end of the prefix
	floor place           // what is before it is known to be durable
	chain uint64          // of records, there
	head  [recordLen]byte // the bytes that follow
	index index
}

// Recover reads the journal of o.Session. A missing directory or session gives a
// State of Epoch 0. It returns *RotError when the disk lost what was durable,
// ErrForeign, ErrVersion, or why the files cannot be read. It changes nothing.
func Recover(o Options) (*State, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := newScan(o.FS, o.path(), o.Session)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Session: o.Session, Channel: o.Channel, First: 1, at: place{segment: 1}}, nil
	}
	if err != nil {
		return nil, err
	}
	st, err := s.recover()
	if st.Segments == 0 {
		st.Channel = o.Channel // a crash left a directory, or files, and no header
	}
	if err == nil && st.Epoch != 0 && st.Channel != o.Channel {
		err = fmt.Errorf("%w: %s is of channel %d, not %d", ErrForeign, o.path(), st.Channel, o.Channel)
	}
	return st, err
}
