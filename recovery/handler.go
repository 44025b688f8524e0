package recovery

import "github.com/tapecast/tapecast/feed/wire"

// Provenance says where a delivered packet came from.
type Provenance uint8

// Provenances. 0 is invalid.
const (
	LineA     Provenance = 1 // multicast
	LineB     Provenance = 2 // multicast
	Repair    Provenance = 3 // a retransmit service's answer to a range
	Follow    Provenance = 4 // a retransmit service's open-ended range
	Snapshot  Provenance = 5 // state as of the sequence before the packet's
	Recording Provenance = 6 // a receiver's capture, read back
	Replay    Provenance = 7 // a journal, read back
)

// MaxLines is the number of lines that a channel can have.
const MaxLines = 2

// String gives the word that tools print.
func (p Provenance) String() string {
	switch p {
	case LineA:
		return "a"
	case LineB:
		return "b"
	case Repair:
		return "repair"
	case Follow:
		return "follow"
	case Snapshot:
		return "snapshot"
	case Recording:
		return "recording"
	case Replay:
		return "replay"
	}
	return "unknown"
}

// Line gives the index of the line, 0 or 1, and whether p is a line.
func (p Provenance) Line() (int, bool) {
	return int(p) - int(LineA), p == LineA || p == LineB
}

// Delivery is one packet given to a Handler. The packet is whole, lent until
// Handler.Packet returns, and may begin with messages that are not the handler's
// to see again.
type Delivery struct {
	wire.Packet
	Skip     int        // leading messages that were delivered before, or precede the wanted start
	From     Provenance // where these bytes came from first
	Received wire.Nanos // the kernel's receive stamp, ns UTC; 0 unknown, as for all that TCP brought
	Now      wire.Nanos // the loop's time at delivery, ns, monotonic

	held uint16 // slot + 1 in the window
}

// Cursor returns a cursor before the first message that is new.
func (d Delivery) Cursor() wire.Cursor {
	c := d.Packet.Cursor()
	for range d.Skip {
		c.Next()
	}
	return c
}

// Messages is the number of messages that are new.
func (d Delivery) Messages() int { return d.Count() - d.Skip }

// Handler takes what a channel carries: every message once, in order, and every
// event at its place in that order. Its methods are called from the loop that
// drives the Subscriber; they must not call back into it.
type Handler interface {
	Packet(d Delivery) // d's bytes are lent until Packet returns
	Event(e Event)
}
