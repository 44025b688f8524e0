package daemon

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer"
	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
)

// Daemon is a sequencer process that Open made ready and Run runs.
type Daemon struct {
	cfg      Config
	clock    clock.Clock
	keeper   *keeper.Keeper
	events   chan keeper.Event // of the clock, for the control loop
	patience time.Duration     // for the clock's loops to end
	state    *journal.State
	cut      journal.Cut // of this epoch
	history  *history.History
	live     live
	disk     *disk // nil without a journal
	ingest   *ingest
	server   *retransmit.Server
	ln       net.Listener
	shell    *shell
	started  bool // enough receivers have logged in; the ingest loop's
}

// Open checks c, recovers the journal, takes the next epoch and makes it durable,
// and opens every socket, in this order, so that nothing is published unless all of
// it stands. A *ConfigError says what cannot work and how to mend it. The caller
// runs the Daemon or closes it.
func Open(c Config) (*Daemon, error) {
	c.Complete()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d := &Daemon{cfg: c}
	for _, step := range []func() error{d.openClock, d.openLines, d.openSource, d.openServer, d.recover, d.openJournal, d.openHistory, d.openSequencer, d.listenSource} {
		if err := step(); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// Close gives back what Open took, for a Daemon that is not run.
func (d *Daemon) Close() {
	if d.keeper != nil {
		d.keeper.Close()
	}
	if d.ln != nil {
		d.ln.Close()
	}
	if d.ingest != nil && d.ingest.source != nil {
		d.ingest.source.Close()
	}
	if d.ingest != nil && d.ingest.pub != nil {
		d.ingest.pub.Close()
	}
	if d.disk != nil {
		d.disk.writer.Close()
	}
	if d.history != nil {
		d.history.Close()
	}
}

// lines are the groups as the publisher sends to them and receivers join them.
func (d *Daemon) lines() []multicast.Line {
	ls := []multicast.Line{{Group: d.cfg.LineA, Interface: d.cfg.Interface}}
	if d.cfg.LineB.IsValid() {
		ls = append(ls, multicast.Line{Group: d.cfg.LineB, Interface: or(d.cfg.InterfaceB, d.cfg.Interface)})
	}
	return ls
}

func (d *Daemon) openLines() error {
	d.ingest = &ingest{daemon: d, strict: d.cfg.Durability == Strict, control: make([]byte, 0, 256), finished: make(chan struct{})}
	var method multicast.Method
	if err := method.UnmarshalText([]byte(d.cfg.Send)); err != nil {
		return &ConfigError{Key: "send", Value: d.cfg.Send, Problem: "is none of auto, gso, mmsg, single"}
	}
	pub, err := multicast.NewPublisher(multicast.PublisherConfig{
		Lines: d.lines(), TTL: d.cfg.TTL, Loopback: !d.cfg.NoLoopback, Method: method, PacketSize: d.cfg.PacketSize,
	})
	if err != nil {
		return lineError(&d.cfg, err)
	}
	d.ingest.pub = pub
	return nil
}

// lineError names the setting that made a line unusable.
func lineError(c *Config, err error) error {
	e := &ConfigError{Key: "line-a", Value: c.LineA.String(), Problem: "cannot be published on", Err: err}
	switch {
	case errors.Is(err, multicast.ErrInterface):
		e.Key, e.Value, e.Remedy = "interface", c.Interface, "name one of those that `ip link` lists"
	case errors.Is(err, multicast.ErrFragment):
		e.Key, e.Value = "packet-size", fmt.Sprint(c.PacketSize)
	}
	return e
}

func (d *Daemon) openServer() error {
	ln, err := net.Listen("tcp", d.cfg.Retransmit)
	if err != nil {
		return &ConfigError{Key: "retransmit", Value: d.cfg.Retransmit, Problem: "cannot be listened on", Remedy: "give a free ADDR:PORT of this host", Err: err}
	}
	d.ln = ln
	return nil
}

// session is the session to run: the one asked for, the newest one of the journal
// while it is open, or today's.
func (d *Daemon) session() (wire.Session, error) {
	if d.cfg.Session != "" {
		return wire.ParseSession(d.cfg.Session)
	}
	today, err := wire.ParseSession(hostTime().Time().Format("20060102"))
	if d.cfg.Journal == NoJournal || err != nil {
		return today, err
	}
	st, err := newestOpen(d.cfg.Journal, "", d.options)
	if err != nil || st == nil {
		return today, err
	}
	return st.Session, nil
}

// newestOpen recovers the newest session in dir, or the one that is named, unless
// it has ended: then, and where there is none, it returns nil.
func newestOpen(dir, name string, options func(wire.Session) journal.Options) (*journal.State, error) {
	all, err := journal.Sessions(dir)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	newest := all[0]
	for _, s := range all {
		if s.Epoch > newest.Epoch && name == "" || s.Session.String() == name {
			newest = s
		}
	}
	o := options(newest.Session)
	o.Channel = newest.Channel
	st, err := journal.Recover(o)
	if err != nil || st.Ended || name != "" && st.Session.String() != name {
		return nil, err
	}
	return st, nil
}

// recover finds out where the session stands.
func (d *Daemon) recover() error {
	session, err := d.session()
	if err != nil {
		return d.journalError("cannot be recovered", err)
	}
	d.state = &journal.State{Session: session}
	if d.cfg.Journal != NoJournal {
		if d.state, err = journal.Recover(d.options(session)); err != nil {
			return d.journalError("cannot be recovered", err)
		}
		d.state.Session = session
	}
	if d.state.Ended {
		return &ConfigError{Key: "session", Value: session.String(), Problem: "has ended in this journal", Remedy: "name another session"}
	}
	epoch := max(d.state.Epoch+1, uint32(hostTime()/wire.Nanos(time.Second)))
	d.cut = journal.Cut{Epoch: epoch, Previous: d.state.Epoch, Cut: d.state.Last, Chain: d.state.Chain}
	return nil
}

func (d *Daemon) options(s wire.Session) journal.Options {
	return journal.Options{
		Dir: d.cfg.Journal, Session: s, Channel: d.cfg.Channel, SegmentBytes: d.cfg.Segment, Prewrite: d.cfg.Prewrite,
		Strict: d.cfg.Durability == Strict,
	}
}

func (d *Daemon) journalError(problem string, err error) error {
	return &ConfigError{Key: "journal", Value: d.cfg.Journal, Problem: problem, Remedy: journalRemedy(err), Err: err}
}

// journalRemedy is what to do about err, where it does not say so itself.
func journalRemedy(err error) string {
	var rot *journal.RotError
	switch {
	case errors.As(err, &rot), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, journal.ErrStale):
		return ""
	case errors.Is(err, journal.ErrLocked):
		return "stop that process, or name another directory"
	case errors.Is(err, journal.ErrForeign), errors.Is(err, journal.ErrEpoch):
		return "name its session and channel, or another directory"
	case errors.Is(err, journal.ErrVersion):
		return "read it with the release that wrote it, or name another directory"
	}
	return "name a directory that can be made and written"
}

// openJournal takes the epoch: it is durable when this returns.
func (d *Daemon) openJournal() error {
	if d.cfg.Journal == NoJournal {
		return nil
	}
	w, err := journal.Open(d.options(d.state.Session), d.state, d.cut)
	if err != nil {
		return d.journalError("cannot be written", err)
	}
	d.disk = &disk{
		writer: w, clock: d.clock, strict: d.cfg.Durability == Strict, finished: make(chan struct{}), wake: make(chan struct{}, 1),
		onFail: func(error) { d.ingest.journal.Store(true) },
	}
	return nil
}

func (d *Daemon) openHistory() error {
	c := history.Config{Bytes: int(d.cfg.History), PacketSize: d.cfg.PacketSize, Durable: d.cfg.Durability == Strict}
	if c.Bytes < 32<<20 {
		c.Slab = c.Bytes / 16
	}
	if d.disk != nil {
		c.Older = d.disk.writer
	}
	h, err := history.New(c, d.cut.Cut+1)
	if err != nil {
		return &ConfigError{Key: "history", Value: fmt.Sprint(d.cfg.History), Problem: "cannot be set up", Err: err}
	}
	h.SeedDefinitions(d.state.Definitions)
	if d.disk == nil {
		h.Abandon()
	} else {
		d.disk.history = h
	}
	d.history = h
	return nil
}

func (d *Daemon) openSequencer() error {
	seq, err := sequencer.New(sequencer.Config{
		Channel: d.cfg.Channel, Session: d.state.Session, Epoch: d.cut.Epoch, Previous: d.cut.Previous,
		Cut: d.cut.Cut, CutChain: d.cut.Chain, Stamp: d.state.Stamp, PacketSize: d.cfg.PacketSize,
		Heartbeat: wire.Nanos(d.cfg.Heartbeat), Journal: d.journalMode(), Inputs: d.state.Inputs,
	}, d.history)
	if err != nil {
		return err
	}
	d.ingest.seq = seq
	d.openLive()
	d.server, err = retransmit.NewServer(retransmit.ServerConfig{Channel: d.channel(), Limits: retransmit.DefaultLimits()}, &d.live)
	if err != nil {
		return err
	}
	d.shell = newShell(d.server, d.clock)
	return nil
}

func (d *Daemon) journalMode() wire.JournalState {
	switch {
	case d.disk == nil:
		return wire.JournalNone
	case d.cfg.Durability == Strict:
		return wire.JournalStrict
	}
	return wire.JournalAlive
}

// openLive makes the channel visible to the retransmit service, as of the cut.
func (d *Daemon) openLive() {
	var cuts []retransmit.Cut
	for _, c := range append(d.state.Cuts, d.cut) {
		cuts = append(cuts, retransmit.Cut(c))
	}
	d.live.History, d.live.clock = d.history, d.clock
	d.live.cuts.Store(&cuts)
	d.live.journal.Store(uint32(d.journalMode()))
	d.live.publish(d.cut.Cut+1, d.cut.Chain)
}

// channel is what receivers learn at login.
func (d *Daemon) channel() retransmit.Channel {
	c := retransmit.Channel{
		Channel: d.cfg.Channel, Session: d.state.Session, PacketSize: d.cfg.PacketSize,
		Heartbeat: wire.Nanos(d.cfg.Heartbeat),
	}
	for i, l := range d.lines() {
		c.Lines[i].Group = l.Group
	}
	return c
}

// openSource comes before the journal: a name that is wrong takes no epoch.
func (d *Daemon) openSource() (err error) {
	if d.ingest.source = d.cfg.Feed; d.ingest.source == nil {
		d.ingest.source, err = openSource(&d.cfg)
	}
	return err
}

func (d *Daemon) listenSource() (err error) {
	acked := func(feed.InputID) uint64 { return 0 }
	if d.disk != nil {
		acked = func(id feed.InputID) uint64 {
			return max(d.disk.writer.Acknowledged(id), d.ingest.seq.Recovered(id))
		}
	}
	if d.ingest.source == nil {
		if d.ingest.source, err = listenSource(&d.cfg, d.state.Session, acked); err != nil {
			return err
		}
	}
	d.ingest.waiter, _ = d.ingest.source.(waiter)
	return nil
}
