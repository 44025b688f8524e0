package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// Receiver says what the kernel's receive stamps are worth. They are the host's UTC:
// either that is the clock, as far as the kernel or chronyd vouch for it, or they are
// brought onto a clock of this host that shows itself in a file. Where that clock
// stamped the packets, its error is no part of a latency.
//
// Poll belongs to one loop; Stamp may be called from any, and neither waits, locks nor
// allocates.
type Receiver struct {
	file    string // empty: the host's own clock
	chronyd string
	counter source.Counter
	offset  span // of the host's UTC against CLOCK_MONOTONIC, ns
	asked   int64
	changed time.Time
	view    atomic.Pointer[view]
}

// PollEvery is how often Poll should be called: an anchor is shown Lead before it is
// in force.
const PollEvery = Lead / 2

// askEvery is how often the host is asked for its error, ns.
const askEvery = int64(time.Second)

// longestView is for how long what was last heard of a clock is believed, ns.
const longestView = 10 * int64(time.Second)

// view is what stamps are read by until the next Poll.
type view struct {
	anchor  clock.Anchor // on CLOCK_MONOTONIC; not used for the host's own clock
	shared  bool
	offset  span
	slack   int64 // ns, of bringing a stamp onto the anchor's counter
	state   wire.Clock
	at      int64   // host's UTC when state was asked for
	drift   float64 // of the host's clock since
	expires int64   // host's UTC
}

// NewReceiver is for the clock that shows itself in the file, or for the host's own if
// there is none; chronyd is as in Config. The error says that there is no such file.
func NewReceiver(file, chronyd string) (*Receiver, error) {
	r := &Receiver{file: file, chronyd: chronyd, counter: source.NewCounter(time.Now()), asked: -askEvery}
	r.view.Store(&view{state: hostClock()})
	r.Poll()
	if file != "" && !r.view.Load().shared {
		return nil, fmt.Errorf("%w: %s", ErrNoFile, file)
	}
	return r, nil
}

// hostClock is the host's own clock without a promise.
func hostClock() wire.Clock {
	return wire.Clock{State: wire.ClockUnsynchronised, TAI: wire.TAIUnknown, ID: clock.HostID(), Bound: wire.BoundUnknown}
}

// Poll looks at the clock again. It is called about every PollEvery.
func (r *Receiver) Poll() {
	if r.file == "" {
		r.askHost()
		return
	}
	st, err := os.Stat(r.file)
	if err != nil || st.ModTime().Equal(r.changed) && r.offset.half() < narrow {
		return // what was heard last expires by itself
	}
	r.offset = r.offset.meet(hostOffset())
	r.changed = st.ModTime()
	data, err := os.ReadFile(r.file)
	if err != nil {
		return
	}
	var s Status
	if json.Unmarshal(data, &s) != nil || s.Shared == nil {
		return
	}
	a := s.Shared.anchor(&s)
	r.view.Store(&view{
		anchor: a, shared: true, offset: r.offset, slack: r.offset.half() + s.Shared.Slack,
		state: wire.Clock{State: a.State, TAI: a.TAI, ID: a.ID}, expires: s.Written.UnixNano() + longestView,
	})
}

// narrow is when the host's offset is known well enough, ns.
const narrow = 200

func (r *Receiver) askHost() {
	now := r.counter.Now()
	if now < r.asked+askEvery {
		return
	}
	r.asked = now
	v := &view{state: hostClock(), at: time.Now().UnixNano()}
	reading, err := hostReading(r.counter, r.chronyd, func(source.Reading, error) {})
	if bound := (reading.High - reading.Low) / 2; err == nil && bound < wire.BoundUnknown {
		v.state.State, v.state.Bound = wire.ClockSynchronised, uint32(bound)
		v.drift, v.expires = reading.Drift, v.at+longestView
		if reading.TAI != 0 {
			v.state.TAI = int8(reading.TAI)
		}
	}
	r.view.Store(v)
}

