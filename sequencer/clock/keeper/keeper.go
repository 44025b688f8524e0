package keeper

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// Options are what the program says of itself.
type Options struct {
	Program    string        // name and version, for the trail
	StampPoint string        // where a stamp is applied, for the trail
	Stamps     func() uint64 // how many stamps were made so far; nil: not counted
	Seed       uint64        // of the phases of the polls
	OnEvent    func(Event)   // told, from a loop of the keeper, what an operator should know; it must not wait. nil: nobody is

	// of tests
	device    func(c source.Counter) hardware // instead of Config.PTP.Device
	kernelTAI func() int                      // instead of the kernel's
	host      func() (source.Reading, error)  // instead of chronyd and the kernel
}

// Keeper keeps one clock. Its loops belong to Run; Clock and Status are for all.
type Keeper struct {
	cfg     Config
	opt     Options
	clock   *clock.Disciplined
	counter source.Counter
	est     *estimate.Estimator
	watch   *source.Watch
	phc     hardware
	phcSet  *estimate.Servers
	keys    Keys
	trail   *audit.Trail
	servers []*server
	answers chan answer
	news    chan struct{} // there is a new status
	shift   span          // of CLOCK_MONOTONIC against the counter
	shown   *os.File      // locks the file that the clock shows itself in
	begun   chan struct{}
	ready   chan struct{}
	ended   chan struct{}
	status  atomic.Pointer[Status]

	// of the control loop
	force   *clock.Anchor // the anchor in force
	from    string        // the source that it follows
	missing string        // why a source that is preferred to it gives nothing
	stamps  uint64
	against uint // servers whose last answer excludes the time told
	alarm   string
	kept    bool   // was synchronised once
	leaping bool   // a leap second was announced
	gone    uint64 // records that the trail had lost at the last anchor
	losing  bool   // and it was losing more
	doubted bool   // the servers exclude the hardware clock

	doubtTAI int64  // counter since when the kernel contradicts TAI - UTC, 0: it does not
	wrongTAI string // the alarm of that

	running                     atomic.Bool
	unwritten, hanging, unshown *trouble     // of the trail twice, and of the file
	writing                     atomic.Int64 // counter when the trail's loop went to the disk, 0: it is back
	over                        error        // of the trail's end
}

// hardware is a *source.PHC, or a test's.
type hardware interface {
	Read() (source.Reading, error)
	Forget()
	Close() error
}

// New opens what the configuration names; a *ConfigError says what cannot be opened.
// The clock of an undisciplined configuration tells the host's time and never
// promises anything; its trail says so.
func New(cfg Config, opt Options) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	keys, err := cfg.keys()
	if err != nil {
		return nil, err
	}
	if opt.kernelTAI == nil {
		opt.kernelTAI = source.KernelTAI
	}
	if err := cfg.settleTAI(opt.kernelTAI()); err != nil {
		return nil, err
	}
	if cfg.File == "" && cfg.Audit != "" {
		cfg.File = filepath.Join(cfg.Audit, FileName)
	}
	c := clock.NewDisciplined()
	k := &Keeper{
		cfg: cfg, opt: opt, clock: c, counter: source.NewCounter(c.Base()), force: c.Anchor(), keys: keys,
		answers: make(chan answer, 256), news: make(chan struct{}, 1), begun: make(chan struct{}), ready: make(chan struct{}), ended: make(chan struct{}),
		unwritten: newTrouble("the audit trail", "coverage is lost if that lasts"),
		hanging:   newTrouble("the audit trail", "coverage is lost if that lasts"), unshown: newTrouble("the clock's file", "receivers of this host see no clock"),
	}
	if cfg.File != "" {
		k.shift = counterOffset(k.counter)
	}
	if err := k.open(); err != nil {
		k.Close()
		return nil, err
	}
	k.tell(k.counter.Now())
	if cfg.File == "" {
		return k, nil
	}
	err = k.claim()
	if err == nil {
		err = k.save()
	}
	if err != nil {
		k.Close()
		return nil, &ConfigError{Key: "file", Value: cfg.File, Problem: "cannot be written", Err: err}
	}
	return k, nil
}

