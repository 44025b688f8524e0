package audit

import (
	"errors"
	"fmt"
	"math"
)

// Reading is what a source other than an NTP server was asked and said, as it came: the
// interval of an Update that names the source is derived from it. Counters and times in ns.
type Reading struct {
	From    string     `json:"from"`              // as an Update names it
	Counter int64      `json:"counter"`           // that the interval holds at
	Done    int64      `json:"done"`              // counter, after all was read
	Pairs   [][3]int64 `json:"pairs,omitempty"`   // the counter, the host's UTC or what PTP was compared with, the counter
	Kernel  *Kernel    `json:"kernel,omitempty"`  // one of these three, if the source answered
	Chronyd *Chronyd   `json:"chronyd,omitempty"` //
	PTP     *PTP       `json:"ptp,omitempty"`     //
	Shift   int64      `json:"shift,omitempty"`   // of UTC onto the scale without leap seconds
	Used    bool       `json:"used"`              // the clock holds it
	Restart bool       `json:"restart,omitempty"` // it contradicts the hardware clock's earlier ones, which are forgotten
	Reason  string     `json:"reason,omitempty"`  // why it is not used
}

// Kernel is the kernel's word for the host's clock, as adjtimex has it.
type Kernel struct {
	State     int   `json:"state"`
	Status    int32 `json:"status"`
	MaxError  int64 `json:"max_error_us"`
	EstError  int64 `json:"est_error_us"`
	Precision int64 `json:"precision_us"`
	TAI       int32 `json:"tai"`
}

// Chronyd is chronyd's word for it, as its tracking report has it.
type Chronyd struct {
	Refid          uint32  `json:"refid"`
	Stratum        uint16  `json:"stratum"`
	Leap           uint16  `json:"leap"`
	Correction     float64 `json:"correction_s"`
	Skew           float64 `json:"skew_ppm"`
	Residual       float64 `json:"residual_ppm"`
	RootDelay      float64 `json:"root_delay_s"`
	RootDispersion float64 `json:"root_dispersion_s"`
	Interval       float64 `json:"interval_s"`
}

// PTP is a hardware clock between two readings of a clock of the kernel's.
type PTP struct {
	UTC  bool       `json:"utc"` // of the host's UTC, not of CLOCK_MONOTONIC
	Each [][3]int64 `json:"each"`
}

// Sizes that no reading has.
const (
	mostPairs = 16
	mostFloat = 1e12
)

// valid refuses what no clock writes.
func (r *Reading) valid() bool {
	if r == nil || !inRange(r.Counter, r.Done, r.Shift) || len(r.Pairs) > mostPairs || !within(r.Pairs) {
		return false
	}
	if k := r.Kernel; k != nil && !inRange(k.MaxError, k.EstError, k.Precision) {
		return false
	}
	if c := r.Chronyd; c != nil {
		for _, v := range [...]float64{c.Correction, c.Skew, c.Residual, c.RootDelay, c.RootDispersion, c.Interval} {
			if !(math.Abs(v) < mostFloat) {
				return false
			}
		}
	}
	return r.PTP == nil || len(r.PTP.Each) <= mostPairs && within(r.PTP.Each)
}

func within(triples [][3]int64) bool {
	for _, p := range triples {
		if !inRange(p[:]...) {
			return false
		}
	}
	return true
}

// What does not follow from a reading.
var (
	errUntold   = errors.New("the reading has no word of the source, or no comparison with the counter")
	errUnsynced = errors.New("the source did not vouch for the clock")
	errSpent    = errors.New("the readings contradict each other")
)

// apart is where a clock stands against the counter, or something else that lies between
// two values, ns.
type apart struct {
	low, high int64
	known     bool
}

// by is what a comparison says: the clock was read between two readings of the counter.
func by(pair [3]int64) apart { return apart{pair[1] - pair[2], pair[1] - pair[0], true} }

func (a apart) or(b apart) apart { return apart{min(a.low, b.low), max(a.high, b.high), true} }

func (a apart) and(b apart) apart {
	if !a.known {
		return b
	}
	return apart{max(a.low, b.low), min(a.high, b.high), true}
}

// host is UTC less the counter by the word of chronyd or the kernel.
func (r *Reading) host(drift float64) (apart, error) {
	if len(r.Pairs) != 1 || r.Kernel == nil && r.Chronyd == nil {
		return apart{}, errUntold
	}
	bound, err := r.vouched()
	if err != nil {
		return apart{}, err
	}
	e := int64(math.Ceil(bound + drift*float64(r.Done-r.Counter)))
	is := by(r.Pairs[0])
	return apart{is.low - e + r.Shift, is.high + e + r.Shift, true}, nil
}

// vouched is how far the host's clock may be off, ns.
func (r *Reading) vouched() (float64, error) {
	const timeError, unsync, longest = 5, 0x40, 17e9
	var bound float64
	if k := r.Kernel; k != nil {
		if k.State == timeError || k.Status&unsync != 0 {
			return 0, errUnsynced
		}
		bound = 1e3 * float64(k.MaxError+k.Precision)
	} else {
		c := r.Chronyd
		if c.Leap == 3 || c.Stratum == 0 || c.Stratum >= 16 {
			return 0, errUnsynced
		}
		bound = 1e9 * (c.RootDelay/2 + c.RootDispersion + math.Abs(c.Correction))
	}
	if !(bound >= 0 && bound <= longest) {
		return 0, fmt.Errorf("%w: a bound of %g ns", errUnsynced, bound)
	}
	return bound, nil
}

// monotonic is CLOCK_MONOTONIC less the counter: before holds what earlier readings say,
// and all of them are true.
func (r *Reading) monotonic(before apart) apart {
	for _, p := range r.Pairs {
		before = before.and(by(p))
	}
	return before
}

// hardware is UTC less the counter by a PTP clock whose largest error is declared, and
// which is so many seconds ahead of UTC. zero is what monotonic says.
func (r *Reading) hardware(zero apart, most int64, tai int) (apart, error) {
	host := zero
	if r.PTP.UTC {
		if len(r.Pairs) != 2 {
			return apart{}, errUntold
		}
		host = by(r.Pairs[0]).or(by(r.Pairs[1]))
	}
	var best [3]int64
	found := false
	for _, s := range r.PTP.Each {
		if s[2] >= s[0] && (!found || s[2]-s[0] < best[2]-best[0]) {
			best, found = s, true
		}
	}
	switch {
	case !found || !host.known:
		return apart{}, errUntold
	case host.low > host.high:
		return apart{}, errSpent
	case r.Counter < best[0]-host.high:
		return apart{}, fmt.Errorf("it was compared at counter %d or later", best[0]-host.high)
	}
	is, utc := by(best), int64(tai)*1e9-r.Shift
	return apart{is.low + host.low - utc - most, is.high + host.high - utc + most, true}, nil
}
