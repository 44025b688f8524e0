package multicast

import (
	"context"
	"errors"
	"runtime"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// tendEvery is how often the loop asks for kernel drops and shows its counters.
const tendEvery = wire.Nanos(100e6)

// listenEvery is how often a loop that does not block looks at a connection on which
// nothing is expected: 1 % of its time.
const listenEvery = wire.Nanos(100e3)

// errRan says that Run was called twice.
var errRan = errors.New("multicast: a Subscription runs once")

// Run joins, recovers and delivers, as Subscribe says. It runs once, locked to its
// thread, and leaves no socket open.
func (s *Subscription) Run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.Start(); err != nil {
		return err
	}
	defer s.Close()
	stopped := make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		s.poll.stop()
		close(stopped)
	})
	err := s.loop(ctx)
	if !release() {
		<-stopped // the eventfd must not be closed under its writer
	}
	return err
}

// loop turns until the session ends, ctx is done or something fatal happens.
func (s *Subscription) loop(ctx context.Context) error {
	for {
		if done, err := s.Turn(); done {
			return err
		}
		if s.poll.stopped.Load() {
			return context.Cause(ctx)
		}
		s.Wait(tendEvery)
	}
}

// mostOwed is how many turns that brought something may follow each other before one
// does what the Subscriber asks for.
const mostOwed = 4

// turn does a bounded piece of work: reads of the lines, one of the server's
// connection, and if these brought something or it is time, what is due and what the
// Subscriber asks for. It returns when the next turn is due at the latest. A loop that
// does not block owes the latter to the turn after the one that brought something, so
// that whoever answers the handler's messages need not wait for it.
func (s *Subscription) turn(now wire.Nanos) (wire.Nanos, error) {
	got := s.read(now)
	if got > 0 && s.poll.how != WaitBlock && s.owed < mostOwed && !s.sub.Awaits() {
		s.owed++
		return now, nil
	}
	s.owed = 0
	if s.tcp.fd >= 0 && s.listens(now) {
		s.converse(now)
		got++
	}
	if now-s.tended >= tendEvery {
		s.tend(now)
	}
	if got == 0 && now < s.deadline {
		return s.deadline, nil
	}
	deadline, err := s.act(now)
	if err != nil {
		return 0, err
	}
	if !s.flush(now) {
		return now, nil // the Subscriber has something to say to that
	}
	return deadline, nil
}

// read reads the lines once each. A loop that does not block reads the next line in its
// next turn if one brought something: the other most likely brings the same.
func (s *Subscription) read(now wire.Nanos) (got int) {
	for range s.lines {
		i := s.line
		s.line = (i + 1) % MaxLines
		if s.lines[i] == nil || !s.poll.ready(slotLine+i) {
			continue
		}
		n := s.receive(i, now)
		if got += n; n > 0 && s.poll.how != WaitBlock {
			return got
		}
	}
	return got
}

// listens reports whether to look at the server's connection in this turn. A loop
// that does not block looks at every turn only while something should come, for each
// look is a system call that a datagram may have to wait for.
func (s *Subscription) listens(now wire.Nanos) bool {
	if s.poll.how == WaitBlock {
		return s.poll.ready(slotTCP)
	}
	if now-s.listened < listenEvery && !s.sub.Awaits() {
		return false
	}
	s.listened = now
	return true
}

// act polls the Subscriber and does what it wants, until it wants nothing.
func (s *Subscription) act(now wire.Nanos) (wire.Nanos, error) {
	for {
		deadline := s.sub.Poll(now)
		switch a := s.sub.Action(now); a.Kind {
		case recovery.ActNone:
			return deadline, nil
		case recovery.ActDial:
			s.dial(a.Server, now)
		case recovery.ActHangUp:
			s.hangUp()
		case recovery.ActJoin:
			if err := s.join(); err != nil {
				return 0, err
			}
		}
	}
}

// receive reads line i once and returns how many datagrams came.
func (s *Subscription) receive(i int, now wire.Nanos) int {
	n, err := s.lines[i].Receive(now, (*intake)(s))
	if err != nil && !s.failing[i] {
		s.cfg.OnAlert(err.Error())
	}
	s.failing[i] = err != nil
	return n
}

// An intake is the Subscription as its lines see it.
type intake Subscription

// Datagram takes what a line brought.
func (s *intake) Datagram(line int, b []byte, rx, now wire.Nanos) {
	if s.cfg.Drop != nil && s.cfg.Drop(line, b) {
		s.discarded++
		return
	}
	s.sub.Datagram(line, b, rx, now)
}

func (s *Subscription) dial(server int, now wire.Nanos) {
	if err := s.tcp.dial(s.servers[server]); err != nil {
		s.disconnected(err, now)
		return
	}
	s.converse(now)
}

// converse goes on connecting, or reads once.
func (s *Subscription) converse(now wire.Nanos) {
	if !s.tcp.up {
		s.connect(now)
		return
	}
	b, err := s.tcp.read()
	switch {
	case err != nil:
		s.disconnected(err, now)
	case len(b) > 0:
		s.sub.Received(b, now)
	}
}

func (s *Subscription) connect(now wire.Nanos) {
	up, err := s.tcp.advance()
	if up && !s.reached.IsValid() {
		s.reached, err = s.tcp.local()
	}
	if err != nil {
		s.disconnected(err, now)
		return
	}
	s.poll.watch(slotTCP, s.tcp.fd, s.tcp.events())
	if up {
		s.sub.Connected(now)
	}
}

// flush sends what the Subscriber has for the server, as far as the kernel takes
// it. It reports false when the connection broke.
func (s *Subscription) flush(now wire.Nanos) bool {
	if !s.tcp.up {
		return true
	}
	n, err := s.tcp.write(s.sub.Output())
	if err != nil {
		s.disconnected(err, now)
		return false
	}
	s.sub.Sent(n)
	s.poll.watch(slotTCP, s.tcp.fd, s.tcp.events())
	return true
}

func (s *Subscription) disconnected(err error, now wire.Nanos) {
	s.hangUp()
	s.sub.Disconnected(err, now)
}

func (s *Subscription) hangUp() {
	s.tcp.close()
	s.poll.watch(slotTCP, -1, 0)
}

// tend does what needs no hurry.
func (s *Subscription) tend(now wire.Nanos) {
	s.tended = now
	s.drops()
	if s.observed.TryLock() { // whoever looks gets the next ones
		s.show()
		s.observed.Unlock()
	}
}
