package recovery

import "github.com/tapecast/tapecast/feed/wire"

// Stats counts what a Subscriber saw. Packets and messages are of sequenced
// packets unless a comment says otherwise.
type Stats struct {
	Lines [MaxLines]LineStats

	First     uint64 // sequence of the first message delivered, 0 before
	Delivered uint64 // messages given to the handler, repaired ones included
	Packets   uint64 // packets given to the handler
	Repaired  uint64 // of Delivered, those that TCP brought (Follow not counted)
	Lost      uint64 // messages declared lost
	Orphaned  uint64 // messages declared orphaned

	Durable uint64            // highest sequence that the sequencer called durable
	Journal wire.JournalState // as its last control packet said

	Gaps     uint64 // ranges missing on every line, asked for or lost
	Requests uint64 // requests sent for ranges
	Retries  uint64 // of Requests, those that asked again

	Redundant uint64 // packets whose messages had all been delivered or held: with two lines, half of them. The payload of one that was delivered is not looked at
	Held      uint64 // packets kept in the window
	Overflow  uint64 // packets ahead that the window had no room for
	Fenced    uint64 // packets of a lower epoch past its cut, refused
	Early     uint64 // packets of a higher epoch that nobody had announced
	Mismatch  uint64 // packets or heartbeats whose chain is not ours
	Foreign   uint64 // datagrams of another channel or session
	Bad       uint64 // datagrams that are no packet: short, damaged, of another version
	Control   uint64 // control packets taken
	Snapshots uint64 // snapshot packets given to the handler

	Dials  uint64 // connections tried
	Logins uint64 // connections that a server welcomed
}

// LineStats counts one line.
type LineStats struct {
	Packets    uint64 // sequenced packets that arrived, duplicates included
	Messages   uint64 // in them
	First      uint64 // of Packets, those that no other line had carried before
	Missing    uint64 // messages that this line never carried, though it carried later ones
	Duplicates uint64 // packets that this line had carried before
	Reordered  uint64 // packets that arrived behind a later one of this line
	Heartbeats uint64 // control packets
}
