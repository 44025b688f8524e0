package audit

import (
	"fmt"
	"math"
)

// Kind is what a record tells.
type Kind string

// Kinds of records.
const (
	KindHeader     Kind = "header"     // design and assumptions; first after every start
	KindSample     Kind = "sample"     // one exchange with a server
	KindReading    Kind = "reading"    // what another source was asked and said
	KindUpdate     Kind = "update"     // a published anchor
	KindSecond     Kind = "second"     // what was said in one second
	KindState      Kind = "state"      // the state changed
	KindDisruption Kind = "disruption" // the counter's past is void
	KindAlarm      Kind = "alarm"      // sources disagree, a server was named or contradicts itself
	KindLeap       Kind = "leap"       // a leap second was announced or passed
	KindLost       Kind = "lost"       // records were dropped, or a block was torn
	KindEnd        Kind = "end"        // the trail was closed
)

// A Record is one line of the trail. UTC is when it was made, ns, by the clock under
// audit. Only the part of its kind is set.
type Record struct {
	Kind   Kind    `json:"kind"`
	UTC    int64   `json:"utc"`
	Text   string  `json:"text,omitempty"` // cause, for people
	Count  uint64  `json:"count,omitempty"`
	Since  int64   `json:"since,omitempty"` // of records that were dropped: UTC of the first; UTC is when that was noted
	Header *Header `json:"header,omitempty"`
	Sample *Sample `json:"sample,omitempty"`
	Update *Update `json:"update,omitempty"`
	Second *Second `json:"second,omitempty"`

	Reading *Reading `json:"reading,omitempty"`
}

// most is the largest time or counter that a record can have, ns: sums of two fit.
const most = 1 << 61

func inRange(values ...int64) bool {
	for _, v := range values {
		if v < -most || v > most {
			return false
		}
	}
	return true
}

// finite wants what JSON can say.
func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// valid refuses what no clock writes, before it is written and when it is read.
func (r *Record) valid() error {
	bad := !inRange(r.UTC, r.Since)
	switch r.Kind {
	case KindHeader:
		h := r.Header
		bad = bad || h == nil || !finite(h.Assumption.Drift, h.Assumption.Wander, h.Assumption.WanderCap, h.Assumption.HostDrift) ||
			!inRange(h.Assumption.PTPError)
	case KindSample:
		s := r.Sample
		bad = bad || s == nil || !inRange(s.Sent, s.Received, s.T2, s.T3, s.Error, s.RootDelay, s.Dispersion)
	case KindReading:
		bad = bad || !r.Reading.valid()
	case KindUpdate:
		u := r.Update
		bad = bad || u == nil || !inRange(u.Counter, u.Low, u.High, u.Start, u.End, u.Time, u.Shift) ||
			!finite(u.PhiLow, u.PhiHigh, u.Rate, u.Ahead, u.Behind, u.AheadGrowth, u.BehindGrowth, u.Wander, u.WanderCap)
	case KindSecond:
		s := r.Second
		bad = bad || s == nil || !inRange(s.Bound, s.Offset, s.From, s.To) || s.To < s.From
	case "":
		bad = true
	}
	if bad {
		return fmt.Errorf("a record of kind %q that no clock writes", r.Kind)
	}
	return nil
}

// Header is the design record: what every bound of the trail rests on.
type Header struct {
	Host       string   `json:"host"`
	Program    string   `json:"program"`
	Config     string   `json:"config"`      // as given, in TOML, less keys
	ConfigHash string   `json:"config_hash"` // SHA-256 of Config and the kinds of the keys: no key is in it
	StampPoint string   `json:"stamp_point"` // where in the program a stamp is applied
	Sources    []string `json:"sources"`
	Assumption Assume   `json:"assumptions"`
}

// Assume is what was declared about servers and counter.
type Assume struct {
	Servers    int     `json:"servers"`
	Faulty     int     `json:"faulty"`
	Drift      float64 `json:"drift"`
	Wander     float64 `json:"wander_per_s"`
	WanderCap  float64 `json:"wander_cap"`
	Samples    int     `json:"samples"`
	MinSamples int     `json:"min_samples"`
	MaxAge     int64   `json:"max_age_ns"`
	Poll       int64   `json:"poll_ns"`
	Stale      int     `json:"stale_polls"`
	Reference  int64   `json:"reference_ns"`
	Enter      int64   `json:"enter_ns"`
	Exit       int64   `json:"exit_ns"`
	TAI        int     `json:"tai_s"`        // TAI - UTC at the start
	HostDrift  float64 `json:"host_drift"`   // how fast the host's clock is corrected at most
	PTPError   int64   `json:"ptp_error_ns"` // of the hardware clock, servo and grandmaster
	PTPTAI     int     `json:"ptp_tai_s"`    // how far it is ahead of UTC
}

// Sample is one exchange. Counters and times in ns; T2 and T3 on the scale without
// leap seconds.
type Sample struct {
	Server     int    `json:"server"`
	Sent       int64  `json:"sent"`
	Received   int64  `json:"received"`
	T2         int64  `json:"t2"`
	T3         int64  `json:"t3"`
	Error      int64  `json:"error"`
	RootDelay  int64  `json:"root_delay"`
	Dispersion int64  `json:"root_dispersion"`
	Stratum    uint8  `json:"stratum"`
	Refid      string `json:"refid,omitempty"`
	Leap       int8   `json:"leap,omitempty"`
	Kernel     bool   `json:"kernel"`
	Key        bool   `json:"key"`
	Used       bool   `json:"used"`              // the estimator holds it
	Restart    bool   `json:"restart,omitempty"` // it contradicts the server's earlier ones, which are forgotten
	Reason     string `json:"reason,omitempty"`  // why it is not used
}

// Update is one published anchor with the interval that it rests on.
type Update struct {
	Counter int64   `json:"counter"`
	Known   bool    `json:"known"`          // Low to PhiHigh are of a fresh quorum
	From    string  `json:"from,omitempty"` // the source, if not the servers of the samples
	Low     int64   `json:"low,omitempty"`
	High    int64   `json:"high,omitempty"`
	PhiLow  float64 `json:"phi_low,omitempty"`
	PhiHigh float64 `json:"phi_high,omitempty"`
	Fixed   bool    `json:"fixed,omitempty"` // phi stays within these for ever
	Agree   uint    `json:"agree,omitempty"` // bit set of servers

	Start        int64   `json:"start"`
	End          int64   `json:"end"`
	Time         int64   `json:"time"` // at Start, on the scale without leaps
	Shift        int64   `json:"shift,omitempty"`
	Rate         float64 `json:"rate"`
	Ahead        float64 `json:"ahead"`
	Behind       float64 `json:"behind"`
	AheadGrowth  float64 `json:"ahead_growth"`
	BehindGrowth float64 `json:"behind_growth"`
	Wander       float64 `json:"wander"`
	WanderCap    float64 `json:"wander_cap"`
	State        uint8   `json:"state"`
	TAI          int8    `json:"tai"`
	ID           uint32  `json:"id"`
}

// Second is what the clock said in one second of UTC.
type Second struct {
	Bound  int64  `json:"bound"`  // the widest in it, ns; -1 unknown
	Offset int64  `json:"offset"` // the time told less the middle of its interval, ns
	State  uint8  `json:"state"`  // the worst in it
	Stamps uint64 `json:"stamps"` // made in it, if the program counts them
	From   int64  `json:"from"`   // counters that the row is of
	To     int64  `json:"to"`
}
