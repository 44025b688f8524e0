package journal

import (
	"sync"

	"github.com/tapecast/tapecast/feed"
)

// cacheBlocks bounds the blocks in memory, about blockBytes each, and so the
// goroutines that read different blocks at once: one more gets feed.ErrBusy.
const cacheBlocks = 16

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
	loading sync.Mutex // held during the load
	packets []byte
	err     error
}

// get returns the block, to be put back, or why it could not be loaded.
func (c *cache) get(key block, load func(block, []byte) ([]byte, error)) (*cached, error) {
	c.mu.Lock()
	s, hit := c.slot(key)
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
		s.key = key
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
	return s, nil
}

// slot finds the block's slot, or the one used longest ago that nobody holds.
func (c *cache) slot(key block) (s *cached, hit bool) {
	for i := range c.slots {
		x := &c.slots[i]
		if x.key == key {
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
	s.key = block{}
}
