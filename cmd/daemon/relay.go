package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// RelayConfig says where a relay keeps what it receives and whom it serves.
type RelayConfig struct {
	Journal string                    // directory
	Session string                    // to go on with; empty: the newest open one of the journal
	Serve   string                    // ADDR:PORT of its retransmit service; empty: journal only
	Channel func() retransmit.Channel // what the sequencer's own service says; asked at the first packet
	History int64                     // bytes in memory; 64 MiB
	Segment int64                     // bytes of a journal segment; 64 MiB
	Linger  time.Duration             // Close serves on so long after the end, since the last request
	Warn    func(problem string)      // told at once; called from the receive loop
}

// Relay journals what a receiver delivers and serves repairs of it: a second
// retransmit service. It is a recovery.Handler in front of another one; the receive
// loop owns it. What it lost itself it cannot serve: from there on it says so and
// stops, but the receiver goes on.
type Relay struct {
	cfg     RelayConfig
	next    recovery.Handler
	clock   *clock.Local
	ln      net.Listener
	state   *journal.State
	cut     journal.Cut      // of an epoch told of before the first packet
	history *history.History // nil until the first packet
	live    live
	disk    *disk
	server  *retransmit.Server
	defined []byte // instrument definitions of before the first packet
	asOf    uint64 // of the last of them: the sequence before them
	asIn    uint32 // their epoch
	broken  bool
	last    uint64 // sequence kept
	chain   uint64 // after last
	stop    context.CancelFunc
	served  chan struct{}
}

// OpenRelay recovers the journal and takes the service's port. Errors are
// *ConfigError. The caller gives the Relay to multicast.Open as its handler, with
// Resume as the position, and calls Close in the end.
func OpenRelay(c RelayConfig, next recovery.Handler) (*Relay, error) {
	c.History, c.Segment = or(c.History, 64<<20), or(c.Segment, 64<<20)
	r := &Relay{cfg: c, next: next, clock: clock.NewLocal(), served: make(chan struct{})}
	if err := r.recover(); err != nil {
		return nil, &ConfigError{Key: "journal", Value: c.Journal, Problem: "cannot be recovered", Remedy: journalRemedy(err), Err: err}
	}
	if c.Serve == "" {
		return r, nil
	}
	var err error
	if r.ln, err = net.Listen("tcp", c.Serve); err != nil {
		return nil, &ConfigError{Key: "serve", Value: c.Serve, Problem: "cannot be listened on", Remedy: "give a free ADDR:PORT of this host", Err: err}
	}
	return r, nil
}

// recover reads the newest open session of the journal, if there is one.
func (r *Relay) recover() (err error) {
	r.state, err = newestOpen(r.cfg.Journal, r.cfg.Session, r.options)
	return err
}

func (r *Relay) options(s wire.Session) journal.Options {
	return journal.Options{Dir: r.cfg.Journal, Session: s, SegmentBytes: r.cfg.Segment, Relay: true}
}

// Resume is where the journal ends: the receiver goes on behind it. nil: nothing
// was received before.
func (r *Relay) Resume() *recovery.Position {
	if r.empty() {
		return nil
	}
	return &recovery.Position{Session: r.state.Session, Epoch: r.state.Epoch, Sequence: r.state.Last, Chain: r.state.Chain, Known: true}
}

// empty reports whether the journal may begin anywhere. One that has begun and
// was given no packet may not.
func (r *Relay) empty() bool { return r.state == nil || len(r.state.Cuts) == 0 }

// Packet implements recovery.Handler.
func (r *Relay) Packet(d recovery.Delivery) {
	r.next.Packet(d)
	if d.Type() == wire.TypeSnapshot && r.history == nil {
		r.define(d.Packet)
	}
	if r.broken || d.Type() != wire.TypeSequenced {
		return
	}
	if r.history == nil {
		if err := r.begin(d.Packet); err != nil {
			r.fail(err.Error())
			return
		}
	}
	r.keep(d.Packet)
}

// define keeps definitions of before the first packet. Those that come of another epoch, as
// of another sequence, are told anew: the epoch cut what the others were as of.
func (r *Relay) define(p wire.Packet) {
	if p.Epoch() != r.asIn && p.First()-1 != r.asOf {
		r.defined = nil
	}
	r.asOf, r.asIn = p.First()-1, p.Epoch()
	r.defined = history.AppendDefinitions(r.defined, p)
}

