package recovery

import "github.com/tapecast/tapecast/feed/wire"

// remembered is how many headers of delivered packets a Stream keeps: what one line
// may be behind the other before its packets are looked at as a whole. A power of two.
const remembered = 1024

// repeats holds the headers of packets that were delivered. The same packet on the
// other line is known by its header, which was verified then and names the payload by
// its CRC32C: its own payload, half of all that comes, is not read. Damage there goes
// unnoticed, and brings nothing new with it.
type repeats [remembered][wire.HeaderLen]byte

func (r *repeats) place(b []byte) *[wire.HeaderLen]byte {
	return &r[wire.Packet(b).Checksum()%remembered]
}

func (r *repeats) add(p wire.Packet) { *r.place(p) = [wire.HeaderLen]byte(p) }

func (r *repeats) has(b []byte) bool {
	return len(b) >= wire.HeaderLen && [wire.HeaderLen]byte(b) == *r.place(b)
}

// repeated accounts for what a line brought, and reports true, if it is a packet that
// was delivered.
func (s *Stream) repeated(line int, b []byte, now wire.Nanos) bool {
	if !s.repeats.has(b) {
		return false
	}
	p := wire.Packet(b) // of which the header is what it says
	if n, err := wire.Peek(b); err != nil || n > len(b) || p.Epoch() != s.epoch || p.Next() > s.next {
		return false
	}
	s.lines[line].packet(p, now)
	s.heard = now
	s.stats.Redundant++
	return true
}
