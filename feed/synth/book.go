package synth

import (
	"math/bits"

	"github.com/tapecast/tapecast/feed/wire"
)

// depth bounds the live orders on one side of one book.
const depth = 48

// none is the best key of a side without orders: no order crosses it.
const none = 1 << 29

// side is one side of a book: its live orders in fixed slots.
//
// An order's key is its price in levels, with the sign turned on the buy side, so
// that on both sides the lowest key is the best price. Two orders of opposite sides
// cross when their keys add up to 0 or less.
type side struct {
	live uint64        // bit i: slot i holds an order
	best int32         // lowest key, none without orders
	keys [depth]int32  // none in a free slot
	open [depth]uint32 // quantity
	ids  [depth]uint64 // rising with time: of two at one price the lower id is first
}

func empty() (s side) {
	s.best = none
	for i := range s.keys {
		s.keys[i] = none
	}
	return s
}

func (s *side) count() uint32 { return uint32(bits.OnesCount64(s.live)) }

// crosses reports whether an order on the other side with this key would trade.
func (s *side) crosses(key int32) bool { return key+s.best <= 0 }

// add puts an order into a free slot; there must be one.
func (s *side) add(r uint64, id uint64, key int32, qty uint32) {
	i := pick(r, ^s.live&(1<<depth-1))
	s.live |= 1 << i
	s.keys[i], s.open[i], s.ids[i] = key, qty, id
	s.best = min(s.best, key)
}

// remove frees slot i.
func (s *side) remove(i int) {
	key := s.keys[i]
	s.live &^= 1 << i
	s.keys[i] = none
	if key != s.best {
		return
	}
	var even, odd int32 = none, none // two chains: twice as fast
	for i := 0; i < depth; i += 2 {
		even, odd = min(even, s.keys[i]), min(odd, s.keys[i+1])
	}
	s.best = min(even, odd)
}

// take fills slot i by qty and frees it when nothing is left.
func (s *side) take(i int, qty uint32) {
	s.open[i] -= qty
	if s.open[i] == 0 {
		s.remove(i)
	}
}

// first is the slot of the order to be executed next: the oldest at the best price.
// There must be one.
func (s *side) first() (slot int) {
	oldest := ^uint64(0)
	for i := range s.keys {
		if s.keys[i] == s.best && s.ids[i] < oldest {
			slot, oldest = i, s.ids[i]
		}
	}
	return slot
}

// any is the slot of some order; there must be one.
func (s *side) any(r uint64) int { return pick(r, s.live) }

// pick gives the first set bit of mask at or after a random slot, or the first of
// all behind the last. mask has a bit below depth.
func pick(r uint64, mask uint64) int {
	from := below(r, depth)
	if above := mask >> from << from; above != 0 {
		mask = above
	}
	return bits.TrailingZeros64(mask) % depth
}

// sign turns a level into a key and a key into a level.
func sign(s wire.Side) int32 { return int32(s)*2 - 1 }
