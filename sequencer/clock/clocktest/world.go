package clocktest

import (
	"errors"
	"math"
	"math/rand/v2"

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
	Freezes    []Freeze // in order of At
	Leap       int64    // UTC midnight before which a second is inserted; 0: none
	LeaveOut   bool     // the second before Leap is left out instead
	Stamp      float64  // largest delay between a packet and its user-space stamp; 0: kernel stamps
	Early      bool     // the clock is read before it is synchronised, so it must not step
	Estimate   estimate.Config
	Track      estimate.TrackerConfig
	Looks      int // oracle's checks in each tick
}

// Span is a time without any answer.
type Span struct{ From, To int64 }

// Freeze stops the counter for a while, as a paused machine's; for a negative while it
// leaps ahead, as after a move to another machine. The host's marker of it is seen
// within 100 ms; an unmarked one is found only by the servers' answers.
type Freeze struct {
	At, For  int64
	Unmarked bool
}

// markerAfter is how often the host is looked at for pauses, ns.
const markerAfter = 100e6

// timeout of a question, ns.
const timeout = int64(1e9)

// someDay is 2026-11-10, UTC.
const someDay = 1_794_268_800_000_000_000

const never = math.MaxInt64

// flight is a question under way: its answer, and when the loop hears of it.
type flight struct {
	sample  estimate.Sample
	back    float64 // true time of the answer
	at      int64   // counter
	outcome estimate.Outcome
	first   estimate.Sample // of this server, for replays
}

// World is a scenario under way.
type World struct {
	Scenario
	Result
	rng     *rand.Rand
	counter *counter
	servers []*server
	paths   []*path
	paces   []*estimate.Pace
	est     *estimate.Estimator
	anchor  *clock.Anchor
	next    []int64 // counter at which each server is asked; never while it is
	flights []flight
	due     int64 // counter of the next tick
	marker  int64 // counter at which the freeze is seen
	glance  int64 // counter of one more check, before that
	now     int64
	looks   []int64 // counters of the oracle's next checks
	pull    float64
	oracle
	// OnTick, if set, sees each anchor as it is published.
	OnTick func(w *World, a *clock.Anchor, counter int64)
	// OnAdd, if set, sees each exchange and what the estimator made of it; forgotten is
	// that it showed a disruption. OnMark sees when the marker of a freeze is seen.
	OnAdd  func(x estimate.Exchange, err error, forgotten bool)
	OnMark func()
}

// New makes the world of a scenario.
func New(s Scenario) (*World, error) {
	if s.Start == 0 {
		s.Start = someDay
	}
	w := &World{
		Scenario: s, Result: Result{Seed: s.Seed}, rng: rand.New(rand.NewPCG(s.Seed, 0x636c6f636b)),
		pull: 1e6, marker: never, glance: never,
	}
	w.counter = newCounter(s.Oscillator, w.fork())
	for i := range s.Servers {
		w.servers = append(w.servers, newServer(s.Servers[i], w.fork()))
		w.paths = append(w.paths, &path{Path: s.Paths[i], rng: w.fork()})
		w.paces = append(w.paces, estimate.NewPace(s.Poll, w.fork()))
		w.next = append(w.next, w.paces[i].First())
		w.flights = append(w.flights, flight{at: never})
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
		at, happen := w.soonest()
		w.now = max(w.now, at)
		happen()
	}
	return &w.Result
}

// soonest is what happens next, and the counter reading at which it does.
func (w *World) soonest() (at int64, happen func()) {
	at, happen = w.due, w.tick
	sooner := func(t int64, f func()) {
		if t < at {
			at, happen = t, f
		}
	}
	if len(w.looks) > 0 {
		sooner(w.looks[0], w.lookNext)
	}
	if len(w.Freezes) > 0 {
		sooner(w.Freezes[0].At, w.freeze)
	}
	sooner(w.glance, func() { w.glance = never; w.look(w.now) })
	sooner(w.marker, w.mark)
	first := at
	who := -1
	for i := range w.next {
		if t := min(w.next[i], w.flights[i].at); t < first {
			first, who = t, i
		}
	}
	switch {
	case who < 0:
		return at, happen
	case w.flights[who].at == first:
		return first, func() { w.land(who) }
	}
	return first, func() { w.ask(who) }
}

// freeze stops the counter, or has it leap.
func (w *World) freeze() {
	f := w.Freezes[0]
	w.Freezes = w.Freezes[1:]
	w.blind = true
	w.now = w.counter.jump(w.now, float64(f.For))
	for i := range w.flights {
		if f := &w.flights[i]; f.at != never && f.outcome != estimate.Failed {
			f.at = max(w.now, w.counter.when(f.back))
		}
	}
	if !f.Unmarked {
		w.marker = w.now + w.rng.Int64N(markerAfter)
		w.glance = w.now + w.rng.Int64N(w.marker-w.now+1) // a stamp before anybody looks at the marker
	}
}