// Stamp is a receive stamp, ns of the host's UTC, on the clock; what the clock says of
// it; and what the stamp may be off that clock's reading, ns.
func (r *Receiver) Stamp(rx wire.Nanos) (wire.Nanos, wire.Clock, wire.Nanos) {
	v := r.view.Load()
	c := v.state
	if int64(rx) > v.expires {
		c.State, c.Bound = wire.ClockUnsynchronised, wire.BoundUnknown
	}
	if !v.shared {
		c.Bound = grown(c.Bound, v.drift*float64(max(int64(rx)-v.at, 0)))
		return rx, c, 0
	}
	counter := int64(rx) - v.offset.middle()
	utc, said := v.anchor.Read(counter)
	if int64(rx) > v.expires {
		return utc, c, wire.Nanos(v.slack)
	}
	slack := v.slack
	if late := counter - v.anchor.End; late > 0 {
		slack += late / 500 // the next line, not seen yet, leaves this one by so much at most
	}
	return utc, said, wire.Nanos(slack)
}

// grown is a bound and more.
func grown(bound uint32, by float64) uint32 {
	if b := float64(bound) + by; b < wire.BoundUnknown-1 {
		return uint32(b) + 1
	}
	return wire.BoundUnknown
}

// A span is where a constant lies, ns.
type span struct{ low, high int64 }

func (s span) middle() int64 { return s.low + (s.high-s.low)/2 }

func (s span) half() int64 {
	if s == (span{}) {
		return 1 << 40
	}
	return (s.high-s.low)/2 + 1
}

// meet is what both allow; when that is nothing the constant has changed.
func (s span) meet(o span) span {
	if m := (span{max(s.low, o.low), min(s.high, o.high)}); s != (span{}) && m.low <= m.high {
		return m
	}
	return o
}

// looks is how often two clocks are compared at a time.
const looks = 16

// hostOffset is the host's UTC less CLOCK_MONOTONIC: both are slewed alike, so only a
// step changes it.
func hostOffset() (s span) {
	for range looks {
		before := monotonic()
		utc := time.Now().UnixNano()
		after := monotonic()
		s = s.meet(span{utc - after, utc - before})
	}
	return s
}

// counterOffset is CLOCK_MONOTONIC less the counter.
func counterOffset(c source.Counter) (s span) {
	for range 4 * looks {
		before := c.Now()
		mono := monotonic()
		after := c.Now()
		s = s.meet(span{mono - after, mono - before})
	}
	return s
}

// monotonic reads the clock that all processes of this host share.
func monotonic() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0 // cannot happen: the clock exists and t is ours
	}
	return t.Nano()
}

// Shared is an anchor for other processes of this host. Counters are CLOCK_MONOTONIC.
type Shared struct {
	Line         clock.Segment `json:"line"`
	Before       clock.Segment `json:"before"`
	Ahead        float64       `json:"ahead"`
	Behind       float64       `json:"behind"`
	AheadGrowth  float64       `json:"ahead_growth"`
	BehindGrowth float64       `json:"behind_growth"`
	Wander       float64       `json:"wander"`
	WanderCap    float64       `json:"wander_cap"`
	Exit         int64         `json:"exit"`
	State        uint8         `json:"state"`
	Slack        int64         `json:"slack"` // ns, of the counters
}

// share turns an anchor of the counter into one for others.
func share(a *clock.Anchor, offset span) *Shared {
	line, before := a.Segment, a.Before
	for _, s := range [...]*clock.Segment{&line, &before} {
		s.Start += offset.middle()
		s.End += offset.middle()
	}
	return &Shared{
		Line: line, Before: before, Ahead: finite(a.Ahead), Behind: finite(a.Behind), AheadGrowth: a.AheadGrowth,
		BehindGrowth: a.BehindGrowth, Wander: a.Wander, WanderCap: a.WanderCap, Exit: a.Exit, State: uint8(a.State), Slack: offset.half(),
	}
}

func (s *Shared) anchor(of *Status) clock.Anchor {
	return clock.Anchor{
		Segment: s.Line, Before: s.Before, Ahead: s.Ahead, Behind: s.Behind, AheadGrowth: s.AheadGrowth,
		BehindGrowth: s.BehindGrowth, Wander: s.Wander, WanderCap: s.WanderCap, Exit: s.Exit, State: wire.ClockState(s.State),
		TAI: of.TAI, ID: of.ID,
	}
}
