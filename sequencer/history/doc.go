// Package history keeps the newest packets of a channel in memory, so that they
// can be repaired before they are sent and served while more arrive.
//
// # Memory
//
// Packets lie in slabs of pointer-free memory, allocated once. A slab fills from
// the front with packets, each followed by the progress of its inputs, and from
// the back with entries that index them:
//
//	| packet 1 | progress | packet 2 | packet 3 | ... free ... | entry 3 | entry 2 | entry 1 |
//
// The writer appends to the head slab and retires whole slabs from the tail.
// Nothing is ever moved or overwritten in place.
//
// # One writer, readers without locks
//
// The writer publishes a packet in two atomic steps: the slab's count of entries,
// then the history's end. Readers go by these alone and never read a byte that
// is not published.
//
// The slab table says which slabs are live. Slabs get consecutive numbers; slot
// number mod size of the table holds the slab's index and its generation in one
// word. A reader finds its slab by binary search between tail and head over the
// slabs' first sequences, all atomics, and may find a wrong one while slabs move.
// That is settled by the pin: a compare-and-swap of the slab's word, which holds
// the generation and the number of pins, so that only the generation found can be
// pinned. Retiring a slab raises its generation; from then on nobody can pin it,
// and those that did read on undisturbed. A slab is recycled when it is retired
// and has no pins.
//
//	free --open--> live --retire--> retired --last unpin--> free
//
// A pin lasts for one copy. Pins are bounded (Config.Pins, and one for the disk
// loop), and there is one spare slab for each; so the writer always finds a free
// slab, never waits, and a reader too many is refused with feed.ErrBusy.
//
// # Who may see what
//
// Committed packets are visible at once; in a Durable history (strict mode) when
// the disk loop has said MarkDurable. Copy, Bounds, Definitions and Unsent know
// only visible packets. Lend knows all of them: it is how the journal gets them.
//
// # Eviction
//
// The oldest slab is evicted when a packet needs its memory. It stays while the
// journal has not written it or the publisher has not sent it. For the first
// Reserve returns ErrUnwritten and the caller decides: in fast mode it declares the
// journal dead, calls Abandon, and goes on. For the second it returns ErrUnsent, and
// the caller sends. A history without a journal is abandoned from the start.
//
// # Cuts
//
// A relay follows an epoch's cut with Truncate. Entries past the cut are taken
// back and slabs past it retired, but no byte is overwritten: the next packet
// goes into a fresh slab, so that a reader at work on the old ones ends unharmed
// with what was true when it began. Until the disk loop has noticed (Rewind), the
// cut bounds what Written and Durable say.
//
// # Bounds
//
//   - memory: Config.Bytes, all of it allocated by New.
//   - concurrent Copies: Config.Pins; one more gets feed.ErrBusy.
//   - definitions: of what memory no longer holds, compacted to the last one of each
//     instrument whenever the log is above 4 MiB and has doubled.
//   - retries of one Copy that loses its slab to the writer: 8, then feed.ErrBusy.
package history
