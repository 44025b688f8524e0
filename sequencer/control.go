package sequencer

import "github.com/tapecast/tapecast/feed/wire"

// announceAt says when after its start an epoch is announced, ns: at once, and
// again while announcements may have been lost. Heartbeats carry the cut as well.
var announceAt = [...]wire.Nanos{0, 10e6, 50e6, 250e6, 1e9}

// control is what the control packets of an epoch say and when they are due.
type control struct {
	journal   wire.JournalState
	next      uint64     // the sequence after the last published one
	chain     uint64     // before next
	began     wire.Nanos // when the first control packet went out, 0 before
	announced int        // epoch announcements so far
	sent      wire.Nanos // when the last control packet went out
	ended     bool       // the end of session went out
}

// Published tells what the loop has sent: p is the last packet of a batch. Control
// packets tell of no sequence beyond it.
func (s *Sequencer) Published(p wire.Packet) {
	s.control.next = p.Next()
	if s.control.next == s.history.Next() {
		s.control.chain = s.chain
		return
	}
	s.control.chain = wire.ChainAfter(p)
}

// Control returns the control packet that is due in this turn, built in dst[:0],
// or nil: an announcement of the epoch, before its first packet and a few times
// after it, a heartbeat or end of session every heartbeat interval, and the end at once.
func (s *Sequencer) Control(dst []byte) wire.Packet {
	t, due := s.due()
	if !due {
		return nil
	}
	c := &s.control
	c.sent = s.turn
	st := wire.Status{
		Journal: c.journal, Durable: s.durable(), Previous: s.cfg.Previous,
		Cut: s.cfg.Cut, CutChain: s.cfg.CutChain,
	}
	if t == wire.TypeEnd {
		st.Last, c.ended = c.next-1, true
	}
	return wire.Packet(st.AppendControl(dst[:0], s.header(t, c.next, c.chain)))
}

// due says which control packet is due now. The first end of session does not wait
// for its interval: whoever does not linger must have said it too.
func (s *Sequencer) due() (wire.Type, bool) {
	c := &s.control
	if c.announced == 0 {
		c.began = s.turn
	}
	switch {
	case c.announced < len(announceAt) && s.turn >= c.began+announceAt[c.announced]:
		c.announced++
		return wire.TypeEpoch, true
	case s.finished() && (!c.ended || s.turn >= c.sent+s.cfg.Heartbeat):
		return wire.TypeEnd, true
	}
	return wire.TypeHeartbeat, s.turn >= c.sent+s.cfg.Heartbeat
}

// finished reports whether the session was ended and all of it is published.
func (s *Sequencer) finished() bool { return s.ended && s.control.next == s.history.Next() }

// Due is when Control has the next packet, on the clock given to Turn.
func (s *Sequencer) Due() wire.Nanos {
	c := &s.control
	if s.finished() && !c.ended {
		return s.turn
	}
	at := c.sent + s.cfg.Heartbeat
	if c.announced < len(announceAt) {
		at = min(at, c.began+announceAt[c.announced])
	}
	return at
}

// durable is the highest durable sequence that may be told of.
func (s *Sequencer) durable() uint64 {
	if s.cfg.Journal == wire.JournalNone {
		return 0
	}
	return min(s.history.Durable(), s.control.next-1)
}

// Visible is the sequence after the last published one, and the chain before it:
// what control packets tell.
func (s *Sequencer) Visible() (next, chain uint64) { return s.control.next, s.control.chain }
