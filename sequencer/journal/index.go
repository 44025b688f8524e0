package journal

// blockBytes is how much of the journal one read for repair takes, and how much
// lies between two entries of the index: 32 bytes of memory for each.
const blockBytes = 64 << 10

// index finds sequences in the segments: sparse, in order of both.
type index struct{ blocks []block }

// block is a run of records of one segment that begins with the packet of
// sequence first. It holds the packets up to the next block's first.
type block struct {
	first   uint64
	segment uint64
	from    int64 // offsets
	to      int64 // 0: it still grows
}

// due reports whether a packet record there begins a new block.
func (x *index) due(at place) bool {
	n := len(x.blocks)
	return n == 0 || x.blocks[n-1].to != 0 || at.offset-x.blocks[n-1].from >= blockBytes
}

// note takes in a packet record.
func (x *index) note(first uint64, at place) {
	if !x.due(at) {
		return
	}
	x.seal(at.offset)
	x.blocks = append(x.blocks, block{first: first, segment: at.segment, from: at.offset})
}

// seal ends the last block: its segment goes no further, or something else follows.
func (x *index) seal(to int64) {
	if n := len(x.blocks); n > 0 && x.blocks[n-1].to == 0 {
		x.blocks[n-1].to = to
	}
}

// cut forgets blocks past last. A block that holds last keeps void packets behind
// it; the next one's first hides them.
func (x *index) cut(last uint64) {
	for n := len(x.blocks); n > 0 && x.blocks[n-1].first > last; n-- {
		x.blocks = x.blocks[:n-1]
	}
}

// find returns the block that holds seq and the sequence before which its packets
// count: next, when it is the last one. false: seq is older than the index.
func (x *index) find(seq, next uint64) (b block, limit uint64, ok bool) {
	lo, hi := 0, len(x.blocks)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x.blocks[mid].first <= seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return b, 0, false
	}
	if lo < len(x.blocks) {
		next = x.blocks[lo].first
	}
	return x.blocks[lo-1], next, true
}

// oldest is the first sequence; next when there is none.
func (x *index) oldest(next uint64) uint64 {
	if len(x.blocks) == 0 {
		return next
	}
	return x.blocks[0].first
}