// keep appends p to history, which the journal follows.
func (r *Relay) keep(p wire.Packet) {
	err := r.history.Append(p, nil)
	if errors.Is(err, history.ErrUnwritten) {
		r.live.journal.Store(uint32(wire.JournalDead))
		r.warn("the relay's journal cannot keep up: it is dead, repairs are served from memory")
		r.history.Abandon()
		err = r.history.Append(p, nil)
	}
	if err != nil {
		r.fail(err.Error())
		return
	}
	r.last, r.chain = p.Next()-1, wire.ChainAfter(p)
	r.live.publish(p.Next(), r.chain)
}

// Event implements recovery.Handler.
func (r *Relay) Event(e recovery.Event) {
	r.next.Event(e)
	switch {
	case r.broken:
		return
	case r.history == nil:
		if r.before(e); r.history == nil || r.broken {
			return
		}
	}
	switch e.Kind {
	case recovery.EventLost:
		r.fail(fmt.Sprintf("messages %d to %d were lost: what follows cannot be served", e.First, e.Last))
	case recovery.EventEpoch:
		r.epoch(journal.Cut{Epoch: e.Epoch, Cut: e.Last, Chain: e.Chain})
	case recovery.EventEnd:
		r.live.ended.Store(true)
	}
}

// before takes what happens between the journal's end and the first packet behind it.
// An empty journal may begin behind what no server has any more: its definitions came.
func (r *Relay) before(e recovery.Event) {
	switch {
	case e.Kind == recovery.EventLost && !(r.empty() && e.Cause == recovery.CauseUnavailable):
		r.fail(fmt.Sprintf("messages %d to %d were lost: what follows does not continue the journal", e.First, e.Last))
	case r.empty():
	case e.Kind == recovery.EventEpoch:
		r.cut = journal.Cut{Epoch: e.Epoch, Cut: e.Last, Chain: e.Chain}
	case r.endsAt(e), r.standsAt(e): // a packet may not come for long, or never
		if err := r.open(r.state.Channel, r.end(), 0); err != nil {
			r.fail(err.Error())
		}
	}
}

// end is where the journal must go on: at its end, or at a cut told of since.
func (r *Relay) end() journal.Cut {
	c := r.cut
	if c.Epoch == 0 {
		c = journal.Cut{Epoch: r.state.Epoch, Cut: r.state.Last, Chain: r.state.Chain}
	}
	c.Previous = r.state.Epoch
	return c
}

// endsAt reports whether e says that the session ended where the journal does.
func (r *Relay) endsAt(e recovery.Event) bool {
	at := r.end()
	return e.Kind == recovery.EventEnd && e.Epoch == at.Epoch && e.Last == at.Cut && e.Chain == at.Chain
}

// standsAt reports whether e says that the receiver has logged in, knows all definitions
// and goes on where the journal does.
func (r *Relay) standsAt(e recovery.Event) bool {
	at := r.end()
	live := e.Kind == recovery.EventState && (e.State == recovery.StateLive || e.State == recovery.StateRepairing)
	return live && e.Epoch == at.Epoch && e.First == at.Cut+1 && r.cfg.Channel().Session == r.state.Session
}

// continues reports whether p is what the journal must go on with.
func (r *Relay) continues(p wire.Packet) bool {
	at := r.end()
	return r.empty() || p.First() == at.Cut+1 && p.Chain() == at.Chain
}

// epoch goes on from a cut: what was kept beyond it is void. So may the definitions be that
// it began with: then it ends.
func (r *Relay) epoch(c journal.Cut) {
	cuts := *r.live.cuts.Load()
	c.Previous = cuts[len(cuts)-1].Epoch
	if c.Epoch <= c.Previous {
		return
	}
	if c.Cut < r.asOf {
		r.fail(fmt.Sprintf("epoch %d cuts at message %d, before %d, which its definitions are as of: start it again, that it gets them anew", c.Epoch, c.Cut, r.asOf))
		return
	}
	r.disk.writer.Cut(c)
	r.history.Truncate(c.Cut, c.Chain)
	r.last, r.chain = c.Cut, c.Chain
	cuts = append(slices.Clone(cuts), retransmit.Cut(c))
	r.live.publish(c.Cut+1, c.Chain) // first: the new epoch never shows the old end
	r.live.cuts.Store(&cuts)
}

// begin opens all at the first packet, which says what session and epoch it is.
func (r *Relay) begin(p wire.Packet) error {
	if r.state == nil || r.state.Session != p.Session() {
		r.state = &journal.State{Session: p.Session(), Channel: p.Channel(), First: p.First()}
	}
	if !r.continues(p) {
		return fmt.Errorf("message %d does not continue the journal, which ends at %d", p.First(), r.state.Last)
	}
	cut := journal.Cut{Epoch: p.Epoch(), Previous: r.state.Epoch, Cut: p.First() - 1, Chain: p.Chain()}
	err := r.open(p.Channel(), cut, len(p))
	if errors.Is(err, journal.ErrStale) && r.empty() {
		return r.held(p, err)
	}
	return err
}

