// Package daemon puts the parts together: Serve is a whole sequencer process, and
// a Relay makes a receiver a second retransmit server. Here are the loops; what
// they drive decides, and has none.
//
//	ingest   source -> sequencer -> history -> sockets; one thread, no hand-off
//	disk     history -> journal; one thread
//	serve    an accept loop and two goroutines a connection: repair over TCP
//	control  the caller of Serve: status lines, signals by its context
//
// They share counters and history, nothing else. The ingest loop owns the
// sequencer, the source and the publisher; the disk loop owns the journal's
// writer. What a loop tells another one is an atomic: the journal's failure, the
// end of intake; and in strict mode that there is something to write (disk.nudge).
package daemon
