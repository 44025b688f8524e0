package retransmit

import (
	"math"

	"github.com/tapecast/tapecast/feed/wire"
)

// never is later than any deadline.
const never = wire.Nanos(math.MaxInt64)

// Poll looks at the clock alone. It returns when to call it again at latest, or why
// the connection must be closed at once: ErrLogin, ErrSilent, ErrStalled, ErrSlow or
// ErrLife.
func (c *Session) Poll(now wire.Nanos) (next wire.Nanos, err error) {
	if c.phase >= closing {
		return c.lastWords(now)
	}
	next = never
	for _, d := range [...]struct {
		at  wire.Nanos
		err error
	}{
		{c.loginDeadline(), ErrLogin},
		{c.silenceDeadline(), ErrSilent},
		{c.stallDeadline(), ErrStalled},
		{c.answerDeadline(), ErrSlow},
		{c.lifeDeadline(), ErrLife},
	} {
		if now >= d.at {
			c.phase, c.err = closed, d.err
			c.server.count.dropped(d.err)
			return never, d.err
		}
		next = min(next, d.at)
	}
	return next, nil
}

// lastWords bounds the time in which a last refusal must be taken.
func (c *Session) lastWords(now wire.Nanos) (next wire.Nanos, err error) {
	if next = c.heard + c.server.cfg.Limits.Silence; now >= next {
		c.phase = closed
	}
	if c.phase == closed {
		return never, c.err
	}
	return next, nil
}

func (c *Session) loginDeadline() wire.Nanos {
	if c.phase == greeting {
		return c.accepted + c.server.cfg.Limits.Login
	}
	return never
}

func (c *Session) silenceDeadline() wire.Nanos {
	if c.phase == greeting {
		return never
	}
	at := c.heard
	if c.split.partial() {
		at = min(at, c.began)
	}
	return at + c.server.cfg.Limits.Silence
}

func (c *Session) stallDeadline() wire.Nanos {
	if c.taken >= c.given {
		return never
	}
	return c.moved + c.server.cfg.Limits.Stall
}

// answerDeadline does not count the time for which the flow limits held the answer.
func (c *Session) answerDeadline() wire.Nanos {
	at := never
	for i := range c.requests {
		if r := &c.requests[i]; r.started && !r.follow {
			at = min(at, r.start+c.server.cfg.Limits.Answer+c.paused)
		}
	}
	return at
}

func (c *Session) lifeDeadline() wire.Nanos {
	if l := c.server.cfg.Limits.Life; l > 0 {
		return c.accepted + l
	}
	return never
}