func (k *Keeper) open() (err error) {
	k.est, err = estimate.NewEstimator(k.cfg.estimate(), k.cfg.track(), int64(k.cfg.Poll), k.cfg.TAI, k.force)
	if err != nil {
		return err
	}
	k.est.AuditOnly = true
	for _, s := range k.cfg.Sources {
		switch s {
		case SourceNTP:
			k.est.AuditOnly = false
		case SourcePTP:
			if err := k.openPTP(); err != nil {
				return err
			}
		}
	}
	for i := range k.cfg.Servers {
		s, err := newServer(k, i)
		if err != nil {
			return err
		}
		k.servers = append(k.servers, s)
	}
	most := k.cfg.WanderCap
	if slices.Contains(k.cfg.Sources, "host") {
		most = 0 // its bound rests on what disciplines the host, which may slew
	}
	k.watch = source.NewWatch(k.counter, most, nil)
	return k.openTrail()
}

func (k *Keeper) openPTP() (err error) {
	one := estimate.Default(1, 0)
	one.Drift, one.Wander, one.WanderCap = k.cfg.Drift, k.cfg.Wander, k.cfg.WanderCap
	if k.phcSet, err = estimate.NewServers(one); err != nil {
		return err
	}
	if k.opt.device != nil {
		k.phc = k.opt.device(k.counter)
		return nil
	}
	phc, err := source.OpenPHC(k.cfg.PTP.Device, k.counter, int64(k.cfg.PTP.Error), k.cfg.ahead())
	if err != nil {
		return &ConfigError{Key: "ptp-device", Value: k.cfg.PTP.Device, Problem: "cannot be read", Err: err}
	}
	k.phc = phc
	return nil
}

func (k *Keeper) openTrail() (err error) {
	if k.cfg.Audit == "" {
		return nil
	}
	k.trail, err = audit.Open(k.cfg.Audit, k.header(), wire.Nanos(time.Now().UnixNano()))
	if err != nil {
		return &ConfigError{Key: "audit", Value: k.cfg.Audit, Problem: "no trail can be kept there", Err: err}
	}
	return nil
}

func (k *Keeper) header() audit.Header {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	a := assume(k.cfg.estimate(), int64(k.cfg.Poll), int64(k.cfg.Reference), int64(k.cfg.Enter), int64(k.cfg.Exit))
	a.TAI, a.HostDrift, a.PTPError, a.PTPTAI = k.cfg.TAI, source.HostDrift, int64(k.cfg.PTP.Error), k.cfg.ahead()
	return audit.Header{
		Host: host, Program: k.opt.Program, Config: k.cfg.Text(), ConfigHash: k.cfg.hash(k.keys),
		StampPoint: k.opt.StampPoint, Sources: k.cfg.Sources, Assumption: a,
	}
}

func (k *Keeper) close() {
	if k.phc != nil {
		k.phc.Close()
	}
}

// Close gives back what New took, for a Keeper that is not run.
func (k *Keeper) Close() {
	if k.running.Swap(true) {
		return
	}
	k.close()
	k.hide()
	if k.trail != nil {
		_ = k.trail.Close(k.now()) // it says that the program started and ended
	}
}

// Clock is the clock that is kept.
func (k *Keeper) Clock() *clock.Disciplined { return k.clock }

// Begun is closed when the first anchor is published: what the host vouches for is
// known by then.
func (k *Keeper) Begun() <-chan struct{} { return k.begun }

// Ready is closed when the clock is synchronised for the first time. Whoever waits
// for it before the first read has it step to the right time at once.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Run keeps the clock until ctx ends. It starts its loops through start, which must
// not wait for them, as (*sync.WaitGroup).Go; the caller waits for them after Run
// returns, EndWait at most. ErrLost comes when the promise is lost and on-loss is stop.
func (k *Keeper) Run(ctx context.Context, start func(loop func())) error {
	k.running.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(k.ended)
	defer k.close()
	for _, s := range k.servers {
		start(func() { s.run(ctx) })
	}
	if k.trail != nil {
		start(k.write)
	}
	if k.cfg.File != "" {
		start(k.show)
	}
	return k.control(ctx)
}

