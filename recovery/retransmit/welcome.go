package retransmit

import (
	"net/netip"

	"github.com/tapecast/tapecast/feed/wire"
)

// Welcome is a server's yes to a login.
type Welcome struct {
	Channel Channel
	State   State // Cuts is nil
	Since   Cut   // what the client's known epoch must give up: the lowest cut of all later ones; zero when it is the newest, or they are not all known
	Limits  Limits
}

// Offsets in the body of a welcome.
const (
	welVersion    = 0   // u8
	welJournal    = 1   // u8
	welFlags      = 2   // u8
	welChannel    = 4   // u16
	welPacketSize = 8   // u32
	welEpoch      = 12  // u32
	welSession    = 16  // u64
	welHeartbeat  = 24  // u64, ns
	welOldest     = 32  // u64
	welNext       = 40  // u64
	welChain      = 48  // u64
	welDurable    = 56  // u64
	welLast       = 64  // u64
	welCutEpoch   = 72  // u32, 0 no cut
	welPrevious   = 76  // u32
	welCut        = 80  // u64
	welCutChain   = 88  // u64
	welClockState = 96  // u8
	welTAI        = 97  // i8
	welClockID    = 100 // u32
	welBound      = 104 // u32
	welLineA      = 112 // 36 bytes: see putLine
	welLineB      = 148
	welLimits     = 184 // 88 bytes: see putLimits
	welLineLen    = 36
	welLimitsLen  = 88
	welcomeLen    = headLen + welLimits + welLimitsLen
	maxWelcome    = welcomeLen + 1024 // a newer server may say more
)

var _ [welLimits]byte = [welLineB + welLineLen]byte{} // the limits follow the lines

const flagEnded = 0x01

func (w *Welcome) appendTo(b []byte) []byte {
	b, f := extend(b, welcomeLen)
	body := f.body()
	body[welVersion], body[welJournal] = Version, uint8(w.State.Journal)
	if w.State.Ended {
		body[welFlags] = flagEnded
	}
	c, s := &w.Channel, &w.State
	le.PutUint16(body[welChannel:], c.Channel)
	le.PutUint32(body[welPacketSize:], uint32(c.PacketSize))
	le.PutUint64(body[welSession:], uint64(c.Session))
	le.PutUint64(body[welHeartbeat:], uint64(c.Heartbeat))
	le.PutUint32(body[welEpoch:], s.Epoch)
	le.PutUint64(body[welOldest:], s.Oldest)
	le.PutUint64(body[welNext:], s.Next)
	le.PutUint64(body[welChain:], s.Chain)
	le.PutUint64(body[welDurable:], s.Durable)
	le.PutUint64(body[welLast:], s.Last)
	le.PutUint32(body[welCutEpoch:], w.Since.Epoch)
	le.PutUint32(body[welPrevious:], w.Since.Previous)
	le.PutUint64(body[welCut:], w.Since.Cut)
	le.PutUint64(body[welCutChain:], w.Since.Chain)
	body[welClockState], body[welTAI] = uint8(s.Clock.State), uint8(s.Clock.TAI)
	le.PutUint32(body[welClockID:], s.Clock.ID)
	le.PutUint32(body[welBound:], s.Clock.Bound)
	putLine(body[welLineA:], c.Lines[0])
	putLine(body[welLineB:], c.Lines[1])
	putLimits(body[welLimits:], &w.Limits)
	f.seal(frameWelcome, 0)
	return b
}

func (w *Welcome) decode(f frame) error {
	b := f.body()
	if b[welVersion] != Version {
		return ErrBody
	}
	*w = Welcome{
		Channel: Channel{
			Channel:    le.Uint16(b[welChannel:]),
			Session:    wire.Session(le.Uint64(b[welSession:])),
			Lines:      [2]Line{lineAt(b[welLineA:]), lineAt(b[welLineB:])},
			PacketSize: int(le.Uint32(b[welPacketSize:])),
			Heartbeat:  wire.Nanos(le.Uint64(b[welHeartbeat:])),
		},
		State: stateAt(b),
		Since: Cut{
			Epoch: le.Uint32(b[welCutEpoch:]), Previous: le.Uint32(b[welPrevious:]),
			Cut: le.Uint64(b[welCut:]), Chain: le.Uint64(b[welCutChain:]),
		},
		Limits: limitsAt(b[welLimits:]),
	}
	return w.check()
}