// held says why the session of p, of which nothing was recovered, cannot be journalled:
// the journal has it. err is what the journal says.
func (r *Relay) held(p wire.Packet, err error) error {
	o := r.options(p.Session())
	o.Channel = p.Channel()
	switch st, failed := journal.Recover(o); {
	case failed != nil:
		return errors.Join(err, failed)
	case st.Ended:
		return fmt.Errorf("%s holds session %v to its end, message %d, and is not written again: replay it, or give another directory", r.cfg.Journal, p.Session(), st.Last)
	default:
		return fmt.Errorf("%s holds session %v up to message %d, and a newer one: name that session to go on with it", r.cfg.Journal, p.Session(), st.Last)
	}
}

// open opens journal, history, which takes packets of size at least, and service.
func (r *Relay) open(channel uint16, cut journal.Cut, size int) error {
	o := r.options(r.state.Session)
	o.Channel = channel
	w, err := journal.Open(o, r.state, cut)
	if err != nil {
		return err
	}
	r.history, err = history.New(history.Config{Bytes: int(r.cfg.History), PacketSize: max(size, r.cfg.Channel().PacketSize), Older: w}, cut.Cut+1)
	if err != nil {
		w.Close()
		return err
	}
	r.history.SeedDefinitions(append(r.state.Definitions, r.defined...))
	r.disk = &disk{writer: w, history: r.history, clock: r.clock, finished: make(chan struct{}), onFail: func(error) {
		r.live.journal.Store(uint32(wire.JournalDead))
	}}
	go r.disk.run()
	r.last, r.chain = cut.Cut, cut.Chain
	r.openLive(cut)
	return r.serve()
}

func (r *Relay) openLive(cut journal.Cut) {
	var cuts []retransmit.Cut
	for _, c := range r.state.Cuts {
		cuts = append(cuts, retransmit.Cut(c))
	}
	if cut.Epoch > r.state.Epoch {
		cuts = append(cuts, retransmit.Cut(cut))
	}
	r.live.History, r.live.clock = r.history, r.clock
	r.live.cuts.Store(&cuts)
	r.live.journal.Store(uint32(wire.JournalAlive))
	r.live.publish(cut.Cut+1, cut.Chain)
}

// serve starts the retransmit service, if there is to be one.
func (r *Relay) serve() error {
	if r.ln == nil {
		return nil
	}
	channel := r.cfg.Channel()
	channel.Session = r.state.Session
	server, err := retransmit.NewServer(retransmit.ServerConfig{Channel: channel, Limits: retransmit.DefaultLimits()}, &r.live)
	if err != nil {
		return err
	}
	r.server = server
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		defer close(r.served)
		newShell(server, r.clock).serve(ctx, r.ln)
	}()
	return nil
}

func (r *Relay) warn(problem string) {
	if r.cfg.Warn != nil {
		r.cfg.Warn(problem)
	}
}

// fail ends the service: its clients move on to another one.
func (r *Relay) fail(problem string) {
	r.broken = true
	r.warn("the relay stops: " + problem)
	r.hangUp()
}

func (r *Relay) hangUp() {
	if r.ln != nil {
		r.ln.Close()
	}
	if r.stop != nil {
		r.stop()
		<-r.served
		r.stop = nil
	}
}

// Close serves on until nobody has asked for Linger after the end of the session,
// or ctx is done; then it ends the journal. The receive loop must be over.
func (r *Relay) Close(ctx context.Context) error {
	if r.server != nil && r.live.ended.Load() {
		r.linger(ctx)
	}
	r.hangUp()
	if r.disk == nil {
		return nil
	}
	if r.live.ended.Load() && !r.broken {
		r.disk.end.Store(&end{r.last, r.chain})
	}
	r.disk.drain.Store(true)
	<-r.disk.finished
	r.history.Close()
	return r.disk.err
}

func (r *Relay) linger(ctx context.Context) {
	ended := r.clock.Now()
	for {
		until := max(ended, r.server.Stats().LastRequest) + wire.Nanos(r.cfg.Linger)
		now := r.clock.Now()
		if now >= until || ctx.Err() != nil {
			return
		}
		pause(ctx, time.Duration(until-now))
	}
}
