package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// store serves packets from the files while the disk loop appends to them. The
// serve loop reads, as many goroutines as like.
type store struct {
	fs   FS
	dir  string
	read atomic.Int64 // bytes read from files

	mu    sync.Mutex
	index index
	next  uint64 // the sequence after the last one written
	tail  place  // the files are written up to here

	cache cache
}

func (s *store) init(fs FS, dir string, st *State) {
	s.fs, s.dir, s.index, s.next, s.tail = fs, dir, st.index, st.Last+1, st.at
	s.index.blocks = append([]block(nil), st.index.blocks...)
	s.index.seal(st.at.offset)
}

// note takes in a packet that will be written at that place. Only the disk loop
// changes the index, so it may look without the lock.
func (s *store) note(first uint64, at place) {
	if !s.index.due(at) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.note(first, at)
}

// grow says that the files hold everything before next, up to tail.
func (s *store) grow(next uint64, tail place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.tail = next, tail
}

func (s *store) seal(to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.seal(to)
}

// cut forgets what goes past last.
func (s *store) cut(last uint64, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index.seal(at)
	s.index.cut(last)
	s.next = min(s.next, last+1)
}

func (s *store) oldest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.index.oldest(s.next)
}

// locate finds the block of seq, its end settled, and the sequence before which
// its packets count.
func (s *store) locate(seq uint64) (b block, limit uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq >= s.next {
		return b, 0, feed.ErrAhead
	}
	b, limit, ok := s.index.find(seq, s.next)
	if !ok {
		return b, 0, feed.ErrGone
	}
	if b.segment == s.tail.segment && (b.to == 0 || b.to > s.tail.offset) {
		b.to = s.tail.offset // what is noted behind it is not written yet
	}
	return b, min(limit, s.next), nil
}

func (s *store) copy(dst []byte, seq uint64) (int, error) {
	b, limit, err := s.locate(seq)
	if err != nil {
		return 0, err
	}
	c, err := s.cache.get(b, seq, s.load)
	if err != nil {
		return 0, err
	}
	defer s.cache.put(c)
	return cutOut(dst, c.packets, seq, limit)
}

// cutOut copies packets from the one that contains seq to dst, below limit.
func cutOut(dst, packets []byte, seq, limit uint64) (n int, err error) {
	for len(packets) > 0 {
		size, err := wire.Peek(packets)
		if err != nil {
			return n, err
		}
		p := wire.Packet(packets[:size])
		if p.First() >= limit || n+size > len(dst) && p.Next() > seq {
			break
		}
		if p.Next() > seq {
			n += copy(dst[n:], p)
		}
		packets = packets[size:]
	}
	if n > 0 {
		return n, nil
	}
	if len(packets) > 0 {
		return 0, feed.ErrSmall
	}
	return 0, feed.ErrGone
}

// load reads a block and leaves its packets, one behind the other, in dst.
func (s *store) load(b block, dst []byte) ([]byte, error) {
	path := filepath.Join(s.dir, segmentName(b.segment))
	f, err := s.fs.Open(path)
	if err != nil {
		return dst[:0], fmt.Errorf("journal: open %s: %w", path, err)
	}
	defer f.Close()
	n := int(b.to - b.from)
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	n, err = f.ReadAt(dst, b.from)
	s.read.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		return dst[:0], fmt.Errorf("journal: read %s: %w", path, err)
	}
	return b.packets(dst[:n], path)
}

// packets moves the packets among the records in raw to its front.
func (b block) packets(raw []byte, path string) ([]byte, error) {
	kept, seq := 0, b.first
	for at := 0; at+recordLen <= len(raw); {
		n := int(binary.LittleEndian.Uint32(raw[at+offLength:]))
		if n < recordLen || at+n > len(raw) || sum(raw[at:][offLength:n]) != binary.LittleEndian.Uint32(raw[at+offSum:]) {
			rot := &RotError{File: path, Offset: b.from + int64(at), Sequence: seq, Reason: "record checksum does not match"}
			return raw[:kept], fmt.Errorf("%w: %w", feed.ErrGone, rot)
		}
		rec, ok := splitRecord(raw[at : at+n])
		at += n
		if !ok || rec.typ != typePacket {
			continue
		}
		p := wire.Packet(rec.body)
		if p.First() != seq {
			break // void packets end here
		}
		seq = p.Next()
		kept += copy(raw[kept:], p)
	}
	return raw[:kept], nil
}
