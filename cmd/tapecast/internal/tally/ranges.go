package tally

// MaxRanges bounds a list of ranges. What comes beyond is only counted.
const MaxRanges = 10_000

// Range is consecutive sequences, both ends included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Cause string `json:"cause"`
}

// Ranges is a bounded list of ranges.
type Ranges struct {
	List     []Range
	Messages uint64 // in all ranges, those beyond MaxRanges included
}

// Add appends a range. One that goes on from the last one for the same cause
// makes it longer.
func (r *Ranges) Add(first, last uint64, cause string) {
	r.Messages += last - first + 1
	if n := len(r.List); n > 0 && r.List[n-1].Last+1 == first && r.List[n-1].Cause == cause {
		r.List[n-1].Last = last
		return
	}
	if len(r.List) < MaxRanges {
		r.List = append(r.List, Range{first, last, cause})
	}
}

// overlap counts the messages of the list that first..last covers.
func (r *Ranges) overlap(first, last uint64) uint64 {
	var n uint64
	for _, x := range r.List {
		if low, high := max(first, x.First), min(last, x.Last); low <= high {
			n += high - low + 1
		}
	}
	return n
}
