package clocktest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Scenario is one world. Times in ns of true time.
type Scenario struct {
	Seed       uint64
	Start      int64 // UTC of the world's beginning; 0 is some day without leaps
	Oscillator Oscillator
	Servers    []Server
	Paths      []Path // one for each server
	Poll       int64
	Tick       int64 // between anchors, at most Poll
	Outages    []Span
	Freezes    []Freeze
	Leap       int64   // UTC midnight before which a second is inserted; 0: none
	Stamp      float64 // largest delay between a packet and its user-space stamp; 0: kernel stamps
	Estimate   estimate.Config
	Track      estimate.TrackerConfig
	Looks      int // oracle's checks in each tick
}

// Span is a time without any answer.
type Span struct{ From, To int64 }

// Freeze stops the counter, as a paused machine's. Unmarked ones are found only by
// the servers' answers.
type Freeze struct {
	At, For  int64
	Unmarked bool
}

// Result is what the oracle saw.
type Result struct {
	Seed       uint64
	Checks     uint64
	Violations uint64 // true time out of a promised bound
	Backwards  uint64 // time fell
	Blind      uint64 // out of bound between a freeze and the first look at it
	Worst      float64
	First      string   // the first violation
	States     [4]int64 // ns spent in each
	Errors     []float64
	Bounds     []float64
	Rivals     []float64 // root distance of the best server, as chronyd would have it
	Named      [estimate.MaxServers]int64
	Regions    uint64
	NoQuorum   uint64 // ticks without a region, after the first one or the first hour
}

// someDay is 2026-11-10, UTC.
const someDay = 1_794_268_800_000_000_000

// World is a scenario under way.
type World struct {
	Scenario
	Result
	rng     *rand.Rand
	counter *counter
	servers []*server
	paths   []*path
	est     *estimate.Estimator
	anchor  *clock.Anchor
	next    []int64 // counter at which each server is asked
	asked   []int
	due     int64 // counter of the next tick
	now     int64
	last    int64 // the last time read
	blind   bool
	pull    float64
	looks   []int64 // counters of the oracle's next checks
	recent  []rival
	// OnTick, if set, sees each anchor as it is published.
	OnTick func(w *World, a *clock.Anchor, counter int64)
}

// New makes the world of a scenario.
func New(s Scenario) (*World, error) {
	if s.Start == 0 {
		s.Start = someDay
	}
	w := &World{Scenario: s, Result: Result{Seed: s.Seed}, rng: rand.New(rand.NewPCG(s.Seed, 0x636c6f636b)), pull: 1e6}
	w.counter = newCounter(s.Oscillator, w.fork())
	for i := range s.Servers {
		w.servers = append(w.servers, newServer(s.Servers[i], w.fork()))
		w.paths = append(w.paths, &path{Path: s.Paths[i], rng: w.fork()})
		w.next = append(w.next, w.rng.Int64N(1e9))
		w.asked = append(w.asked, 0)
	}
	w.anchor = clock.Undisciplined(s.Start + w.rng.Int64N(4e9) - 2e9) // the host's own idea
	est, err := estimate.NewEstimator(s.Estimate, s.Track, s.Poll, 37, w.anchor)
	w.est = est
	return w, err
}

func (w *World) fork() *rand.Rand { return rand.New(rand.NewPCG(w.rng.Uint64(), w.rng.Uint64())) }

// Estimator is the one under test.
func (w *World) Estimator() *estimate.Estimator { return w.est }

// truth is the time since Start at a counter reading.
func (w *World) truth(counter int64) float64 { return float64(counter) + w.counter.theta(counter) }

// Run goes on until the world is so old, ns of the counter.
func (w *World) Run(until int64) *Result {
	for w.now < until {
		i, at := w.soonest()
		if len(w.looks) > 0 && w.looks[0] < at {
			at = w.looks[0]
			w.looks = w.looks[1:]
			w.freeze(at)
			w.look(at)
			continue
		}
		w.freeze(at)
		w.now = at
		if i < 0 {
			w.tick()
			continue
		}
		w.ask(i)
	}
	return &w.Result
}

// soonest is the server to ask next, or -1 for a tick, and when.
func (w *World) soonest() (server int, at int64) {
	server, at = -1, w.due
	for i, n := range w.next {
		if n < at {
			server, at = i, n
		}
	}
	return server, at
}

func (w *World) freeze(until int64) {
	for len(w.Freezes) > 0 && w.Freezes[0].At < until {
		f := w.Freezes[0]
		w.Freezes = w.Freezes[1:]
		w.counter.jump(max(f.At, w.now), float64(f.For))
		w.blind = true
		if !f.Unmarked {
			w.look(max(f.At, w.now)) // stamps before anybody looks at the marker
			w.est.Disrupt()
			w.anchor = w.est.Flag(w.anchor)
			w.blind = false
		}
	}
}

