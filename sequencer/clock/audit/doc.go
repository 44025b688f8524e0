// Package audit keeps the evidence for every bound that a clock published, and checks
// it: what was assumed, every exchange with a server, every reading of another source as
// it came, every anchor, every change of state, and for each second its widest bound.
//
// # Files
//
// One file a day (UTC), clock-YYYYMMDD.trail, append-only:
//
//	offset  size  field
//	0       24    "tapecast clock trail v1\n"
//	24      32    hash of the last block of the file before; zeros in the first file
//	56            blocks
//
//	block   0     u32 little-endian, length of the packed records
//	        4     32 bytes, SHA-256 of: the hash before it, the length field, the packed records
//	        36    the packed records: zstd of JSON, one record a line
//
// The hash before the first block of a file is that of the file's first 56 bytes. So
// no bit can change, no block and no file in the middle can go, without the next hash
// telling where. What a chain cannot tell is that its end was cut off: a trail that
// was closed ends with an end record, and Verify says when there is none.
//
// # What a crash may lose
//
// Records wait in memory, at most MaxPending of them, and are written and synced
// every 10 s or 512 records. A crash loses those; a half-written block is cut off, and
// a file without a whole head put aside, by the next Open, which says so in the trail.
// When the disk is slower than the clock, or a value is out of range, records are
// dropped and counted, and the count is a record. Reports count every second without a
// record as not covered, and every one of which a record was dropped.
//
// # Checking
//
// Verify looks at hashes. Check goes through the exchanges and readings and derives every
// published bound again, by other means than the estimator: it clips polygons by one
// half plane at a time. Neither shares code with packages estimate and source. Both may
// read a trail that is being written: a block under way is waited for.
package audit
