package history

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

const (
	entryLen    = 16 // u64 first sequence, u32 offset, u16 packet length, u16 progress count
	progressLen = 18 // u16 input, u64 hash, u64 sequence

	pinBits  = 16
	pinMask  = 1<<pinBits - 1
	maxPins  = pinMask - 1
	maxSlabs = pinMask
	maxSlab  = 1 << 30
)

// A slab is one run of memory. Packets fill it from the front, each followed by
// its progress; their entries fill it from the back.
//
// The writer appends and then publishes by count; a published byte never changes
// until the slab is recycled, and it is recycled only when it is retired and
// nobody pins it.
type slab struct {
	word  atomic.Uint64 // generation<<pinBits | pins
	first atomic.Uint64 // first sequence
	count atomic.Uint32 // published entries
	mem   []byte

	// The writer's own.
	live bool
	used int    // bytes of packets and progress
	next uint64 // the sequence after the last packet
}

// entry says where a packet is.
type entry struct {
	first    uint64
	offset   uint32
	length   uint16
	progress uint16 // how many follow the packet
}

func (s *slab) at(i int) []byte {
	return s.mem[len(s.mem)-(i+1)*entryLen:][:entryLen]
}

// entry reads entry i, which must be published, under a pin or by the writer.
func (s *slab) entry(i int) entry {
	b := s.at(i)
	return entry{
		first:    binary.LittleEndian.Uint64(b),
		offset:   binary.LittleEndian.Uint32(b[8:]),
		length:   binary.LittleEndian.Uint16(b[12:]),
		progress: binary.LittleEndian.Uint16(b[14:]),
	}
}

func (s *slab) packet(e entry) wire.Packet {
	end := e.offset + uint32(e.length)
	return wire.Packet(s.mem[e.offset:end:end])
}

// progress appends the progress of e's packet to dst.
func (s *slab) progress(e entry, dst []feed.Progress) []feed.Progress {
	b := s.mem[e.offset+uint32(e.length):]
	for range e.progress {
		dst = append(dst, feed.Progress{
			Input: feed.InputID(binary.LittleEndian.Uint16(b)),
			Hash:  binary.LittleEndian.Uint64(b[2:]),
			Seq:   binary.LittleEndian.Uint64(b[10:]),
		})
		b = b[progressLen:]
	}
	return dst
}

// free is how many bytes are left.
func (s *slab) free() int {
	return len(s.mem) - s.used - int(s.count.Load())*entryLen
}

// add appends the packet of n bytes that lies at used, and publishes it.
func (s *slab) add(n int, first, next uint64, progress []feed.Progress) {
	b := s.mem[s.used+n:]
	for _, p := range progress {
		binary.LittleEndian.PutUint16(b, uint16(p.Input))
		binary.LittleEndian.PutUint64(b[2:], p.Hash)
		binary.LittleEndian.PutUint64(b[10:], p.Seq)
		b = b[progressLen:]
	}
	i := s.count.Load()
	e := s.at(int(i))
	binary.LittleEndian.PutUint64(e, first)
	binary.LittleEndian.PutUint32(e[8:], uint32(s.used))
	binary.LittleEndian.PutUint16(e[12:], uint16(n))
	binary.LittleEndian.PutUint16(e[14:], uint16(len(progress)))
	s.used += n + len(progress)*progressLen
	s.next = next
	s.count.Store(i + 1)
}

// find returns the index of the last of n entries whose first sequence is not
// above seq; -1 where there is none.
func (s *slab) find(seq uint64, n int) int {
	lo, hi := 0, n // entries below lo begin at or before seq, those from hi on after it
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if s.entry(mid).first <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// pin keeps the slab of that generation from being recycled; false when it is
// retired already.
func (s *slab) pin(generation uint64) bool {
	for {
		w := s.word.Load()
		if w>>pinBits != generation {
			return false
		}
		if s.word.CompareAndSwap(w, w+1) {
			return true
		}
	}
}

func (s *slab) unpin() { s.word.Add(^uint64(0)) }

// retire ends the slab's generation: no new pins; those that are keep it.
func (s *slab) retire() {
	s.word.Add(1 << pinBits)
	s.live = false
}

// recycle makes a retired slab that nobody pins an empty one.
func (s *slab) recycle(first uint64) {
	s.live, s.used, s.next = true, 0, first
	s.count.Store(0)
	s.first.Store(first)
}

func (s *slab) idle() bool         { return !s.live && s.word.Load()&pinMask == 0 }
func (s *slab) generation() uint64 { return s.word.Load() >> pinBits }
