package recovery

import (
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Stream puts the packets of all lines, repairs included, into one order: every
// message once, first arrival wins. It belongs to one loop. The package comment
// has its states and bounds.
type Stream struct {
	cfg   Config
	h     Handler
	stats *Stats

	channel uint16
	session wire.Session // 0: not known yet
	epoch   uint32       // the highest accepted
	entered wire.Nanos   // when it was; 0: the first
	told    uint32       // the highest that the handler was told of
	next    uint64       // the sequence to deliver next; 0: decided by the first packet
	edge    uint64       // follows the highest sequence known to exist, next or above
	chain   uint64       // after next-1, when known
	known   bool
	begun   bool       // something was delivered, or the position is a resumed one
	shut    bool       // nothing sequenced is delivered before the definitions
	shutAt  wire.Nanos // since when
	asOf    uint64     // of the definitions that came: the last sequence before them; the largest: none will come; 0 none yet

	win     *window
	repeats *repeats
	gaps    gaps
	lines   [MaxLines]line
	fences  fences

	last  uint64 // last of the session, when end
	tail  uint64 // chain after last
	end   bool   // the end was announced
	ended bool   // and reached

	wants   uint32     // a higher epoch that somebody spoke of, whose cut is not known; 0 none
	wanted  wire.Nanos // since when
	denied  uint64     // servers that have not heard of it
	bound   fence      // the lowest place where such an epoch was seen to go on, and the chain there
	beyond  uint64     // follows a sequence out of the window's reach, not believed yet; 0 none
	warned  uint32     // the highest epoch that an alert was about
	opposed bool       // TCP contradicted what was delivered; the Subscriber decides
	mourned uint32     // the epoch whose journal's death was told
	alerted uint64     // next at the last alert about a mismatch

	state State
	cause Cause
	lossy bool // something was lost
	heard wire.Nanos
}

// NewStream returns a Stream that begins with the first packet that it is given:
// for recordings and journals in process, and inside a Subscriber. It returns
// ErrConfig.
func NewStream(cfg Config, h Handler) (*Stream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Servers, cfg.Resume = nil, nil
	return newStream(cfg.withDefaults(), h, new(Stats)), nil
}

func newStream(cfg Config, h Handler, stats *Stats) *Stream {
	s := &Stream{
		cfg: cfg, h: h, stats: stats, channel: cfg.Channel, session: cfg.Session,
		win: newWindow(cfg.Window, cfg.PacketSize), repeats: new(repeats), gaps: newGaps(), state: StateJoining,
	}
	for i := range s.lines {
		s.lines[i] = newLine(&stats.Lines[i])
	}
	return s
}

// Put takes one packet, whatever brought it. p is lent until Put returns; packets
// that must wait are copied. rx is the kernel's receive stamp, ns UTC, or 0.
func (s *Stream) Put(p wire.Packet, from Provenance, rx, now wire.Nanos) {
	if !s.ours(p) {
		s.stats.Foreign++
		return
	}
	d := Delivery{Packet: p, From: from, Received: rx, Now: now}
	switch p.Type() {
	case wire.TypeSequenced:
		s.sequenced(&d)
	case wire.TypeSnapshot:
		s.snapshot(&d)
	case wire.TypeHeartbeat, wire.TypeEpoch, wire.TypeEnd:
		s.control(p, from, now)
	default:
		s.stats.Control++ // a newer sequencer's
	}
}

// ours checks channel and session, and learns those that are not configured.
func (s *Stream) ours(p wire.Packet) bool {
	if s.session == p.Session() && s.channel == p.Channel() {
		return true
	}
	if s.session != 0 && s.session != p.Session() || s.channel != retransmit.AnyChannel && s.channel != p.Channel() {
		return false
	}
	s.session, s.channel = p.Session(), p.Channel()
	return true
}

// sequenced takes a packet of messages.
func (s *Stream) sequenced(d *Delivery) {
	first, next := d.First(), d.Next()
	if first == 0 || next <= first {
		s.stats.Bad++
		return
	}
	if i, ok := d.From.Line(); ok && s.lines[i].packet(d.Packet, d.Now) && !s.lines[1-i].has(d.Epoch(), first) {
		s.lines[i].stats.First++
	}
	s.heard = d.Now
	if s.next == 0 && !s.begin(d) {
		return
	}
	if d.Epoch() != s.epoch && !s.admit(d) {
		return
	}
	switch {
	case next <= s.next || s.ended:
		s.stats.Redundant++
	case first > s.next || s.shut || d.Epoch() > s.epoch:
		s.hold(d)
	case s.accept(d):
		s.drain(d.Now)
	}
}

// begin starts at the first packet, where no server said where.
func (s *Stream) begin(d *Delivery) bool {
	if len(s.cfg.Servers) > 0 {
		s.stats.Early++
		return false
	}
	s.origin(d.Epoch())
	s.next, s.edge = d.First(), d.First()
	return true
}

// accept delivers a packet that holds next, if its chain is ours.
func (s *Stream) accept(d *Delivery) bool {
	if s.known && (d.First() != s.next || d.Chain() != s.chain) {
		s.mismatch(d)
		return false
	}
	s.deliver(d)
	return true
}

func (s *Stream) deliver(d *Delivery) {
	first, next := s.next, d.Next()
	if d.Epoch() > s.told {
		s.tell(d.Epoch(), d.Chain(), d.Now)
	}
	d.Skip = int(first - d.First())
	s.chain, s.known = wire.ChainAfter(d.Packet), true
	s.next, s.edge, s.opposed = next, max(s.edge, next), false
	if s.end && s.last < next-1 { // the session goes on: that was no end
		s.end = false
		s.stats.Mismatch++
	}
	if len(s.gaps.list) > 0 {
		s.gaps.fill(first, next-1)
	}
	if !s.begun {
		s.begun = true
		s.stats.First = first
	}
	if end := s.win.pass(first, next); end > next {
		s.miss(end-1, d.Now)
	}
	s.repeats.add(d.Packet)
	s.stats.Packets++
	s.stats.Delivered += next - first
	if d.From == Repair {
		s.stats.Repaired += next - first
	}
	s.h.Packet(*d)
}

// drain delivers what waited for next, and declares what is lost there.
func (s *Stream) drain(now wire.Nanos) {
	for !s.shut && s.next < s.edge {
		if s.declare(now) {
			continue
		}
		d, ok := s.win.peek(s.next, now)
		if !ok {
			break
		}
		if at := s.epoch; d.Epoch() > at {
			if s.admit(&d); s.epoch == at {
				break // it waits for the cut
			}
			continue // entering the epoch may have delivered it
		}
		s.win.release(&d)
		if !s.accept(&d) {
			s.miss(d.Next()-1, now)
			break
		}
	}
	if s.end && !s.shut && s.next > s.last && s.wants == 0 { // a later epoch may void the end
		s.finish(now)
	}
}

// miss makes next..last a gap again, because what was held there is refused.
func (s *Stream) miss(last uint64, now wire.Nanos) {
	for seq := s.next; seq <= last; seq++ {
		if s.win.has(seq) {
			last = seq - 1 // another packet holds the rest
		}
	}
	if i := s.gaps.find(s.next); i < len(s.gaps.list) {
		last = min(last, s.gaps.list[i].first-1)
	}
	if last >= s.next {
		s.gaps.prepend(s.next, last, now)
	}
}

// hold keeps a packet that is ahead, and notices what is missing before it.
func (s *Stream) hold(d *Delivery) {
	first, next := max(d.First(), s.next), d.Next()
	if next-s.next > windowSequences {
		s.stats.Overflow++
		s.beyond = max(s.beyond, next)
		return
	}
	if next <= s.edge && !s.lacks(first, next) {
		s.stats.Redundant++
		return
	}
	if s.win.any(first, min(next, s.edge)) && !s.displace(d, first) || !s.win.fits(d) {
		s.stats.Overflow++
		s.expose(next, d.Now)
		return
	}
	if first > s.edge && !s.expose(first, d.Now) || !s.gaps.fill(first, next-1) {
		s.stats.Overflow++
		return
	}
	s.win.keep(d, first)
	s.edge = max(s.edge, next)
	s.stats.Held++
}

// displace makes room for a packet of which a part is held already, by others with
// other boundaries: one of them is not of our lineage. A packet is held as a whole or
// not at all, and TCP is believed more than a line.
func (s *Stream) displace(d *Delivery, first uint64) bool {
	if _, line := d.From.Line(); line {
		return false
	}
	s.win.pass(first, d.Next())
	s.recount(d.Now)
	return true
}

// lacks reports whether a sequence in first..next-1 is neither delivered nor held.
func (s *Stream) lacks(first, next uint64) bool {
	i := s.gaps.find(first)
	return i < len(s.gaps.list) && s.gaps.list[i].first < next
}

// expose notices that everything before next exists. It reports false when there is
// no room to notice.
func (s *Stream) expose(next uint64, now wire.Nanos) bool {
	if next <= s.edge {
		return true
	}
	if !s.gaps.append(s.edge, next-1, now) {
		return false
	}
	s.edge = next
	return true
}

// exists hears that the next sequence to be given is next. TCP is believed; a
// datagram only within reach.
func (s *Stream) exists(next uint64, from Provenance, now wire.Nanos) {
	if s.next == 0 || next <= s.edge || s.cfg.TCP {
		return // a followed stream brings everything by itself
	}
	if _, line := from.Line(); line && next-s.next > windowSequences {
		s.beyond = max(s.beyond, next)
		return
	}
	s.expose(next, now)
}

// snapshot gives the handler state as of the packet's sequence.
func (s *Stream) snapshot(d *Delivery) {
	d.From = Snapshot
	s.stats.Snapshots++
	s.h.Packet(*d)
}

// undefine lets no sequenced packets through before definitions came anew.
func (s *Stream) undefine(now wire.Nanos) {
	if !s.shut {
		s.shut, s.shutAt = true, now
	}
	s.asOf = 0
}

// open lets sequenced packets through: the definitions are there.
func (s *Stream) open(now wire.Nanos) {
	s.shut = false
	s.drain(now)
}

// GiveUp declares everything that is missing lost, and delivers what waited for it.
func (s *Stream) GiveUp(now wire.Nanos) {
	if s.edge > s.next {
		s.lose(s.next, s.edge-1, CauseNoServer, now)
	}
}

// Position is how far the handler has come.
func (s *Stream) Position() Position {
	p := Position{Session: s.session, Epoch: s.epoch, Chain: s.chain, Known: s.known}
	if s.next > 0 {
		p.Sequence = s.next - 1
	}
	return p
}

// Stats gives the counters, which go on counting. Only the loop may read them.
func (s *Stream) Stats() *Stats { return s.stats }

// State is what the stream is doing, and why.
func (s *Stream) State() (State, Cause) { return s.state, s.cause }
