// Package multicast is tapecast on sockets: the Publisher, which sends packets on
// the lines of a channel, and Subscribe, the one call that a receiving program
// needs. Linux only.
//
// # Subscribing
//
// Given the address of a retransmit service, Subscribe learns groups, session and
// epoch from it, joins, recovers what is missing, and hands every message once and
// in order to a recovery.Handler, or tells it which are lost. One goroutine, locked
// to its thread, does all of it: it owns one socket for each line and one
// connection to a retransmit service, and calls the handler. A handler that is slow
// makes the receive buffers overrun; one that must do slow work copies what it needs
// and hands it on.
//
// The loop turns: read each line once, read the connection once, poll the
// recovery.Subscriber if these brought something or it is time, do what it wants, wait. Work in a turn is bounded, so no
// socket starves another. All decisions are the Subscriber's; this package moves
// bytes. Open and Run are Subscribe in two steps, for a program that wants to see
// the counters meanwhile. Start, Turn, Wait and Close are Run in pieces, for a loop
// that has other work as well.
//
// # Lines
//
// A Receiver binds the group itself and turns IP_MULTICAST_ALL off, so that what
// other programs of the host joined never comes in. It joins on an explicit
// interface, for one source alone if the Line names it. Datagrams come with the
// kernel's receive stamp; those that arrive as one run (UDP_GRO) share it.
//
// # Publishing
//
// A Publisher sends each batch on all lines, from the packets' own memory. By
// MethodGSO it hands the kernel runs of up to 64 packets or 64 KB, cut into
// datagrams at the last moment; packets of a run are padded with zeros to one size
// where that costs less than 5 %, and elsewhere the run ends. A packet that would be
// fragmented is refused by NewPublisher.
//
// # Bounds
//
//   - Receive buffer of a line: ReceiveBuffer bytes. When full the kernel drops, and
//     Drops counts: such loss is this host's, not the line's. Where the system
//     clips the buffer, Warning says so, with the remedy.
//   - Send buffer of a line: SendBuffer bytes. When full Send waits up to 5 ms
//     (Waits), then drops (Failed).
//   - Reads in a turn: 8 of 64 KB for each line, or 64 datagrams without UDP_GRO;
//     256 KB of the connection, whose flow control holds the server back. A loop that
//     does not block reads one line that has something, so that an answer goes out
//     before the other line's copy is read, and owes what is due to a later turn, the
//     fifth at the latest.
//
// Neither sending nor receiving allocates.
package multicast
