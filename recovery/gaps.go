package recovery

import (
	"math"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// Bounds of the list of gaps. Beyond maxGaps nothing new is noticed until some are
// filled; the spare ones are for gaps that split.
const (
	maxGaps   = 1024
	spareGaps = 64
)

// never is later than any time.
const never = wire.Nanos(math.MaxInt64)

// A gap is a missing range, or the part of one that shares a fate.
type gap struct {
	first, last uint64
	since       wire.Nanos // when it was found
	due         wire.Nanos // when to ask for it; never while lines are waited for
	tries       int        // what was spent on it, in quarters of an attempt
	gone        uint64     // servers that do not have it, a bit each
	counted     bool       // in Stats.Gaps
	asked       bool       // at least once
	followed    bool       // a follow is to bring it
	lost        Cause      // given up: a Lost event when its turn comes
}

func (x *gap) messages() uint64 { return x.last - x.first + 1 }

// fresh reports whether nothing was done with x yet.
func (x *gap) fresh() bool {
	return !x.asked && !x.followed && x.tries == 0 && x.gone == 0 && x.lost == 0
}

// charge adds to what was spent on x, and gives it up when that is too much.
func (x *gap) charge(cost, attempts int, cause Cause) {
	if x.tries += cost; x.tries >= wholeTry*attempts && x.lost == 0 {
		x.lost = cause
	}
}

// gaps is what is missing, in order and disjoint. Every sequence from the stream's
// next to its edge is in the window or in a gap, never both.
type gaps struct {
	list []gap // of fixed capacity
}

func newGaps() gaps { return gaps{make([]gap, 0, maxGaps+spareGaps)} }

func (g *gaps) full() bool { return len(g.list) >= maxGaps }

// append notices first..last, behind all others. It reports false when the list is
// full. A neighbour with which nothing was done yet grows instead.
func (g *gaps) append(first, last uint64, now wire.Nanos) bool {
	if n := len(g.list); n > 0 {
		t := &g.list[n-1]
		if t.last+1 == first && t.fresh() {
			t.last = last
			return true
		}
	}
	if g.full() {
		return false
	}
	g.list = append(g.list, gap{first: first, last: last, since: now, due: never})
	return true
}

// prepend puts first..last before all others, due at once. Without room the first
// of them grows, over what is held in between.
func (g *gaps) prepend(first, last uint64, now wire.Nanos) {
	if len(g.list) == cap(g.list) {
		g.list[0].first, g.list[0].followed, g.list[0].due = first, false, now
		return
	}
	g.list = slices.Insert(g.list, 0, gap{first: first, last: last, since: now, due: now})
}

// find is the index of the first gap that ends at seq or later.
func (g *gaps) find(seq uint64) int {
	if len(g.list) > 0 && g.list[0].last >= seq {
		return 0
	}
	i, _ := slices.BinarySearchFunc(g.list, seq, func(x gap, seq uint64) int {
		if x.last < seq {
			return -1
		}
		return 1
	})
	return i
}

// split cuts gap i behind last. It reports false when there is no room.
func (g *gaps) split(i int, last uint64) bool {
	if len(g.list) == cap(g.list) {
		return false
	}
	rest := g.list[i]
	rest.first = last + 1
	g.list = slices.Insert(g.list, i+1, rest)
	g.list[i].last = last
	return true
}

// fill takes first..last out. It reports false, with nothing changed, when that
// would split a gap and there is no room.
func (g *gaps) fill(first, last uint64) bool {
	i := g.find(first)
	if i == len(g.list) || g.list[i].first > last {
		return true
	}
	if x := &g.list[i]; x.first < first {
		if x.last > last {
			if !g.split(i, last) {
				return false
			}
			g.list[i].last = first - 1
			return true
		}
		x.last = first - 1
		i++
	}
	j := i
	for j < len(g.list) && g.list[j].last <= last {
		j++
	}
	if j < len(g.list) && g.list[j].first <= last {
		g.list[j].first = last + 1
	}
	g.list = slices.Delete(g.list, i, j)
	return true
}

// touching gives the gaps that hold any of first..last, lent until the next call. Those
// at its ends are split there; without room they hold more.
func (g *gaps) touching(first, last uint64) []gap {
	i := g.find(first)
	if i < len(g.list) && g.list[i].first < first && g.split(i, first-1) {
		i++
	}
	n := i
	for n < len(g.list) && g.list[n].first <= last {
		n++
	}
	if n > i && g.list[n-1].last > last {
		g.split(n-1, last)
	}
	return g.list[i:n]
}

// each calls f with every gap inside first..last, those that hold more left out.
func (g *gaps) each(first, last uint64, f func(x *gap)) {
	list := g.touching(first, last)
	for i := range list {
		if x := &list[i]; x.first >= first && x.last <= last {
			f(x)
		}
	}
}
