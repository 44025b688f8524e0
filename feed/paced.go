package feed

import (
	"errors"
	"fmt"
	"io"

	"github.com/tapecast/tapecast/feed/wire"
)

// skipBatch bounds the messages that one Poll skips on resume, so that a source
// that resumes far in does not keep its loop from sending heartbeats.
const skipBatch = 1 << 14

// NewPaced makes a Source of r: it puts r's messages at pace p and finishes at the
// end of r, or after the message with input sequence limit (0: no limit). Input
// sequences count from 1 at the beginning of r, also on resume, so that a resumed
// source ends where an uninterrupted one would have ended.
//
// The source registers at its first Poll and skips what the sink has taken before;
// pacing starts at the message behind that. Deadlines are absolute: a late Poll puts
// everything that has become due. A message without a source time, or with one
// before an earlier message's, is due at once.
//
// Poll returns an error of r or of the sink with the input's name and the message's
// input sequence. An error of r is final; a message that the sink refused is held
// and put again at the next Poll. The source belongs to the goroutine of its sink
// and owns r until Close.
func NewPaced(r Reader, p Pace, limit uint64) Source {
	return &paced{reader: r, pace: p, limit: limit}
}

type paced struct {
	reader Reader
	pace   Pace
	limit  uint64 // last input sequence; 0 none

	registered bool
	id         InputID
	last       uint64 // taken by the sink before this run
	seq        uint64 // of the message read last
	holding    bool   // that message is not yet taken
	held       []byte // while holding; the reader's until its next Next
	due        wire.Nanos
	err        error // final: io.EOF or an error of the reader

	started bool
	start   wire.Nanos // when the message at base was due
	base    uint64     // source time of that message; unused for a rate
	high    uint64     // highest source time so far
	count   uint64     // messages paced so far
}

func (s *paced) Poll(now wire.Nanos, sink Sink, max int) (n int, err error) {
	if !s.registered {
		if err := s.register(sink); err != nil {
			return 0, err
		}
	}
	if s.seq < s.last && s.err == nil {
		s.skip()
		return 0, s.err
	}
	for range max {
		if !s.ready(now) {
			return n, s.err
		}
		switch err := sink.Put(Input{s.id, s.seq}, s.held); {
		case err == nil:
			n++
		case errors.Is(err, ErrFull):
			return n, nil
		case !errors.Is(err, ErrDuplicate):
			return n, s.wrap(s.seq, err)
		}
		s.taken()
	}
	return n, s.err
}

func (s *paced) Due(now wire.Nanos) wire.Nanos {
	switch {
	case s.err != nil:
		return never
	case s.holding:
		return s.due
	}
	return now
}

func (s *paced) Close() error { return s.reader.Close() }

func (s *paced) register(sink Sink) (err error) {
	s.id, s.last, err = sink.Register(s.reader.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", s.reader.Name(), err)
	}
	s.registered = true
	if s.limit != 0 && s.last >= s.limit {
		s.err = io.EOF
	}
	return nil
}

// skip reads past messages that the sink has taken before.
func (s *paced) skip() {
	for range min(s.last-s.seq, skipBatch) {
		if _, err := s.reader.Next(); err != nil {
			s.fail(err)
			return
		}
		s.seq++
	}
}

// ready makes sure that a message is held, and reports whether it is due.
func (s *paced) ready(now wire.Nanos) bool {
	if !s.holding {
		if s.err != nil {
			return false
		}
		msg, err := s.reader.Next()
		if err != nil {
			s.fail(err)
			return false
		}
		s.seq++
		s.holding, s.held, s.due = true, msg, s.deadline(now, msg)
	}
	return s.due <= now
}

func (s *paced) taken() {
	s.holding = false
	if s.seq == s.limit {
		s.err = io.EOF
	}
}

// fail makes err, met behind message seq, final.
func (s *paced) fail(err error) {
	switch {
	case err != io.EOF:
		s.err = s.wrap(s.seq+1, err)
	case s.seq < s.last:
		s.err = fmt.Errorf("%s: ends after message %d, but %d were taken from it before; was it replaced? %w",
			s.reader.Name(), s.seq, s.last, io.ErrUnexpectedEOF)
	default:
		s.err = io.EOF
	}
}

func (s *paced) wrap(seq uint64, err error) error {
	return fmt.Errorf("%s: message %d: %w", s.reader.Name(), seq, err)
}

// deadline is when msg, read at now, is due.
func (s *paced) deadline(now wire.Nanos, msg []byte) wire.Nanos {
	if s.pace.unit == paceMax {
		return now
	}
	source := wire.SourceOf(msg)
	if s.pace.unit == paceSpeed && (source == 0 || source < s.high) {
		return now
	}
	if !s.started {
		s.started, s.start, s.base = true, now, source
	}
	s.high = source
	due := s.start + s.pace.after(source-s.base, s.count)
	s.count++
	return due
}
