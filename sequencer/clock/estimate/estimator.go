package estimate

import (
	"errors"

	"github.com/tapecast/tapecast/sequencer/clock"
)

// Stale is after how many polls without a fresh quorum the state is holdover.
const Stale = 3

// Sample is one exchange as a source reports it: stamps in UTC.
type Sample struct {
	Exchange      // T2 and T3 in UTC; Add moves them to the scale without leaps
	Leap     int8 // the server announces: +1 inserted, -1 left out, 0 none
}

// Estimator is the whole clock without I/O: exchanges in, anchors out. It belongs
// to one loop.
type Estimator struct {
	*Servers
	*Tracker
	Leaps     *Leaps
	AuditOnly bool // the servers' region is not followed

	cfg       Config
	poll      int64
	leaping   [MaxServers]int8
	disrupted bool
	region    Region
	good      bool
	followed  Input
	before    Tracker
	waited    bool // the last Tick took a disruption
}

// NewEstimator begins with the anchor in force. poll is the interval, ns, at which
// each server is asked; tai is the published TAI - UTC, seconds.
func NewEstimator(cfg Config, tc TrackerConfig, poll int64, tai int, first *clock.Anchor) (*Estimator, error) {
	servers, err := NewServers(cfg)
	if err != nil {
		return nil, err
	}
	tc.Wander, tc.WanderCap = cfg.Wander, cfg.WanderCap
	leaps := NewLeaps(tai)
	tracker, err := NewTracker(tc, first, leaps)
	if err != nil {
		return nil, err
	}
	return &Estimator{Servers: servers, Tracker: tracker, Leaps: leaps, cfg: cfg, poll: poll}, nil
}

// Errors of Add beside those of Servers.
var (
	ErrLeap       = errors.New("estimate: stamp too near to a leap second")
	ErrIncoherent = errors.New("estimate: contradicts earlier answers of the server")
)

// Add takes a sample. An error says why it is not used, or, ErrIncoherent, that the
// server's earlier ones no longer are. The exchange is the one that Servers holds,
// on the scale without leaps.
func (e *Estimator) Add(s Sample) (Exchange, error) {
	x := s.Exchange
	var in2, in3 bool
	x.T2, in2 = e.Leaps.Scale(s.T2)
	x.T3, in3 = e.Leaps.Scale(s.T3)
	if !in2 || !in3 {
		return x, ErrLeap
	}
	consistent, err := e.Servers.Add(x)
	if err != nil {
		return x, err
	}
	e.leaping[x.Server] = s.Leap
	if consistent {
		return x, nil
	}
	if e.Broken(x.Received-2*e.poll) > e.cfg.Faulty {
		e.Disrupt(x.Received)
	}
	return x, ErrIncoherent
}

// Disrupt says that the counter or the host was paused or moved before the counter
// reading: what is known of it is void, and so are the questions under way. When Add
// returns ErrIncoherent all servers should be asked at once, for if it was the counter
// that jumped, every stamp until the others show it is wrong.
func (e *Estimator) Disrupt(counter int64) {
	e.disrupted = true
	e.Servers.Reset(counter)
}

// Disrupted reports whether a disruption waits for the next Tick.
func (e *Estimator) Disrupted() bool { return e.disrupted }

// Tick is the anchor to publish at the counter reading. unread says that nobody has
// read the time. other, if not nil, is the interval of a source that is preferred to
// the servers; their verdicts are made all the same.
func (e *Estimator) Tick(counter int64, unread bool, other *Interval) *clock.Anchor {
	in := Input{Disrupted: e.disrupted, Unread: unread}
	e.waited, e.disrupted = e.disrupted, false
	e.region, e.good = e.Region(counter)
	if e.good {
		e.announce(counter)
		in.Interval = e.region.Interval()
		in.Known = e.Quorum(counter)
	}
	if other != nil {
		in.Interval, in.Known = *other, true
	}
	if e.AuditOnly && other == nil {
		in.Known = false
	}
	e.followed, e.before = in, *e.Tracker
	return e.Step(counter, in)
}

// Again gives the last Tick's anchor anew, when somebody read the time before it was
// published: without a step.
func (e *Estimator) Again(counter int64) *clock.Anchor {
	*e.Tracker = e.before
	e.followed.Unread = false
	return e.Step(counter, e.followed)
}

// Undo takes back the last Tick, whose anchor was refused: the one before it is still
// in force, and the next must follow that one. A disruption waits for it again.
func (e *Estimator) Undo() {
	*e.Tracker = e.before
	e.disrupted = e.disrupted || e.waited
}

// Followed is the interval that the last Tick went by; ok is false if it had none.
func (e *Estimator) Followed() (i Interval, ok bool) { return e.followed.Interval, e.followed.Known }

// Last is the region of the last Tick; ok is false when there was none.
func (e *Estimator) Last() (r Region, ok bool) { return e.region, e.good }

// Quorum reports whether the last Tick had a region, and enough servers answered lately
// for a promise by it at the counter reading.
func (e *Estimator) Quorum(counter int64) bool {
	return e.good && e.Fresh(counter-Stale*e.poll) >= e.cfg.Servers-e.cfg.Faulty
}

// Excludes reports whether the servers, by a quorum that is fresh, leave no room for i.
func (e *Estimator) Excludes(i Interval) bool {
	if !e.Quorum(i.Counter) {
		return false
	}
	r := e.region.Interval()
	age := float64(i.Counter - r.Counter)
	further := e.cfg.drift(max(age, 0)/1e9) + 1
	return float64(i.High-r.Low) < r.PhiLow*age-further || float64(i.Low-r.High) > r.PhiHigh*age+further
}

// Distrust says that what was followed is wrong: the next anchor promises nothing, and no
// later one by it. What servers answered stands.
func (e *Estimator) Distrust() { e.disrupted = true }

// announce takes the word for a leap at the end of this UTC month from more than f
// of the agreeing servers, on the month's last day.
func (e *Estimator) announce(counter int64) {
	if e.Leaps.Ahead() {
		return
	}
	insert, leave := 0, 0
	for i := range e.cfg.Servers {
		if e.region.Agree&(1<<i) != 0 {
			switch e.leaping[i] {
			case 1:
				insert++
			case -1:
				leave++
			}
		}
	}
	if max(insert, leave) <= e.cfg.Faulty {
		return
	}
	e.Leaps.Month(counter+(e.region.Low+e.region.High)/2-e.Leaps.shift, insert > leave)
}
