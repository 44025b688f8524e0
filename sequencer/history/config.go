package history

import (
	"fmt"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// Older serves packets that memory has evicted; the journal implements it. It is
// called from any goroutine.
type Older interface {
	// Oldest is the first sequence kept.
	Oldest() uint64

	// Copy is History.Copy: feed.ErrGone, feed.ErrAhead, feed.ErrBusy, feed.ErrSmall.
	Copy(dst []byte, seq uint64) (n int, err error)
}

// Config says how much a History keeps and what of it can be seen. Zero fields
// take their defaults.
type Config struct {
	Bytes      int   // all memory, default 64 MiB
	Slab       int   // bytes of one slab, default 4 MiB: what one eviction gives up
	Pins       int   // concurrent Copies, default 4; each costs one spare slab
	PacketSize int   // the largest packet in bytes, default wire.DefaultPacket
	Durable    bool  // strict mode: only durable packets are visible
	Older      Older // serves what was evicted; nil: evicted is gone
}

// withDefaults fills the zero fields and checks the sizes: ErrConfig.
func (c Config) withDefaults() (Config, error) {
	c.Bytes = orDefault(c.Bytes, 64<<20)
	c.Slab = orDefault(c.Slab, 4<<20)
	c.Pins = orDefault(c.Pins, 4)
	c.PacketSize = orDefault(c.PacketSize, wire.DefaultPacket)
	switch {
	case c.PacketSize < wire.HeaderLen || c.PacketSize > wire.MaxPacket:
		return c, fmt.Errorf("%w: packet size %d is not within %d and %d bytes", ErrConfig, c.PacketSize, wire.HeaderLen, wire.MaxPacket)
	case c.Pins < 1 || c.Pins > maxPins:
		return c, fmt.Errorf("%w: %d concurrent readers are not within 1 and %d", ErrConfig, c.Pins, maxPins)
	case c.Slab < c.room() || c.Slab > maxSlab:
		return c, fmt.Errorf("%w: a slab of %d bytes is not within %d (one packet) and %d", ErrConfig, c.Slab, c.room(), maxSlab)
	case c.live() < 2 || c.slabs() > maxSlabs:
		return c, fmt.Errorf("%w: %d bytes are %d slabs of %d, not within %d (2, and 1 for each reader and the journal) and %d",
			ErrConfig, c.Bytes, c.slabs(), c.Slab, c.Pins+3, maxSlabs)
	}
	return c, nil
}

func orDefault(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}

// slabs is the number of slabs; live of them hold packets at most. The others are
// spare: one for each pin of a reader and one for the disk loop's.
func (c Config) slabs() int { return c.Bytes / c.Slab }
func (c Config) live() int  { return c.slabs() - c.Pins - 1 }

// room is what a slab must have free for one packet: the packet, a progress for
// each of its messages but no more than there are inputs, and its entry.
func (c Config) room() int {
	return c.PacketSize + min(feed.MaxInputs, c.PacketSize/wire.HeadLen)*progressLen + entryLen
}
