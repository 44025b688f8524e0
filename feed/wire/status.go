package wire

// JournalState is what a sequencer says of its journal in every heartbeat.
type JournalState uint8

// Journal states.
const (
	JournalNone   JournalState = 0 // there is none: nothing survives a crash
	JournalAlive  JournalState = 1
	JournalDead   JournalState = 2 // it failed or fell behind; publishing goes on without it
	JournalStrict JournalState = 3 // alive, and only durable packets are sent
)

const statusLen = 40 // of the payload of a control packet but a snapshot part, in bytes

// Status is the payload of heartbeats, epoch announcements and ends of session.
// The header's sequence is the next one, its chain the chain so far.
type Status struct {
	Journal  JournalState
	Durable  uint64 // highest durable sequence; 0 none
	Previous uint32 // the epoch before this one; 0 none
	Cut      uint64 // last sequence before this epoch
	CutChain uint64 // chain after Cut
	Last     uint64 // last sequence of the session, at its end; otherwise 0
}

// AppendControl appends a whole control packet of h.Type (TypeHeartbeat, TypeEpoch
// or TypeEnd) to b. h.Sequence is the next sequence, h.Stamp the time now.
func (s *Status) AppendControl(b []byte, h Header) []byte {
	n := len(b)
	var z [HeaderLen + statusLen]byte
	b = append(b, z[:]...)
	p := b[n:]
	room := p[HeaderLen:]
	room[0] = uint8(s.Journal)
	le.PutUint32(room[4:], s.Previous)
	le.PutUint64(room[8:], s.Durable)
	le.PutUint64(room[16:], s.Cut)
	le.PutUint64(room[24:], s.CutChain)
	le.PutUint64(room[32:], s.Last)
	h.Count, h.CloseTime, h.Flags = 0, 0, 0
	seal(p, &h)
	return b
}

// Decode reads s from a heartbeat, epoch announcement or end of session: ErrKind
// for another packet, ErrMessage for one too short.
func (s *Status) Decode(p Packet) error {
	if t := p.Type(); t != TypeHeartbeat && t != TypeEpoch && t != TypeEnd {
		return ErrKind
	}
	b := p.Payload()
	if len(b) < statusLen {
		return ErrMessage
	}
	*s = Status{
		Journal:  JournalState(b[0]),
		Previous: le.Uint32(b[4:]),
		Durable:  le.Uint64(b[8:]),
		Cut:      le.Uint64(b[16:]),
		CutChain: le.Uint64(b[24:]),
		Last:     le.Uint64(b[32:]),
	}
	return nil
}
