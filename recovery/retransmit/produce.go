package retransmit

import (
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// MinBuffer is the least that Produce must be given, in bytes: a frame that holds
// the largest packet.
const MinBuffer = 66 << 10

// idleHeartbeats is how many heartbeat intervals pass between control packets on a
// connection without a follow.
const idleHeartbeats = 20

// Produce writes bytes for the client into dst, which holds at least MinBuffer, and
// returns how many. It does a bounded amount of work, and one request's answer does
// not keep another's waiting: they take turns. When n is 0, call it again at next, or
// after Receive; otherwise as soon as the socket has taken them.
func (c *Session) Produce(now wire.Nanos, dst []byte) (n int, next wire.Nanos) {
	if c.phase == greeting || c.phase == closed {
		return 0, never
	}
	if len(dst) < MinBuffer {
		return 0, now + c.server.cfg.Poll
	}
	c.out = dst[:0:len(dst)]
	next = c.produce(now)
	n, c.out = len(c.out), nil
	if n > 0 && c.taken >= c.given {
		c.moved = now
	}
	c.given += uint64(n)
	return n, next
}

func (c *Session) produce(now wire.Nanos) wire.Nanos {
	c.putReplies()
	if c.phase == closing {
		if len(c.refusals) == 0 && len(c.out) == 0 {
			c.phase = closed
		}
		return never
	}
	st := c.server.live.State()
	if c.welcome {
		c.greet(now, &st)
	}
	c.announce(now, &st)
	next := c.answer(now, &st)
	return min(next, c.heartbeat(now))
}

// room is how much of the buffer is left behind the head of another frame.
func (c *Session) room() int { return cap(c.out) - len(c.out) - headLen }

// putReplies sends what needs no packets: refusals, and the answer to a ping.
func (c *Session) putReplies() {
	if c.welcome {
		return // which is first
	}
	k := 0
	for ; k < len(c.refusals) && c.room() >= refusalLen+MaxText; k++ {
		c.out = AppendRefusal(c.out, c.refusals[k].id, c.refusals[k].r)
	}
	c.refusals = slices.Delete(c.refusals, 0, k)
	if c.pong && c.room() >= 0 {
		c.out = appendBare(c.out, framePong, c.pongID)
		c.pong = false
	}
}

func (c *Session) greet(now wire.Nanos, st *State) {
	w := Welcome{
		Channel: c.server.cfg.Channel, State: *st, Limits: c.server.cfg.Limits,
		Since: st.since(c.login.KnownEpoch),
	}
	c.out = w.appendTo(c.out)
	c.welcome, c.epoch, c.spoke = false, st.Epoch, now
	if known := c.login.KnownEpoch; known != 0 && known < st.Epoch {
		c.epoch = known
	}
}

// announce tells of each new epoch, in order, before any packet of it, and takes the
// answers back to where it begins. What has no room is told at the next Produce;
// until then no packet of it goes out.
func (c *Session) announce(now wire.Nanos, st *State) {
	for _, cut := range st.Cuts {
		if cut.Epoch <= c.epoch {
			continue
		}
		if c.room() < wire.DefaultPacket {
			return
		}
		then := *st
		then.Epoch, then.Next, then.Chain = cut.Epoch, cut.Cut+1, cut.Chain
		c.putControl(now, wire.TypeEpoch, &then, cut)
		c.epoch = cut.Epoch
		for i := range c.requests {
			c.requests[i].takeBack(cut.Cut + 1)
		}
	}
}

// heartbeat sends a control packet when the connection was quiet for long enough,
// and returns when that will be.
func (c *Session) heartbeat(now wire.Nanos) wire.Nanos {
	st := c.server.live.State()
	every := c.server.cfg.Channel.Heartbeat
	if f := c.follow(); f == nil {
		every *= idleHeartbeats
	} else if f.seq < st.Next {
		return never // its packets are on their way, and a heartbeat would be ahead of them
	}
	if now-c.spoke < every || st.Epoch != c.epoch || c.room() < wire.DefaultPacket {
		return c.spoke + every
	}
	kind := wire.TypeHeartbeat
	if st.over() {
		kind = wire.TypeEnd
	}
	c.putControl(now, kind, &st, st.current())
	return now + every
}

// putControl sends one control packet, as multicast receivers get it.
func (c *Session) putControl(now wire.Nanos, kind wire.Type, st *State, cut Cut) {
	status := wire.Status{
		Journal: st.Journal, Durable: st.Durable,
		Previous: cut.Previous, Cut: cut.Cut, CutChain: cut.Chain,
	}
	if kind == wire.TypeEnd {
		status.Last = st.Last
	}
	ch, start := &c.server.cfg.Channel, len(c.out)
	c.out, _ = extend(c.out, headLen)
	c.out = status.AppendControl(c.out, wire.Header{
		Type: kind, Channel: ch.Channel, Session: ch.Session, Epoch: st.Epoch,
		Sequence: st.Next, Stamp: now, Chain: st.Chain, Clock: st.Clock,
	})
	frame(c.out[start:]).seal(frameControl, 0)
	c.spoke = now
}