func stateAt(b []byte) State {
	return State{
		Epoch:   le.Uint32(b[welEpoch:]),
		Oldest:  le.Uint64(b[welOldest:]),
		Next:    le.Uint64(b[welNext:]),
		Chain:   le.Uint64(b[welChain:]),
		Durable: le.Uint64(b[welDurable:]),
		Journal: wire.JournalState(b[welJournal]),
		Clock: wire.Clock{
			State: wire.ClockState(b[welClockState]), TAI: int8(b[welTAI]),
			ID: le.Uint32(b[welClockID:]), Bound: le.Uint32(b[welBound:]),
		},
		Ended: b[welFlags]&flagEnded != 0,
		Last:  le.Uint64(b[welLast:]),
	}
}

// check refuses what no honest server says and a client would stumble over.
func (w *Welcome) check() error {
	c, s, l := &w.Channel, &w.State, &w.Limits
	if c.Session == 0 || s.Epoch == 0 || s.Next == 0 || s.Oldest == 0 || s.Oldest > s.Next {
		return ErrBody
	}
	if c.PacketSize < wire.HeaderLen || c.PacketSize > wire.MaxPacket {
		return ErrBody
	}
	if c.Heartbeat < millisecond || c.Heartbeat > maxTime || l.Validate() != nil {
		return ErrBody
	}
	return nil
}

// putLine writes group address (16 bytes, IPv4 mapped), source address likewise,
// port (u16) and two zeros. An address of zeros is none.
func putLine(b []byte, l Line) {
	if l.Group.IsValid() {
		a := l.Group.Addr().As16()
		copy(b, a[:])
		le.PutUint16(b[32:], l.Group.Port())
	}
	if l.Source.IsValid() {
		a := l.Source.As16()
		copy(b[16:], a[:])
	}
}

func lineAt(b []byte) (l Line) {
	if a := addrAt(b); a.IsValid() {
		l.Group = netip.AddrPortFrom(a, le.Uint16(b[32:]))
	}
	l.Source = addrAt(b[16:])
	return l
}

func addrAt(b []byte) netip.Addr {
	a := netip.AddrFrom16([16]byte(b))
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}

func putLimits(b []byte, l *Limits) {
	le.PutUint32(b, uint32(l.Connections))
	le.PutUint32(b[4:], uint32(l.PerPeer))
	le.PutUint64(b[8:], l.Range)
	le.PutUint32(b[16:], uint32(l.Outstanding))
	le.PutUint32(b[20:], l.Requests)
	le.PutUint32(b[24:], l.TotalRequests)
	le.PutUint64(b[32:], l.Bytes)
	le.PutUint64(b[40:], l.TotalBytes)
	for i, t := range [...]wire.Nanos{l.Login, l.Silence, l.Stall, l.Answer, l.Life} {
		le.PutUint64(b[48+8*i:], uint64(t))
	}
}

func limitsAt(b []byte) Limits {
	at := func(i int) wire.Nanos { return wire.Nanos(le.Uint64(b[48+8*i:])) }
	return Limits{
		Connections: int(le.Uint32(b)), PerPeer: int(le.Uint32(b[4:])),
		Range: le.Uint64(b[8:]), Outstanding: int(le.Uint32(b[16:])),
		Requests: le.Uint32(b[20:]), TotalRequests: le.Uint32(b[24:]),
		Bytes: le.Uint64(b[32:]), TotalBytes: le.Uint64(b[40:]),
		Login: at(0), Silence: at(1), Stall: at(2), Answer: at(3), Life: at(4),
	}
}
