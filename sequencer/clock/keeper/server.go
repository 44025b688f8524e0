package keeper

import (
	"context"
	"errors"
	"math/bits"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// server asks one NTP server in a loop of its own.
type server struct {
	index   int
	address string
	ntp     *source.NTP
	pace    *estimate.Pace
	queue   chan<- answer
	hurried chan struct{}

	// of the control loop
	last   source.Answer
	reason string // why the last answer was not used
	asked  uint64
	used   uint64
	liar   bool // was told of as one
}

// An answer is what a question came to.
type answer struct {
	server int
	source.Answer
	err error
}

func newServer(k *Keeper, i int) (*server, error) {
	c := k.cfg.Servers[i]
	key := k.keys[c.Key]
	n, err := source.NewNTP(source.NTPConfig{
		Address: c.Address, Local: k.cfg.Local, KeyID: c.Key, Key: key.Hex, KeyKind: key.Kind,
		Timeout: k.cfg.Timeout, Reference: k.cfg.Reference,
	}, k.counter)
	if err != nil {
		return nil, &ConfigError{Key: "servers", Value: c.Address, Problem: "cannot be asked", Err: err}
	}
	return &server{
		index: i, address: c.Address, ntp: n,
		pace:  estimate.NewPace(int64(k.cfg.Poll), rand.New(rand.NewPCG(k.opt.Seed, uint64(i)))),
		queue: k.answers, hurried: make(chan struct{}, 1),
	}, nil
}

// run asks until ctx ends, or the server denies access for ever.
func (s *server) run(ctx context.Context) {
	timer := time.NewTimer(time.Duration(s.pace.First()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.hurried:
			if !s.pace.Hurry() {
				continue
			}
		}
		a, err := s.ntp.Query()
		select {
		case s.queue <- answer{s.index, a, err}:
		case <-ctx.Done():
			return
		}
		wait, again := s.pace.Next(outcome(err), int64(a.Poll))
		if !again {
			return
		}
		timer.Reset(time.Duration(wait))
	}
}

// outcome is what the error of a question means for the next one.
func outcome(err error) estimate.Outcome {
	switch {
	case err == nil:
		return estimate.Answered
	case errors.Is(err, source.ErrDenied):
		return estimate.Denied
	case errors.Is(err, source.ErrKiss):
		return estimate.Throttled
	}
	return estimate.Failed
}

// hurry has every server asked at once.
func (k *Keeper) hurry() {
	for _, s := range k.servers {
		select {
		case s.hurried <- struct{}{}:
		default: // it is about to ask
		}
	}
}

// take gives an answer to the estimator, and holds it against the time told.
func (k *Keeper) take(a answer) {
	s := k.servers[a.server]
	s.asked++
	rec := &audit.Sample{
		Server: a.server, Sent: a.Sent, Received: a.Received, T2: a.T2, T3: a.T3, Error: a.Error,
		RootDelay: a.RootDelay, Dispersion: a.RootDispersion, Stratum: a.Stratum,
		Refid: source.Refid(a.Refid, a.Stratum), Leap: a.Leap, Kernel: a.Kernel, Key: a.Authenticated,
	}
	err := a.err
	if err == nil {
		var x estimate.Exchange
		disrupted := k.est.Disrupted()
		x, err = k.est.Add(estimate.Sample{
			Exchange: estimate.Exchange{Server: a.server, Sent: a.Sent, Received: a.Received, T2: a.T2, T3: a.T3, Error: a.Error},
			Leap:     a.Leap,
		})
		held(rec, x, err, k.est.Disrupted() && !disrupted)
		s.last = a.Answer
		k.audit(a)
	}
	s.reason = ""
	if err != nil {
		s.reason = reason(err)
	}
	if rec.Used {
		s.used++
	}
	rec.Reason = s.reason
	k.put(audit.Record{Kind: audit.KindSample, Sample: rec})
	if errors.Is(err, estimate.ErrIncoherent) {
		k.contradicted(s)
	}
}

// reason is an error without what is different in each exchange.
func reason(err error) string {
	var system *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &system):
		return "cannot be asked: " + system.Err.Error()
	}
	return err.Error()
}

// contradicted deals with a server that broke with its past, or with a counter that
// did.
func (k *Keeper) contradicted(s *server) {
	if k.est.Disrupted() {
		k.disrupt("more servers contradict themselves than may lie: the counter jumped")
		return
	}
	k.tellOf(audit.KindAlarm, "server "+s.address+" contradicts its earlier answers")
	k.hurry()
}

// audit compares an answer by itself with the time told when it was asked and came:
// no model of the counter is in between.
func (k *Keeper) audit(a answer) {
	f := k.force
	bit := uint(1) << a.server
	if !clock.Promises(f.State) || a.Sent < f.Before.Start || a.Sent < f.Start && f.Before.UTC == 0 {
		k.against &^= bit
		return
	}
	sent, _ := f.Read(a.Sent)
	received, _ := f.Read(a.Received)
	early := int64(sent)-f.Bound(a.Sent) > a.T2+a.Error
	late := int64(received)+f.Bound(a.Received) < a.T3-a.Error
	k.against &^= bit
	if early || late {
		k.against |= bit
	}
	k.judge()
}

// judge raises the alarm when more servers exclude the time told than may lie, and
// takes it back.
func (k *Keeper) judge() {
	was := k.alarm
	k.alarm = ""
	if bits.OnesCount(k.against) > k.cfg.Faulty {
		k.alarm = "the answers of " + k.names(k.against) + " exclude the time told: this clock is wrong, or they are"
	}
	switch {
	case k.alarm != "" && was == "":
		k.tellOf(audit.KindAlarm, k.alarm)
	case k.alarm == "" && was != "":
		k.tellOf(audit.KindAlarm, "servers and the time told meet again")
	}
}

// name tells of servers that no set of honest ones can have, and of those that agree
// again.
func (k *Keeper) name() {
	for i, s := range k.servers {
		switch v := k.est.Verdict(i); {
		case v == estimate.Liar && !s.liar:
			s.liar = true
			k.tellOf(audit.KindAlarm, "server "+s.address+" lies: it is in no set of servers that may all be honest")
		case v == estimate.Agrees && s.liar:
			s.liar = false
			k.tellOf(audit.KindAlarm, "server "+s.address+" agrees with the others again")
		}
	}
}
