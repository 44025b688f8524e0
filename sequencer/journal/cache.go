package journal

import (
	"sync"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// cacheBlocks bounds the blocks in memory, about blockBytes each, and so the
// goroutines that read different blocks at once: one more gets feed.ErrBusy.
const cacheBlocks = 64

// cache holds the blocks used last. Whoever asks first for a block loads it;
// those who ask meanwhile wait for the same load.
type cache struct {
	mu    sync.Mutex
	clock uint64
	slots [cacheBlocks]cached
}

// cached is one block. It keeps its contents while refs is above 0.
type cached struct {
	key     block
	refs    int
	used    uint64     // when, by the cache's clock
	next    uint64     // the sequence behind the last one in it; 0 not known
	loading sync.Mutex // held during the load
	packets []byte
	err     error
}

// get returns the block, to be put back, or why it could not be loaded. Of a block that
// has grown since it was loaded, what there was will do if it has seq: who repairs while
// the journal is written reads no block twice.
func (c *cache) get(key block, seq uint64, load func(block, []byte) ([]byte, error)) (*cached, error) {
	c.mu.Lock()
	s, hit := c.slot(key, seq)
	if s == nil {
		c.mu.Unlock()
		return nil, feed.ErrBusy
	}
	s.refs++
	c.clock++
	s.used = c.clock
	if hit {
		c.mu.Unlock()
		s.loading.Lock() // wait for the load
	} else {
		s.key, s.next = key, 0
		s.loading.Lock() // nobody else knows the slot yet
		c.mu.Unlock()
		s.packets, s.err = load(key, s.packets)
	}
	err := s.err
	s.loading.Unlock()
	if err != nil {
		c.drop(s)
		return nil, err
	}
	if !hit {
		c.loaded(s)
	}
	return s, nil
}

// loaded notes how far a block reaches that its reader holds.
func (c *cache) loaded(s *cached) {
	next := uint64(0)
	for b := s.packets; len(b) > 0; {
		n, err := wire.Peek(b)
		if err != nil {
			return
		}
		next, b = wire.Packet(b).Next(), b[n:]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.next = next
}

// has reports whether x will do for seq of the block key.
func (x *cached) has(key block, seq uint64) bool {
	return x.key == key || x.key.segment == key.segment && x.key.from == key.from && x.key.first == key.first && seq < x.next
}

// slot finds the block's slot, or the one used longest ago that nobody holds.
func (c *cache) slot(key block, seq uint64) (s *cached, hit bool) {
	for i := range c.slots {
		x := &c.slots[i]
		if x.has(key, seq) {
			return x, true
		}
		if x.refs == 0 && (s == nil || x.used < s.used) {
			s = x
		}
	}
	return s, false
}

func (c *cache) put(s *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
}

// drop is put for a block that could not be loaded: the next one asks again.
func (c *cache) drop(s *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
	s.key, s.next = block{}, 0
}
