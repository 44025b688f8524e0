package history

import (
	"sync/atomic"

	"github.com/tapecast/tapecast/feed"
)

// History keeps the newest packets of a channel in memory. One goroutine writes:
// the ingest loop, or a relay's receive loop. The serve loop reads (Copy, Bounds,
// Definitions), the disk loop follows (Lend, MarkWritten, MarkDurable, Rewind).
type History struct {
	cfg   Config
	mem   []byte
	slabs []slab

	// The slab table: slab number k is at table[k%len], as generation<<16 | index
	// into slabs. Numbers tail to head are live.
	table []atomic.Uint64
	tail  atomic.Uint64
	head  atomic.Uint64

	oldest atomic.Uint64 // first sequence of the tail slab
	end    atomic.Uint64 // the sequence after the last packet committed

	_    [64]byte     // readers write what follows: not in the writer's cache line
	pins atomic.Int64 // readers in Copy; at most cfg.Pins
	_    [64]byte

	written  atomic.Uint64 // the disk loop's: last sequence written,
	durable  atomic.Uint64 // last sequence durable,
	rewinds  atomic.Uint64 // cuts that it has taken note of
	cuts     atomic.Uint64 // the writer's: truncations so far,
	cut      atomic.Uint64 // and the lowest cut since the disk loop was level
	abandons atomic.Bool

	definitions atomic.Pointer[definitions]

	cur    *slab    // the head slab; the writer's, as what follows
	sealed bool     // cur takes no more, though it has room: it was truncated
	sent   position // the publish cursor: the next packet to hand out
	chain  uint64   // what the first packet after a truncation must continue
	linked bool     // chain is to be checked

	scratch []feed.Progress // the disk loop's, in Lend
}

// position is a place among the live slabs.
type position struct {
	number uint64 // of the slab
	index  int    // of the entry; the slab's count is the place behind the last
}

// New returns an empty history whose first packet will begin at sequence next,
// which is at least 1. Everything before counts as written and durable. It
// returns ErrConfig, or why there is no memory.
func New(cfg Config, next uint64) (*History, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n := cfg.slabs()
	mem, err := allocate(n * cfg.Slab)
	if err != nil {
		return nil, err
	}
	h := &History{cfg: cfg, mem: mem, slabs: make([]slab, n), table: make([]atomic.Uint64, n)}
	for i := range h.slabs {
		h.slabs[i].mem = mem[i*cfg.Slab:][:cfg.Slab:cfg.Slab]
		h.slabs[i].word.Store(1 << pinBits)
	}
	h.definitions.Store(&definitions{})
	h.written.Store(next - 1)
	h.durable.Store(next - 1)
	h.end.Store(next)
	h.tail.Store(1)
	h.open(1, next)
	h.oldest.Store(next)
	h.sent = position{number: 1}
	return h, nil
}

// Close gives the memory back. Nobody may use h, or packets from Unsent, after it.
func (h *History) Close() error { return release(h.mem) }

// Next is the sequence that the next packet will begin at. The writer's.
func (h *History) Next() uint64 { return h.end.Load() }

// Bounds returns the oldest sequence that Copy serves, from memory or Older, and
// the one after the last that is visible. Equal bounds: nothing yet.
func (h *History) Bounds() (oldest, next uint64) {
	next = h.visible()
	oldest = min(h.oldest.Load(), next)
	if h.cfg.Older == nil || h.Written()+1 < oldest {
		return oldest, next // what lies between Older's end and memory is gone
	}
	return min(oldest, h.cfg.Older.Oldest()), next
}

// visible is the sequence after the last one that may be sent, served or counted.
func (h *History) visible() uint64 {
	end := h.end.Load()
	if h.cfg.Durable {
		return min(end, h.Durable()+1)
	}
	return end
}

// MarkWritten says that the journal has written everything up to seq. The disk loop's.
func (h *History) MarkWritten(seq uint64) { h.written.Store(seq) }

// MarkDurable says that everything up to seq is on stable storage. In a Durable
// history this makes it visible. The disk loop's.
func (h *History) MarkDurable(seq uint64) { h.durable.Store(seq) }

// Rewind says that the journal has taken note of a cut at last: whatever it had
// written past it is void. The disk loop calls it once for every Truncate.
func (h *History) Rewind(last uint64) {
	h.written.Store(min(h.written.Load(), last))
	h.durable.Store(min(h.durable.Load(), last))
	h.rewinds.Add(1)
}

// Written is the last sequence that the journal has written.
func (h *History) Written() uint64 { return h.level(&h.written) }

// Durable is the last sequence that is on stable storage.
func (h *History) Durable() uint64 { return h.level(&h.durable) }

// level reads a mark of the disk loop. Until that has taken note of the last
// Truncate its marks may mean packets that are void, so the cut bounds them. The
// order of the loads matters: a mark that is read after Rewind is a good one.
func (h *History) level(mark *atomic.Uint64) uint64 {
	if h.rewinds.Load() < h.cuts.Load() {
		return min(h.cut.Load(), mark.Load())
	}
	return mark.Load()
}

// packetRoom is where the next packet is built.
func (h *History) packetRoom() []byte {
	used := h.cur.used
	return h.cur.mem[used : used+h.cfg.PacketSize : used+h.cfg.PacketSize]
}

// slabAt returns live slab number k and its generation. Of a number that is no
// longer live it may return any slab: pin tells.
func (h *History) slabAt(k uint64) (*slab, uint64) {
	t := h.table[k%uint64(len(h.table))].Load()
	return &h.slabs[t&pinMask], t >> pinBits
}
