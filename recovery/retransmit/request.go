package retransmit

import (
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// patience is how long a store may be busy before a request is refused for it.
const patience = second

// request is one open request.
type request struct {
	id          uint32
	follow      bool
	definitions bool
	started     bool
	stuck       bool // the store is busy, since since
	served      bool // something of it was there
	wide        bool // the next copy takes all the room: a packet did not fit

	first, last uint64 // last of a follow is the largest number
	seq         uint64 // the next to be sent
	start       wire.Nanos
	retry       wire.Nanos // not before
	since       wire.Nanos

	msgs []byte // definitions left to send; immutable, lent by the store
	asOf uint64
}

// takeBack goes back to from, where another epoch begins, if r is past it. A follow
// goes back even below its first sequence: there the receiver stands now.
func (r *request) takeBack(from uint64) {
	if r.definitions || r.seq <= from {
		return
	}
	if r.seq = from; !r.follow {
		r.seq = max(from, r.first)
	}
}

// verdict is what came of one turn of a request.
type verdict uint8

const (
	sent     verdict = iota // something was, or the request moved on
	waiting                 // nothing now; see request.retry
	finished                // the request is closed
)

// answer gives each open request its turns while there is room. It returns when one
// that waits may go on.
func (c *Session) answer(now wire.Nanos, st *State) (next wire.Nanos) {
	for idle := 0; idle < len(c.requests) && c.room() >= c.least(); {
		if wait := c.throttle(now); wait > 0 {
			return now + wait
		}
		c.turn %= len(c.requests)
		r := &c.requests[c.turn]
		v := waiting
		if !c.continues(r) {
			v = c.serve(now, st, r)
		}
		switch v {
		case finished:
			c.requests = slices.Delete(c.requests, c.turn, c.turn+1)
			idle = 0
			continue
		case sent:
			idle = 0
		case waiting:
			idle++
		}
		c.turn++
	}
	return c.earliest()
}

// continues reports whether r goes on where another open request ends. Then it waits
// for that: the receiver takes what comes in order straight from the connection, and
// would have to copy and keep the rest.
func (c *Session) continues(r *request) bool {
	for i := range c.requests {
		if o := &c.requests[i]; o.last+1 == r.first && !o.definitions && !r.definitions {
			return true
		}
	}
	return false
}

// least is the room below which no further answer is begun.
func (c *Session) least() int {
	return max(c.server.cfg.Channel.PacketSize, wire.DefaultPacket)
}

// earliest is when the first request that waits may go on.
func (c *Session) earliest() wire.Nanos {
	next := never
	for i := range c.requests {
		if r := &c.requests[i]; !c.continues(r) {
			next = min(next, r.retry)
		}
	}
	return next
}

// throttle says how long the byte rates hold the answers, and counts that time.
func (c *Session) throttle(now wire.Nanos) wire.Nanos {
	wait := max(c.flow.wait(now, 0), c.share(now))
	if end := now + wait; wait > 0 && end > c.resume {
		c.paused += end - max(now, c.resume)
		c.resume = end
	}
	return wait
}

// share says how long until the session may use its quota of the total byte rate,
// which it reserves when it has none.
func (c *Session) share(now wire.Nanos) wire.Nanos {
	if c.server.bytes.rate == 0 {
		return 0
	}
	if c.quota <= 0 {
		c.slot = c.server.reserve(now, quantum-c.quota)
		c.quota = quantum
	}
	return max(c.slot-now, 0)
}

// serve gives r one turn: at most one frame of packets.
func (c *Session) serve(now wire.Nanos, st *State, r *request) verdict {
	if now < r.retry {
		return waiting
	}
	if !r.started {
		r.started, r.start = true, now-c.paused
		if r.definitions {
			r.msgs, r.asOf = c.server.live.Definitions()
		}
	}
	if r.definitions {
		return c.define(now, st, r)
	}
	if r.seq > r.last {
		return c.finish(r, r.seq)
	}
	oldest, next := c.server.live.Bounds()
	switch {
	case st.Ended && r.seq > st.Last:
		return c.pastEnd(now, st, r)
	case r.seq < oldest:
		return c.gonePart(r, oldest)
	case r.seq >= next:
		return c.ahead(now, r)
	}
	return c.copy(now, r)
}

func (c *Session) finish(r *request, next uint64) verdict {
	c.out = appendDone(c.out, r.id, next)
	return finished
}

// no closes r with a refusal, which has room: answers stop at a packet's size.
func (c *Session) no(r *request, refusal Refusal) verdict {
	c.server.count.refused[refusal.Code].Add(1)
	c.count.Refused++
	c.out = AppendRefusal(c.out, r.id, refusal)
	return finished
}

// pastEnd closes a request behind the last message that there will ever be.
func (c *Session) pastEnd(now wire.Nanos, st *State, r *request) verdict {
	if !r.follow {
		return c.no(r, Refusal{Code: CodeEnded, Text: "the session has ended before"})
	}
	c.putControl(now, wire.TypeEnd, st, st.current())
	return c.finish(r, r.seq)
}

// gonePart names what is no longer kept, and goes on behind it.
func (c *Session) gonePart(r *request, oldest uint64) verdict {
	last := min(r.last, oldest-1)
	c.server.count.gone.Add(1)
	c.out = appendUnavailable(c.out, r.id, r.seq, last, CauseGone)
	r.seq = last + 1
	if r.seq > r.last && !r.served {
		return c.no(r, Refusal{Code: CodeTooOld, Text: "all of the range is gone"})
	}
	return sent
}

// ahead waits, if r is a follow, for what is not visible yet.
func (c *Session) ahead(now wire.Nanos, r *request) verdict {
	if r.follow {
		r.retry = now + c.server.cfg.Poll
		return waiting
	}
	return c.no(r, Refusal{Code: CodeAhead, Retryable: true, RetryAfter: c.server.cfg.Channel.Heartbeat,
		Text: "not sequenced yet"})
}
