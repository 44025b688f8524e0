package sequencer

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// History is where packets are built and kept. *history.History is one.
type History interface {
	// Reserve lends room for one packet until Commit. It fails when a packet that
	// the journal has not written would have to go, and with feed.ErrFull when it
	// is one that was not sent.
	Reserve() ([]byte, error)
	// Commit makes p, built in the room that Reserve lent, visible.
	Commit(p wire.Packet, progress []feed.Progress)
	// Abandon lets packets go unwritten from now on.
	Abandon()
	// Durable is the highest sequence that survives a crash.
	Durable() uint64
	// Next is the sequence of the next message.
	Next() uint64
}

// Config is what a sequencer must know at the start of an epoch.
type Config struct {
	Channel    uint16
	Session    wire.Session
	Epoch      uint32
	Previous   uint32            // the epoch before; 0 when the session begins
	Cut        uint64            // last sequence before this epoch
	CutChain   uint64            // chain after Cut
	Stamp      wire.Nanos        // of the last message before this epoch: stamps go on from there
	PacketSize int               // bytes, header included
	Heartbeat  wire.Nanos        // ns between control packets; 0 means DefaultHeartbeat
	Journal    wire.JournalState // none, alive or strict, as it is at the start
	Inputs     map[uint64]uint64 // last sequence taken of each input, by feed.Hash of its name
}

// DefaultHeartbeat is the time between control packets, ns.
const DefaultHeartbeat = 50e6

// Validate says what is wrong with c, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Session == 0:
		return errors.New("sequencer: no session")
	case c.Epoch <= c.Previous:
		return fmt.Errorf("sequencer: epoch %d does not follow epoch %d", c.Epoch, c.Previous)
	case c.PacketSize < wire.HeaderLen+wire.MaxMessage || c.PacketSize > wire.MaxPacket:
		return fmt.Errorf("sequencer: packet size %d is not between %d and %d bytes", c.PacketSize, wire.HeaderLen+wire.MaxMessage, wire.MaxPacket)
	}
	return nil
}

// input is what the sequencer keeps of one input.
type input struct {
	hash      uint64
	last      uint64 // taken
	recovered uint64 // last, when the epoch began
	touched   uint64 // the first sequence of the packet that it last put into
}

// Sequencer orders messages. The ingest loop owns it.
type Sequencer struct {
	cfg     Config
	history History
	builder wire.Builder
	open    bool
	ended   bool
	first   uint64     // sequence of the open packet's first message
	chain   uint64     // before the open packet
	turn    wire.Nanos // now as the loop says it, by which control packets are due
	now     wire.Nanos // what is stamped: turn, or the last stamp if that is later
	clock   wire.Clock
	inputs  []input
	touched []feed.InputID // inputs in the open packet, each once

	progress []feed.Progress // scratch of close
	control  control
}

