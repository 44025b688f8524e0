// Package recovery is the receiver without its sockets: it puts the packets of two
// lines and of retransmit services into one order, and says exactly what is missing
// and why. It opens nothing, starts no goroutine and reads no clock: package
// multicast drives it with datagrams, bytes of a connection, and the time.
//
// A Stream orders packets. A Subscriber adds what a whole receiver needs: retransmit
// clients, the choice of server, starting, joining and resuming. Equal calls give
// equal deliveries, from one seed.
//
// # States
//
//	joining ──first message──▶ live ◀──filled── repairing
//	                            │  ──gap due──▶     │
//	                            │                   │ given up
//	           heard again ▲    │ nothing heard     ▼
//	                       └── stale ◀───────────────
//	any ──last message delivered or declared──▶ ended
//
// A loss keeps the state stale until a snapshot restores it; delivery goes on. Who
// resumes is live once a server has told of the channel and the definitions are there.
//
// # Order
//
// Every sequence from the next to be delivered up to the edge, the highest that is
// known to exist, is held in the window or is in a gap, never both. A packet is
// delivered when it holds next and its chain is ours; repairs enter by the same
// door. A live packet whose chain is not ours is refused, counted, and its place
// repaired; when every server contradicts what was delivered, the Subscriber ends
// with ErrDiverged. After a loss, and before the first packet, any chain is taken.
//
// A datagram that speaks of sequences out of the window's reach is not believed by
// itself: one range is asked for, and a server that has nothing ends the matter.
//
// # Gaps
//
// A gap waits until all living lines have passed it and then for Config.Grace and a
// random part of Config.Jitter; for a line that lags at most Config.LineSkew; for a
// line that was silent for three heartbeat intervals not at all. Then it is asked
// for once: requests under way are disjoint, and a gap that one of them covers waits for
// the end of its answer. What that leaves missing is asked for again, Config.Attempts
// times in all, at the next server when one is down, silent, stuck, or has not got it.
// Then it is declared lost, in its place in the order. While no server answers and
// lines live on, or none gets so far, it waits for Config.Patience. A server that
// says when to come back is obeyed; one that has nothing yet is asked for one gap behind
// that at a time, and less often the longer it stands still.
//
// # Epochs
//
// The highest epoch counts. Its cut comes from an announcement or heartbeat that
// names our epoch as the one before, from a server, or is proved by a packet whose
// chain is ours. Only then is anything of it delivered, and before it Orphaned, if
// messages past the cut had been. An epoch that is heard of otherwise makes the
// Subscriber log in again, which tells the lowest cut above the epoch that it knows:
// until all servers deny it, or Config.Patience has passed, no end is believed.
// Packets of a lower epoch past a cut are refused. Definitions as of a sequence past it
// count no more: they are asked for again before anything is delivered, for at most
// Config.Patience while no server of that epoch answers and lines live. Without a
// server, or with none but relays that began in a later epoch, after epochs of which
// nothing arrived, the cut is a guess from what was seen, with an alert.
//
// # Bounds
//
//	window     Config.Window bytes of slots of one packet, 2^18 sequences; a packet
//	           that finds no slot is dropped (Stats.Overflow) and asked for later.
//	           Lines leave the last quarter of the slots to repairs
//	gaps       1,024 and 64 for those that split; beyond, nothing new is noticed
//	           until some are filled (Stats.Overflow)
//	requests   64, or what the server allows; 2^17 messages together, 2^14 in one
//	fences     64 cuts; older ones fall out
//	lines      2^18 sequences of memory each, for telling duplicates
//	output     the client's open requests
//
// With the defaults a Subscriber takes about 9 MiB and nothing after its first
// login but what decompression needs.
package recovery
