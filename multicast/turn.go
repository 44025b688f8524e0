package multicast

import "github.com/tapecast/tapecast/feed/wire"

// Start makes s ready for Turn. Start, Turn, Wait and Close are Run in pieces, for
// a loop that has other work as well, such as publishing what it made of what it
// received. All four belong to one goroutine, which must be locked to its
// thread. Start is called once, and Close after it succeeded.
func (s *Subscription) Start() error {
	if s.started.Swap(true) {
		return errRan
	}
	return s.poll.open(s.cfg.Wait)
}

// Turn reads what has arrived, a bounded piece of it, calls the handler, and does
// what is due. It never waits. When done the err is what Run would have returned:
// nil at the end of the session. With WaitSpin and rings a Turn that finds them empty
// looks at the clock, and so at what is due, every 16th time only: such a loop must
// turn without pause, or gaps are asked for late.
func (s *Subscription) Turn() (done bool, err error) {
	if s.quiet() {
		return s.sub.Done()
	}
	s.now = s.cfg.Clock()
	if s.deadline, err = s.turn(s.now); err != nil {
		return true, err
	}
	return s.sub.Done()
}

// lazyTurns is how many turns may pass without a look at the clock while the rings of
// a loop that spins are empty: some hundred nanoseconds of them.
const lazyTurns = 15

// quiet reports whether this turn can be over at once: reading the clock costs more
// than looking whether a ring has something, and a datagram may have to wait for it.
func (s *Subscription) quiet() bool {
	if s.poll.how != WaitSpin || s.owed > 0 || s.passed == lazyTurns || s.pending() || s.sub.Awaits() {
		s.passed = 0
		return false
	}
	s.passed++
	return true
}

// pending reports whether there is a line that may have something, or none at all.
func (s *Subscription) pending() bool {
	any := false
	for _, r := range s.lines {
		if r != nil && r.pending() {
			return true
		}
		any = any || r != nil
	}
	return !any
}

// Wait passes the time after a Turn, as Config.Wait has it, until something may
// have arrived or is due, and at most most ns.
func (s *Subscription) Wait(most wire.Nanos) {
	s.poll.wait(min(s.deadline, s.tended+tendEvery, s.now+most) - s.now)
}

// Close shows the last counters and closes everything.
func (s *Subscription) Close() {
	s.drops()
	s.observed.Lock()
	s.show()
	s.observed.Unlock()
	s.hangUp()
	for i, r := range s.lines {
		if r != nil {
			s.leave(i)
		}
	}
	s.poll.close()
}
