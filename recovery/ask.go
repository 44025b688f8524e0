package recovery

import (
	"math"
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// Bounds of what is asked for at one time.
const (
	maxAsks     = 64      // requests under way
	askMessages = 1 << 14 // of one request
	askTotal    = 1 << 17 // messages of all requests under way; one request is always allowed
)

// Attempts are counted in quarters: a refusal that invites to ask again later
// costs one, though nothing before Config.Patience, a request that brought nothing
// four.
const (
	wholeTry   = 4
	quarterTry = 1
)

// ask is a request under way.
type ask struct {
	id          uint32
	first, last uint64
	overflow    uint64 // Stats.Overflow when it was sent
	epoch       uint32 // likewise
	filled      bool   // it brought something
}

// asker turns gaps into requests, and answers into filled or lost gaps. What is under
// way stands in its list and nowhere else: gaps come and go, are found anew, split and
// grow, while an answer takes its time.
type asker struct {
	list     []ask // in order and disjoint, of fixed capacity
	messages uint64
	chunk    uint64     // largest range, halved when a server finds it too large
	progress wire.Nanos // the last packets or answer
	ahead    uint64     // a server has nothing from here on: one request at a time asks again, until it has; none at first
	recheck  wire.Nanos // when the next one may
	epoch    uint32     // of ahead and awaited
	awaited  uint64     // the stream's next when a server had nothing; 0 never
	since    wire.Nanos // since when it is the same
	refused  wire.Nanos // when a server last had nothing
	hold     wire.Nanos // nothing is asked before: a server said so
	limit    int        // requests under way that the server bears: 1 once it asked for time, doubled by each answer
}

// none is behind every sequence.
const none = math.MaxUint64

func newAsker() asker {
	return asker{list: make([]ask, 0, maxAsks), chunk: askMessages, ahead: none, limit: maxAsks}
}

func (a *asker) find(id uint32) *ask {
	for i := range a.list {
		if a.list[i].id == id {
			return &a.list[i]
		}
	}
	return nil
}

// place is the index of the first request that ends at seq or later.
func (a *asker) place(seq uint64) int {
	i, _ := slices.BinarySearchFunc(a.list, seq, func(x ask, seq uint64) int {
		if x.last < seq {
			return -1
		}
		return 1
	})
	return i
}

// next is where the first request begins that ends at seq or later, or none.
func (a *asker) next(seq uint64) uint64 {
	if i := a.place(seq); i < len(a.list) {
		return a.list[i].first
	}
	return none
}

// covers reports whether a request for any of first..last is under way.
func (a *asker) covers(first, last uint64) bool {
	i := a.place(first)
	return i < len(a.list) && a.list[i].first <= last
}

// add puts a request among the others, none of which covers any of it.
func (a *asker) add(x ask) {
	a.messages += x.last - x.first + 1
	a.list = slices.Insert(a.list, a.place(x.first), x)
}

// remove takes a request off the list.
func (a *asker) remove(id uint32) {
	i := slices.IndexFunc(a.list, func(x ask) bool { return x.id == id })
	a.messages -= a.list[i].last - a.list[i].first + 1
	a.list = slices.Delete(a.list, i, i+1)
}

// enter forgets what servers had nothing of, when it was in another epoch: what is missing
// now is not what was missing then.
func (a *asker) enter(epoch uint32) {
	if a.epoch != epoch {
		a.epoch, a.ahead, a.awaited = epoch, none, 0
	}
}

// ask requests the gaps that are due, lowest first, and returns when to look again.
func (s *Subscriber) ask(now wire.Nanos) wire.Nanos {
	if now < s.asks.hold {
		return s.asks.hold
	}
	s.asks.enter(s.stream.epoch)
	list := &s.stream.gaps
	for i := 0; i < len(list.list); i++ {
		x := &list.list[i]
		switch {
		case x.lost != 0 || x.gone>>s.conn.server&1 != 0 || s.asks.covers(x.first, x.last):
			continue
		case x.due > now:
			continue // the stream says when
		case x.first >= s.asks.ahead && s.asks.covers(s.asks.ahead, none):
			return never // its answer comes first
		case x.first >= s.asks.ahead && now < s.asks.recheck:
			return s.asks.recheck
		case x.first > s.stream.next && s.stream.win.full():
			return never // no room for the answer
		}
		if !s.room(x) || !s.request(i, now) {
			break
		}
	}
	return never
}

// room reports whether another request may be sent.
func (s *Subscriber) room(x *gap) bool {
	n := len(s.asks.list)
	limit := min(s.cfg.Outstanding, s.conn.client.Welcome().Limits.Outstanding, s.asks.limit)
	want := min(x.messages(), s.asks.chunk)
	return n < limit && (n == 0 || s.asks.messages+want <= askTotal)
}

// request asks for gap i, or the head of it, together with those close behind it.
func (s *Subscriber) request(i int, now wire.Nanos) bool {
	list := &s.stream.gaps
	chunk := min(s.asks.chunk, s.conn.client.Welcome().Limits.Range)
	x := &list.list[i]
	first := x.first
	s.count(x)
	if x.messages() > chunk {
		list.split(i, first+chunk-1) // without room for it the whole gap waits for its head
	}
	n := s.reach(i, chunk, now)
	last := min(list.list[n].last, first+chunk-1)
	id := s.newID()
	if s.conn.client.Request(id, first, last) != nil {
		return false
	}
	if list.list[i].asked {
		s.stats.Retries++
	}
	for j := i; j <= n; j++ {
		s.count(&list.list[j])
		list.list[j].asked = true
	}
	s.stats.Requests++
	if len(s.asks.list) == 0 {
		s.asks.progress = now
	}
	s.asks.add(ask{id: id, first: first, last: last, overflow: s.stats.Overflow, epoch: s.stream.epoch})
	return true
}

func (s *Subscriber) count(x *gap) {
	if !x.counted {
		x.counted = true
		s.stats.Gaps++
	}
}

// reach is the last gap to be asked for together with gap i, which no request under way
// covers: what is held between them is sent again, so it must be less than what is
// missing, and the next request under way is not reached: one is until its answer ends,
// though all of it is held before.
func (s *Subscriber) reach(i int, chunk uint64, now wire.Nanos) int {
	list := s.stream.gaps.list
	first, missing := list[i].first, list[i].messages()
	asked := s.asks.next(first)
	for n := i + 1; n < len(list); n++ {
		x := &list[n]
		missing += x.messages()
		span := x.last - first + 1
		if x.last >= asked || x.lost != 0 || x.gone != list[i].gone || x.due > now ||
			span > chunk || span > 2*missing {
			return n - 1
		}
	}
	return len(list) - 1
}

// settle closes a request: what it left missing is due again at the time given,
// with cost added to its tries, or lost when they are used up.
func (s *Subscriber) settle(x *ask, cost int, due, now wire.Nanos) {
	left := s.stream.gaps.touching(x.first, x.last)
	s.asks.remove(x.id)
	s.asks.progress = now
	for i := range left {
		left[i].due = due
		left[i].charge(cost, s.cfg.Attempts, CauseAttempts)
	}
	s.stream.drain(now)
}

// done takes the end of an answer. A request after which everything is still
// missing counts as a whole attempt, unless the window had no room for the answer, or
// an epoch began that made it void.
func (s *Subscriber) done(x *ask, now wire.Nanos) {
	if x.last >= s.asks.ahead {
		s.asks.ahead = none // the server has got there
	}
	if x.filled || s.stats.Overflow != x.overflow || s.stream.epoch != x.epoch {
		s.asks.limit = min(2*s.asks.limit, maxAsks)
		s.settle(x, 0, now+s.cfg.Grace+s.jitter(), now)
		return
	}
	s.settle(x, wholeTry, now+s.cfg.RetryMin/8+s.jitter(), now)
}

// abandon forgets all requests: their connection is gone. What they left missing
// is due at once.
func (s *Subscriber) abandon(now wire.Nanos) {
	for len(s.asks.list) > 0 {
		s.settle(&s.asks.list[0], 0, now, now)
	}
	s.asks.limit, s.asks.hold, s.asks.ahead = maxAsks, 0, none // which is between us and that server
}

// price is what a server's "later" costs: nothing for as long as one would wait for
// a server that does not answer at all.
func (s *Subscriber) price(x *ask) int {
	for _, g := range s.stream.gaps.touching(x.first, x.last) {
		if s.now < g.since+s.cfg.Patience {
			return 0
		}
	}
	return quarterTry
}

// blame charges the lowest request with a whole attempt: its answer stopped coming.
func (s *Subscriber) blame() {
	if len(s.asks.list) == 0 {
		return // it is the definitions that stopped
	}
	left := s.stream.gaps.touching(s.asks.list[0].first, s.asks.list[0].last)
	for i := range left {
		left[i].charge(wholeTry, s.cfg.Attempts, CauseAttempts)
	}
}

// stuck reports whether the answers stopped coming, and when they would be said to.
func (s *Subscriber) stuck(now wire.Nanos) (bool, wire.Nanos) {
	if len(s.asks.list) == 0 && s.definitions.id == 0 {
		return false, never
	}
	at := s.asks.progress + s.cfg.AskTimeout
	return now >= at, at
}

// speculate asks for what a packet out of the window's reach says is there, chunk by
// chunk: if it lied, a server refuses the first one, at no cost.
func (s *Subscriber) speculate(now wire.Nanos) {
	t := s.stream
	if t.beyond <= t.edge {
		t.beyond = 0
		return
	}
	if t.edge-t.next > s.asks.chunk/2 || s.asks.ahead != none && now < s.asks.recheck || s.tcp {
		return
	}
	if t.expose(min(t.beyond, t.edge+s.asks.chunk), now) {
		x := &t.gaps.list[len(t.gaps.list)-1]
		x.due = min(x.due, now)
	}
}

// giveUp declares the gaps that are due lost, where there is nobody to ask.
func (s *Subscriber) giveUp(now wire.Nanos) {
	for i := range s.stream.gaps.list {
		x := &s.stream.gaps.list[i]
		if x.lost == 0 && x.due <= now && !s.asks.covers(x.first, x.last) && s.hopeless(x.since, now) {
			s.count(x)
			x.lost = CauseNoServer
		}
	}
	s.stream.drain(now)
}

// alone is since when there was nobody to give what is missing since then: before the first
// Poll nobody could be asked, until a connection ended its server could be, and when an
// epoch is entered every server may still have to hear of it.
func (s *Subscriber) alone(since wire.Nanos) wire.Nanos {
	return max(since, s.began, s.conn.lost, s.stream.entered)
}

// hopeless reports whether nobody will give what is missing since then.
func (s *Subscriber) hopeless(since, now wire.Nanos) bool {
	if len(s.cfg.Servers) == 0 {
		return true
	}
	if s.conn.phase == up && !s.lags() || now < s.alone(since)+s.cfg.Patience {
		return false
	}
	return s.stream.lines[0].alive || s.stream.lines[1].alive
}
