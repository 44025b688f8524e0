// Package journal keeps a session's packets on disk: the history that survives.
//
// The disk loop steps a Writer behind a history. Recover reads what a crash left,
// and the next start goes on from there. The packets are the bytes that were sent.
//
// # Layout
//
// DIR/SESSION/00000001.tcj and on are segments of one size, allocated (fallocate)
// and synced, name and all, before they are used. DIR/SESSION/lock is held by the
// process that writes. All numbers are little-endian.
//
//	segment: | header 80 | record | record | ... | roll record | zeros |
//	header:  magic "TCjrnl\r\n", u16 version, u16 channel, u32 epoch,
//	         u64 segment id, u64 session, u64 first sequence, u64 packet chain
//	         before it, u64 record chain of the segment before, 20 zeros, u32 CRC32C
//	record:  | u64 record chain | u32 CRC32C | u32 length | u8 type | u8 0 |
//	         | u16 n | n times: u64 input hash, u64 input sequence | body |
//
// Length 0 is the end of what was written. The CRC32C covers the record from its
// length on. The record chain mixes the one before, the segment's id, and the
// checksum: what is left of another segment or an earlier use never verifies.
//
//	type        body
//	1 packet    the packet; n says how far inputs had come with it
//	2 commit    a floor: u64 session, own place, durable place, durable sequence
//	            (a place is u64 segment, u64 offset)
//	3 epoch     u32 epoch, u32 previous, u64 cut, u64 chain after the cut
//	4 end       u64 last sequence, u64 chain after it: the session is over
//	5 close     a floor: the writer ended in good order
//	6 roll      u64 id of the next segment
//
// # The durable floor
//
// A checksum cannot tell the torn tail of a crash, which is to be cut, from rot in
// what was durable, which must never be cut. The floor can: after every sync the
// next write begins with a commit record that says how far that sync reached. A
// segment is synced to its end before the next one is begun, so the header of one
// is the floor of all before it.
//
// Recover takes the longest valid prefix: every checksum, record chain, packet
// checksum, packet chain, sequence and epoch. Where it ends, the rest of the
// segment is searched for commit records (known by checksum, session and their
// own place) and the directory for later segments. A floor above the end, or a
// later segment, or a missing one, is rot: *RotError with file, offset and
// sequence, and nothing is changed. Otherwise bytes that are not zero are a torn
// tail: State.Torn, cut by Open before anything is written over it. What lies between
// floor and end Open writes again and syncs, if it still is what Recover read: ErrStale
// where it is not, and the next Recover tells what it is.
//
// # Epochs
//
// Open writes an epoch record and makes it durable before it returns: no packet is
// sent in an epoch that a crash can forget. An epoch whose cut is below the last
// packet journalled (at a relay) makes the packets between void: they stay in the
// file, and Recover, Reader and Copy pass over them.
//
// # States
//
//	          Open              Close
//	(nothing) ----> open -----------> closed
//	                 | first failed write, sync or allocation
//	                 v
//	                dead: every Step returns the same error
//
// A dead Writer touches no file again but to close it: after a failed sync the
// kernel may count lost pages as clean, and a second sync would lie.
//
// # What a crash may lose
//
//   - the process dies: fast, what Step had not written; strict, nothing that was
//     visible.
//   - power fails: fast, also what was written since the last sync, at most
//     SyncEvery or 16 MiB ago; strict, nothing that was visible.
//   - the disk then also loses bytes that it had synced: rot is told from a torn
//     tail up to the last commit record that survives, which is one sync behind
//     while packets flow, and level a step later when they pause.
//
// It assumes that fdatasync keeps its word, that a 512-byte sector is written
// whole or not at all, and that a lock is honoured by all who write.
//
// # Bounds
//
//   - batch of one Step: 1 MiB and one record; what does not fit waits in history.
//   - unsynced in fast mode: SyncEvery or 16 MiB; in strict mode one batch.
//   - index: 32 bytes of memory for each 64 KiB of journal.
//   - blocks read for repair and kept: 64 of about 64 KiB; one more reader of
//     another block gets feed.ErrBusy. Readers of one block share one read.
//   - prepared segments: one, and those that Prewrite asks for. Disk grows by the session; nothing is deleted.
package journal