// mark is when the host's marker of a freeze is seen, as in the production loop.
func (w *World) mark() {
	w.marker = never
	w.est.Disrupt(w.now)
	w.anchor = w.est.Flag(w.anchor)
	w.blind = false
	if w.OnMark != nil {
		w.OnMark()
	}
	w.hurry()
}

// ask sends a question.
func (w *World) ask(i int) {
	f := &w.flights[i]
	w.next[i] = never
	f.outcome, f.at = estimate.Failed, w.now+timeout
	t := w.truth(w.now)
	forward, backward := w.paths[i].delays(t)
	if w.out(int64(t)) || w.rng.Float64() < w.paths[i].Loss {
		return
	}
	arrive := t + forward
	leave := arrive + 2e3 + w.rng.Float64()*20e3
	back := w.counter.when(leave + backward)
	if back > f.at {
		return // late: nobody listens any more
	}
	f.at, f.back, f.outcome = back, leave+backward, w.servers[i].answer()
	f.sample = estimate.Sample{Exchange: estimate.Exchange{
		Server: i, Sent: w.now - w.delay(),
		T2:    w.utc(w.servers[i].stamp(arrive, w.pull)),
		T3:    w.utc(w.servers[i].stamp(leave, w.pull)),
		Error: int64(w.servers[i].Error) + 1,
	}, Leap: w.leapFlag(i, t)}
}

// land takes an answer, or the want of one.
func (w *World) land(i int) {
	f := &w.flights[i]
	f.at = never
	wait, again := w.paces[i].Next(f.outcome, 0)
	w.next[i] = never
	if again {
		w.next[i] = w.now + wait
	}
	if f.outcome != estimate.Answered {
		return
	}
	f.sample.Received = w.now + w.delay()
	w.rival(f.sample)
	err := w.add(f.sample)
	if errors.Is(err, estimate.ErrIncoherent) {
		w.hurry()
	}
	if f.first.Received == 0 {
		f.first = f.sample
	}
	if w.rng.Float64() < w.paths[i].Double {
		w.replay(f.sample)
		w.replay(f.first)
	}
}

// add gives an exchange to the estimator.
func (w *World) add(s estimate.Sample) error {
	before := w.est.Disrupted()
	x, err := w.est.Add(s)
	if w.OnAdd != nil {
		w.OnAdd(x, err, w.est.Disrupted() && !before)
	}
	return err
}

// replay gives the estimator an answer again: it must not be used.
func (w *World) replay(x estimate.Sample) {
	if err := w.add(x); err == nil || errors.Is(err, estimate.ErrIncoherent) {
		w.violate("a doubled answer was used")
	}
}

// hurry asks every server at once, as the production loop does.
func (w *World) hurry() {
	for i := range w.next {
		if w.next[i] != never && w.paces[i].Hurry() {
			w.next[i] = w.now
		}
	}
}

func (w *World) delay() int64 { return int64(w.rng.Float64() * w.Stamp) }

// utc is a server's clock as it is told, with the second of a leap repeated or left out.
func (w *World) utc(sinceStart int64) int64 {
	t := w.Start + sinceStart
	switch {
	case w.Leap == 0:
	case w.LeaveOut && t >= w.Leap-1e9:
		t += 1e9
	case !w.LeaveOut && t >= w.Leap:
		t -= 1e9
	}
	return t
}

func (w *World) leapFlag(i int, t float64) int8 {
	if left := w.Leap - w.Start - int64(t); w.Leap != 0 && left > 0 && left < 86400e9 {
		if w.LeaveOut {
			return -1
		}
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

// tick publishes an anchor and draws the instants at which the oracle looks at it.
func (w *World) tick() {
	old := w.anchor
	a := w.est.Tick(w.now, w.last == 0, nil)
	if w.Early && w.last == 0 {
		w.look(w.now) // somebody reads the time while the anchor is being made
		a = w.est.Again(w.now)
	}
	w.published(old, a)
	w.anchor = a
	w.due = w.now + w.Tick
	if r, ok := w.est.Last(); ok {
		w.Regions++
		w.pull = float64(r.High-r.Low) / 2
	}
	if w.OnTick != nil {
		w.OnTick(w, a, w.now)
	}
	w.States[a.State&3] += w.Tick
	if w.Regions == 0 && !w.Early {
		return // nobody reads before there is a time
	}
	step := float64(w.Tick) / float64(w.Looks)
	w.looks = w.looks[:0]
	for i := range w.Looks {
		w.looks = append(w.looks, w.now+int64((float64(i)+w.rng.Float64())*step))
	}
}