// ask exchanges with a server. The first questions are a burst.
func (w *World) ask(i int) {
	at := w.next[i]
	w.asked[i]++
	w.next[i] += w.Poll
	if w.asked[i] < 4 {
		w.next[i] = at + 200e6
	}
	t := w.truth(at)
	forward, backward := w.paths[i].delays(t)
	if w.out(int64(t)) || !w.servers[i].answers() || w.rng.Float64() < w.paths[i].Loss || forward+backward > 1e9 {
		return
	}
	arrive := t + forward
	leave := arrive + 2e3 + w.rng.Float64()*20e3
	back := w.counter.when(leave + backward)
	x := estimate.Sample{Exchange: estimate.Exchange{
		Server: i, Sent: at - w.delay(), Received: back + w.delay(),
		T2: w.utc(w.servers[i].stamp(arrive, w.pull)), T3: w.utc(w.servers[i].stamp(leave, w.pull)),
		Error: int64(w.servers[i].Error) + 1,
	}, Leap: w.leapFlag(i, t)}
	w.rival(x, back)
	_, err := w.est.Add(x)
	if errors.Is(err, estimate.ErrIncoherent) {
		w.hurry(at)
	}
	if w.rng.Float64() < w.paths[i].Double {
		if _, err := w.est.Add(x); !errors.Is(err, estimate.ErrOrder) {
			w.violate(at, "a doubled answer was used")
		}
	}
}

// hurry asks every server at once, as the production loop does.
func (w *World) hurry(at int64) {
	for i := range w.next {
		w.next[i] = min(w.next[i], at+200e6+int64(i)*10e6)
	}
	w.due = min(w.due, at+1e9)
}

func (w *World) delay() int64 { return int64(w.rng.Float64() * w.Stamp) }

// utc is a server's clock as it is told, with the repeated second of a leap.
func (w *World) utc(sinceStart int64) int64 {
	t := w.Start + sinceStart
	if w.Leap != 0 && t >= w.Leap {
		t -= 1e9
	}
	return t
}

func (w *World) leapFlag(i int, t float64) int8 {
	if left := w.Leap - w.Start - int64(t); w.Leap != 0 && left > 0 && left < 86400e9 {
		return 1
	}
	return w.servers[i].Leap
}

func (w *World) out(t int64) bool {
	for _, o := range w.Outages {
		if t >= o.From && t < o.To {
			return true
		}
	}
	return false
}

// tick publishes an anchor and lets the oracle look at it at random instants.
func (w *World) tick() {
	before := w.now
	w.anchor = w.est.Tick(w.now, w.last == 0, nil)
	w.due = w.now + w.Tick
	r, ok := w.est.Last()
	if ok {
		w.Regions++
		w.pull = (float64(r.High-r.Low) / 2)
	} else if w.Regions > 0 || w.now > 3600e9 {
		w.NoQuorum++
	}
	w.blind = w.blind && w.est.State() != wire.ClockDisrupted
	for i := range w.servers {
		if w.est.Verdict(i) == estimate.Liar || w.est.Verdict(i) == estimate.Probation {
			w.Named[i]++
		}
	}
	if w.OnTick != nil {
		w.OnTick(w, w.anchor, w.now)
	}
	w.States[w.anchor.State&3] += w.due - before
	if w.Regions == 0 {
		return // nobody reads before there is a time
	}
	step := float64(w.due-w.now) / float64(w.Looks)
	w.looks = w.looks[:0]
	for i := range w.Looks {
		w.looks = append(w.looks, w.now+int64((float64(i)+w.rng.Float64())*step))
	}
}

// A rival is one sample as ClockBound takes it.
type rival struct {
	at       int64
	distance float64
}

// rival keeps the samples of honest servers, for Rivals: ClockBound's formula, half
// the round trip and all that is claimed, growing by 50 ppm, on the best sample.
func (w *World) rival(x estimate.Sample, back int64) {
	if w.Scenario.Servers[x.Server].Lie != Honest {
		return
	}
	if len(w.recent) == 32 {
		w.recent = append(w.recent[:0], w.recent[1:]...)
	}
	w.recent = append(w.recent, rival{back, float64(x.Received-x.Sent-(x.T3-x.T2))/2 + float64(x.Error)})
}

func (w *World) clockBound(at int64) float64 {
	best := math.Inf(1)
	for _, r := range w.recent {
		best = min(best, r.distance+50e-6*float64(at-r.at))
	}
	return best
}

// look reads the clock and holds it against the truth.
func (w *World) look(at int64) {
	utc, c := w.anchor.Read(at)
	w.Checks++
	if int64(utc) < w.last {
		w.Backwards++
	}
	w.last = max(w.last, int64(utc))
	wrong := math.Abs(float64(int64(utc) - w.utc(int64(math.Round(w.truth(at))))))
	if c.State == wire.ClockSynchronised {
		w.Errors = append(w.Errors, wrong)
		w.Bounds = append(w.Bounds, float64(c.Bound))
		w.Rivals = append(w.Rivals, w.clockBound(at))
	}
	if !clock.Promises(c.State) || wrong <= float64(c.Bound) {
		return
	}
	if w.blind {
		w.Blind++
		return
	}
	w.Worst = max(w.Worst, wrong-float64(c.Bound))
	w.violate(at, fmt.Sprintf("error %.0f ns, bound %d, state %d", wrong, c.Bound, c.State))
}

func (w *World) violate(at int64, what string) {
	w.Violations++
	if w.First == "" {
		w.First = fmt.Sprintf("seed %d, %.3f s: %s", w.Scenario.Seed, float64(at)/1e9, what)
	}
}