// New starts an epoch on h, whose next sequence must be cfg.Cut+1.
func New(cfg Config, h History) (*Sequencer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if h.Next() != cfg.Cut+1 {
		return nil, fmt.Errorf("sequencer: history goes on at %d, the cut is %d", h.Next(), cfg.Cut)
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	return &Sequencer{
		cfg: cfg, history: h, chain: cfg.CutChain, now: cfg.Stamp,
		inputs:   make([]input, 0, 16),
		touched:  make([]feed.InputID, 0, feed.MaxInputs),
		progress: make([]feed.Progress, 0, feed.MaxInputs),
		control:  control{journal: cfg.Journal, next: cfg.Cut + 1, chain: cfg.CutChain},
	}, nil
}

// Turn begins a turn of the loop: all messages put until the next Turn are
// stamped now, or with the last stamp if now is before it. c is what the clock says
// of now. A packet that is open has stamps of earlier turns: it closes when the clock
// has changed its state or identity since, and carries the wider bound else.
func (s *Sequencer) Turn(now wire.Nanos, c wire.Clock) {
	c = behind(c, s.now-now)
	if s.open && (c.State != s.clock.State || c.ID != s.clock.ID || c.TAI != s.clock.TAI) {
		s.Flush()
	}
	if s.open {
		c.Bound = max(c.Bound, s.clock.Bound)
	}
	s.turn, s.now, s.clock = now, max(s.now, now), c
}

// behind is what holds of a stamp that lies late ns after the time that c is of: what
// it is off comes on top of the clock's own error.
func behind(c wire.Clock, late wire.Nanos) wire.Clock {
	if late <= 0 || c.Bound == wire.BoundUnknown {
		return c
	}
	if late >= wire.Nanos(wire.BoundUnknown-c.Bound) {
		c.State, c.Bound = wire.ClockUnsynchronised, wire.BoundUnknown
		return c
	}
	c.Bound += uint32(late)
	return c
}

// Register implements feed.Sink.
func (s *Sequencer) Register(name string) (feed.InputID, uint64, error) {
	hash := feed.Hash(name)
	for i := range s.inputs {
		if s.inputs[i].hash == hash {
			return feed.InputID(i), s.inputs[i].last, nil
		}
	}
	if len(s.inputs) == feed.MaxInputs {
		return 0, 0, feed.ErrTooManyInputs
	}
	last := s.cfg.Inputs[hash]
	s.inputs = append(s.inputs, input{hash: hash, last: last, recovered: last})
	return feed.InputID(len(s.inputs) - 1), last, nil
}

// Recovered is the last sequence of an input that the journal had when the epoch
// began.
func (s *Sequencer) Recovered(id feed.InputID) uint64 {
	return s.inputs[id].recovered
}

// Put implements feed.Sink.
func (s *Sequencer) Put(in feed.Input, msg []byte) error {
	if int(in.ID) >= len(s.inputs) || s.ended {
		return s.refuses(in)
	}
	i := &s.inputs[in.ID]
	if in.Seq != i.last+1 && in.Seq != 0 {
		return i.disorder(in.Seq)
	}
	if err := wire.CheckMessage(msg); err != nil {
		return err
	}
	if !s.open || !s.builder.Add(msg, s.now) {
		if err := s.putFirst(msg); err != nil {
			return err
		}
	}
	if in.Seq != 0 {
		i.last = in.Seq
		if i.touched != s.first {
			i.touched = s.first
			s.touched = append(s.touched, in.ID)
		}
	}
	return nil
}

// refuses says why nothing is taken from an input.
func (s *Sequencer) refuses(in feed.Input) error {
	if s.ended {
		return feed.ErrEnded
	}
	return fmt.Errorf("sequencer: input %d is not registered", in.ID)
}

// disorder says why seq, which is not the next, is not taken.
func (i *input) disorder(seq uint64) error {
	if seq <= i.last {
		return feed.ErrDuplicate
	}
	return feed.ErrInputGap
}

// putFirst puts msg into a new packet.
func (s *Sequencer) putFirst(msg []byte) error {
	s.Flush()
	if err := s.openPacket(); err != nil {
		return err
	}
	s.builder.Add(msg, s.now)
	return nil
}

// openPacket begins a packet in history's memory.
func (s *Sequencer) openPacket() error {
	if s.cfg.Journal == wire.JournalStrict && s.control.journal == wire.JournalDead {
		return feed.ErrFull
	}
	buf, err := s.history.Reserve()
	if err != nil && !errors.Is(err, feed.ErrFull) && s.cfg.Journal == wire.JournalAlive {
		s.JournalFailed()
		buf, err = s.history.Reserve()
	}
	if err != nil {
		return feed.ErrFull
	}
	s.builder.Open(buf[:min(len(buf), s.cfg.PacketSize)])
	s.first, s.open = s.history.Next(), true
	return nil
}

// Flush closes the open packet, if there is one, and commits it to history.
func (s *Sequencer) Flush() {
	if !s.open {
		return
	}
	h := s.header(wire.TypeSequenced, s.first, s.chain)
	p, chain := s.builder.Close(h, s.now)
	for _, id := range s.touched {
		i := &s.inputs[id]
		s.progress = append(s.progress, feed.Progress{Input: id, Hash: i.hash, Seq: i.last})
	}
	s.history.Commit(p, s.progress)
	s.chain, s.open = chain, false
	s.touched, s.progress = s.touched[:0], s.progress[:0]
}

func (s *Sequencer) header(t wire.Type, seq, chain uint64) wire.Header {
	return wire.Header{
		Type: t, Channel: s.cfg.Channel, Session: s.cfg.Session, Epoch: s.cfg.Epoch,
		Sequence: seq, Chain: chain, Clock: s.clock, Stamp: s.now,
	}
}

// End closes the session: nothing more is taken, and once all of it is published,
// Control says so.
func (s *Sequencer) End() {
	s.Flush()
	s.ended = true
}

// Ended reports whether the session was ended.
func (s *Sequencer) Ended() bool { return s.ended }

// Last is the sequence of the last committed message, and the chain after it.
func (s *Sequencer) Last() (seq, chain uint64) { return s.history.Next() - 1, s.chain }

// JournalFailed declares the journal dead. In fast mode history goes on without
// it; in strict mode nothing more is taken. Either way every heartbeat says so.
func (s *Sequencer) JournalFailed() {
	if s.cfg.Journal == wire.JournalNone {
		return
	}
	s.control.journal = wire.JournalDead
	if s.cfg.Journal == wire.JournalAlive {
		s.history.Abandon()
	}
}

// Journal is what heartbeats say of the journal.
func (s *Sequencer) Journal() wire.JournalState { return s.control.journal }
