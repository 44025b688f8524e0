package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// listener is one run of listen. The receive loop calls Packet and Event; the
// control loop does the rest, and neither waits for the other but where --print
// makes them share the tape.
type listener struct {
	app *app
	cfg listenConfig

	sub      *multicast.Subscription
	tally    *tally.Tally
	receiver *keeper.Receiver // Poll is the control loop's
	tape     *tape            // nil without --print
	latest   *latest
	relay    *daemon.Relay // nil without --journal

	latency *tally.Latency // until the latest report; the control loop's
	report  *tally.Report  // that is lent, or nil; the control loop's
	before  counted        // at the latest status; the control loop's
	alarmed alarmed        // the control loop's
}

// Packet counts d and prints it. The receive loop calls it.
func (l *listener) Packet(d recovery.Delivery) {
	l.tally.Packet(d)
	l.latest.learn(d)
	if l.tape != nil {
		l.tape.packet(d)
	}
}

// Event counts e and says at once what an operator should know.
func (l *listener) Event(e recovery.Event) {
	l.tally.Event(e)
	if l.cfg.json {
		event(l.app.err, e.Kind.String(), eventOf(e))
	} else if line := eventLine(e); line != "" {
		fmt.Fprintln(l.app.err, "tapecast:", line)
	}
}

// runListen receives until the session has ended, or a signal.
func (a *app) runListen(ctx context.Context, c listenConfig) error {
	if err := c.validate(); err != nil {
		return err
	}
	receiver, err := c.receiver()
	if err != nil {
		return err
	}
	l := &listener{app: a, cfg: c, receiver: receiver, tally: tally.New(receiver), latest: newLatest(), latency: tally.NewLatency(), report: tally.NewReport()}
	if c.print {
		l.tape = newTape(a.out, c.json)
	}
	if err := l.open(); err != nil {
		return err
	}
	defer withoutCollection(listenGarbage, a.env)()
	if l.relay != nil {
		defer daemon.MoreContexts(a.env)()
	}
	before := daemon.ReadMemory()
	err = l.run(ctx)
	return l.end(err, daemon.ReadMemory().Since(before))
}

// open makes the subscription, and the relay that stands between it and us.
func (l *listener) open() error {
	cfg, err := l.subscription()
	if err != nil {
		return err
	}
	var h recovery.Handler = l
	if l.cfg.journal != "" {
		if l.relay, err = daemon.OpenRelay(l.relayConfig(), l); err != nil {
			return err
		}
		h, cfg.Resume = l.relay, l.relay.Resume()
	}
	l.sub, err = multicast.Open(cfg, h)
	if err != nil && l.relay != nil {
		err = errors.Join(err, l.relay.Close(context.Background())) // nothing was received: at once
	}
	return err
}

func (l *listener) relayConfig() daemon.RelayConfig {
	return daemon.RelayConfig{
		Journal: l.cfg.journal, Session: l.cfg.session, Serve: l.cfg.serve, Linger: l.cfg.linger,
		Channel: func() retransmit.Channel {
			return l.sub.Welcome().Channel
		},
		Warn: func(problem string) { warn(l.app.err, l.cfg.json, problem) },
	}
}

func (l *listener) subscription() (multicast.Config, error) {
	c := &l.cfg
	m := multicast.Config{
		Retransmit: c.servers, Interface: c.iface, Channel: c.channel, From: c.from, TCP: c.tcp,
		Compress: c.compress, Name: "listen", Method: c.receive, ReceiveBuffer: int(c.buffer), Drop: dropper(c.drop, c.dropSeed),
		OnAlert: func(problem string) { warn(l.app.err, c.json, problem) },
	}
	err := m.Wait.UnmarshalText([]byte(c.wait))
	if err == nil {
		m.Session, err = parseSession(c.session)
	}
	if err == nil && c.resume != "" {
		m.Resume, err = loadPosition(c.resume)
	}
	return m, err
}

// run drives the receive loop here and the control loop beside it, and returns
// once both are over.
func (l *listener) run(signals context.Context) error {
	ctx, cancel := context.WithCancelCause(signals)
	defer cancel(nil)
	controlled := make(chan struct{})
	go func() {
		defer close(controlled)
		if err := l.control(ctx); err != nil {
			cancel(err)
		}
	}()
	err := l.sub.Run(ctx)
	if err == nil && !l.cfg.exitAtEnd {
		<-ctx.Done() // the session is over, but a relay goes on serving it
		err = context.Cause(ctx)
	}
	cancel(nil)
	<-controlled
	if signals.Err() != nil && errors.Is(err, context.Cause(signals)) {
		err = nil // as asked
	}
	if l.relay != nil {
		err = errors.Join(err, l.relay.Close(signals))
	}
	return err
}

// control flushes, reports and saves, until ctx is done or one of these fails.
func (l *listener) control(ctx context.Context) error {
	flush, stop := ticks(l.tape != nil, 50*time.Millisecond)
	defer stop()
	status, stop := ticks(l.cfg.status > 0, l.cfg.status)
	defer stop()
	save, stop := ticks(l.cfg.resume != "", time.Second)
	defer stop()
	giveUp, stop := ticks(l.cfg.giveUp > 0, l.cfg.giveUp)
	defer stop()
	look, stop := ticks(true, keeper.PollEvery)
	defer stop()
	l.tally.Ask(l.report)
	l.before = counted{time.Now(), 0}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-look:
			l.receiver.Poll()
		case <-flush:
			err = l.tape.flush()
		case <-status:
			l.status(time.Now())
		case <-save:
			err = l.save()
		case <-giveUp:
			giveUp, err = nil, l.answered()
		}
		if err != nil {
			return err
		}
	}
}

// ticks gives a channel that ticks, or never does.
func ticks(wanted bool, every time.Duration) (<-chan time.Time, func()) {
	if !wanted {
		return nil, func() {}
	}
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// save keeps the position. What is printed is written first: a position never
// claims more than was delivered.
func (l *listener) save() error {
	p := l.sub.Position()
	if l.tape != nil {
		if err := l.tape.flush(); err != nil {
			return err
		}
	}
	if p.Session == 0 {
		return nil // nothing heard yet
	}
	if err := savePosition(l.cfg.resume, p); err != nil {
		return fmt.Errorf("--resume=%s: the position cannot be saved: %w; name a file in a directory that can be written", l.cfg.resume, err)
	}
	return nil
}

// answered is an error if nobody was heard since the start.
func (l *listener) answered() error {
	s := l.sub.Stats()
	if s.Logins > 0 || s.Packets > 0 {
		return nil
	}
	return fmt.Errorf("no retransmit service at %v answered in %v (%w): is `tapecast serve` running there, and is its port open? --give-up 0 waits for ever",
		l.cfg.servers, l.cfg.giveUp, errUnreachable)
}