// lookEvery is how often the host is looked at for pauses.
const lookEvery = 100 * time.Millisecond

func (k *Keeper) control(ctx context.Context) error {
	if k.opt.Stamps != nil {
		k.stamps = k.opt.Stamps()
	}
	k.tick()
	if err := k.lost(); err != nil {
		return err
	}
	close(k.begun)
	next := k.est.Line().End - int64(Lead)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			k.row(k.force, nil, k.counter.Now(), 0)
			k.put(audit.Record{Kind: audit.KindState, Text: "the program ends"})
			return nil
		case a := <-k.answers:
			k.take(a)
			continue
		case <-timer.C:
		}
		k.look()
		if k.counter.Now() >= next {
			k.tick()
			next = k.est.Line().End - int64(Lead)
			if err := k.lost(); err != nil {
				return err
			}
		}
		timer.Reset(min(lookEvery, time.Duration(max(next-k.counter.Now(), 0))))
	}
}

// lost is ErrLost when stamps without a promise must not go out.
func (k *Keeper) lost() error {
	promised := clock.Promises(k.force.State)
	if promised && !k.kept {
		k.kept = true
		close(k.ready)
	}
	if k.cfg.OnLoss == LossStop && k.kept && !promised {
		return fmt.Errorf("%w: %s, %s", ErrLost, StateName(k.force.State), k.est.Cause)
	}
	return nil
}

// look asks the host whether it was paused or moved.
func (k *Keeper) look() {
	what := k.watch.Look()
	if what == "" {
		return
	}
	k.disrupt(what)
	flagged := k.est.Flag(k.force)
	if k.clock.Publish(flagged) == nil {
		k.force = flagged
		k.tell(k.counter.Now())
	}
}

func (k *Keeper) disrupt(what string) {
	counter := k.counter.Now()
	k.est.Disrupt(counter)
	if k.phcSet != nil {
		k.phcSet.Reset(counter)
		k.phc.Forget()
	}
	k.against = 0
	k.tellOf(audit.KindDisruption, what)
	k.hurry()
}

// tick publishes the next anchor.
func (k *Keeper) tick() {
	old, state := k.force, k.force.State
	other, from := k.preferred(k.counter.Now())
	counter := k.counter.Now() // a source may have taken longer than Lead: no anchor starts before its reading
	a := k.identify(k.est.Tick(counter, k.clock.Unread(), other))
	if k.clock.Publish(a) != nil {
		a = k.identify(k.est.Again(k.counter.Now()))
		if err := k.clock.Publish(a); err != nil {
			k.est.Undo()
			return // the one in force has not begun: the next tick will do
		}
	}
	k.force = a
	k.record(old, a, counter, from)
	if a.State != state {
		k.tellOf(audit.KindState, joined(StateName(a.State)+": "+k.est.Cause, k.missing))
	}
	k.name()
	k.watchTrail(counter)
	k.watchTAI(counter, k.opt.kernelTAI())
	if ahead := k.est.Leaps.Ahead(); ahead != k.leaping {
		k.leaping = ahead
		k.tellOf(audit.KindLeap, map[bool]string{true: "a leap second was announced for the end of the month", false: "the leap second has passed"}[ahead])
	}
	k.tell(counter)
}

func (k *Keeper) identify(a *clock.Anchor) *clock.Anchor {
	a.ID = clock.Generation(os.Getpid(), k.clock.Base(), k.est.Generation())
	return a
}

// StateName is the name of a clock's state.
func StateName(s wire.ClockState) string {
	names := [...]string{"unsynchronised", "synchronised", "holdover", "disrupted"}
	return names[min(int(s), len(names)-1)]
}

// names lists servers of a bit set by address.
func (k *Keeper) names(set uint) string {
	var out []string
	for i, s := range k.servers {
		if set&(1<<i) != 0 {
			out = append(out, s.address)
		}
	}
	return strings.Join(out, ", ")
}
