package recovery

// maxFences bounds the cuts remembered. Older ones fall out: what they would have
// refused lies behind what was delivered, or breaks the chain.
const maxFences = 64

// fence says that epochs below its own hold nothing past cut.
type fence struct {
	epoch uint32
	cut   uint64
	chain uint64 // after cut, where it matters
}

// fences are in order of epoch; their cuts rise too, since a lower cut of a later
// epoch voids the higher one of an earlier.
//
// Where a receiver missed epochs, it knows the lowest cut of all, but not where
// each of those between ended: they are dark. Their packets may lie past a cut and
// still continue the chain, so they are taken from servers only, which know.
type fences struct {
	n         int
	list      [maxFences]fence
	low, high uint32 // the dark epochs; none when high is below low
}

// skip learns that the epochs from low to high, if there were any, were missed. With
// those missed before they are one range, and what lies between is dark too.
func (f *fences) skip(low, high uint32) {
	if low > high {
		return
	}
	if f.high < f.low || f.low == 0 {
		f.low = low
	}
	f.high = high
}

// light learns that previous came before the newest epoch, whose cut is known.
func (f *fences) light(previous uint32) {
	f.high = min(f.high, max(previous, 1)-1)
}

// dark reports whether epoch was missed.
func (f *fences) dark(epoch uint32) bool { return f.low <= epoch && epoch <= f.high }

// add learns the cut of epoch.
func (f *fences) add(epoch uint32, cut uint64) {
	if f.n > 0 && f.list[f.n-1].epoch >= epoch {
		return
	}
	for f.n > 0 && f.list[f.n-1].cut >= cut {
		f.n--
	}
	if f.n == maxFences {
		copy(f.list[:], f.list[1:])
		f.n--
	}
	f.list[f.n] = fence{epoch: epoch, cut: cut}
	f.n++
}

// void reports whether a message of epoch with this sequence is past a cut.
func (f *fences) void(epoch uint32, seq uint64) bool {
	for _, x := range f.list[:f.n] {
		if x.epoch > epoch {
			return seq > x.cut
		}
	}
	return false
}
