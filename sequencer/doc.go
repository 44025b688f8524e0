// Package sequencer orders messages: one writer gives every message its sequence
// and its stamp, packs it and commits the packet to history. It is plain code
// without a goroutine, a socket or a clock of its own; the ingest loop drives it.
//
// # A turn
//
//	Turn(now, clock)      the only time the turn knows
//	Put(input, message)   any number: copied into the open packet
//	Flush()               the input ran dry: close the open packet
//	Published(packet)     what the loop has sent since
//	Control(dst)          a control packet, when one is due
//
// A packet closes when it is full or at Flush, so an idle sequencer never waits
// for company and a busy one fills its packets by itself.
//
// # States
//
//	open --Put, Flush--> open --End--> ended
//
// and of its journal:
//
//	none                                nothing survives a crash; said in every heartbeat
//	alive --JournalFailed, behind--> dead    fast mode: publishing goes on, said in every heartbeat
//	strict --JournalFailed--> dead           strict mode: Put returns feed.ErrFull from then on
//
// "Behind" means that history would have to evict a packet that the journal has
// not written. In strict mode that only makes Put wait (feed.ErrFull).
//
// # Invariants
//
//   - Sequences are consecutive: a packet begins where the one before it ended.
//   - Stamps never go back, inside a packet, between packets and between epochs.
//   - A packet is in history before anyone can see it: repairable before visible.
//   - A message is taken once: an input's sequence rises by one, or Put refuses.
//   - A control packet tells of no sequence that was not published before it.
//
// # Bounds
//
// The open packet is at most Config.PacketSize bytes and lives in history's
// memory. At most feed.MaxInputs inputs are known. There is no queue.
package sequencer
