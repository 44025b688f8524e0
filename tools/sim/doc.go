// Sim lets the whole system happen in one process, under virtual time and one seed:
// sequencer, history, journal, retransmit services, receivers, a relay, strangers who
// mean no good, and a network and disks that fail as the seed says. A ledger knows
// what really happened, and every event is checked against it.
//
//	go run ./tools/sim -seeds 1-1000    many worlds; a seed that fails is shrunk
//	go run ./tools/sim -seed 43 -v      the story of one
//	go run ./tools/sim -world FILE      a world as a failed seed prints it
//
// The same seed gives the same trace on every run of the same program.
//
// # What is real
//
// The production code runs, all of it that decides: sequencer, history, journal with
// its recovery, retransmit.Server and Client, recovery.Subscriber and Stream. What
// cmd/daemon and multicast.Subscribe do around it, sockets, files and loops, happens
// here as events: node, shell, relay and receiver mirror them. The disk is
// journaltest.FS behind one that makes its calls fail.
//
// # A world
//
// A seed draws its options (draw), each kind of fault by a coin. First there are
// faults: the safety phase. Then they stop, what is broken is restored, and everything
// must converge: the liveness phase. What must never happen is looked for at every
// event, and the books are closed in the end.
//
// # Invariants
//
// A violation is named by the number that the list of invariants gives it:
//
//	I1  prefix       each epoch continues the session's chain; packets have one order
//	                 (ledger.begin, commit), so what two receivers deliver and is
//	                 compared with the ledger is equal
//	I2  no duplicate what is delivered begins at the next sequence, never before it
//	I3  no silent    nor behind it, but for a Lost or Orphaned that names the range;
//	    gap          delivered + lost = next - first + orphaned, and the receiver's own
//	                 counters, position and end say the same; unavailable is said only of
//	                 what a server had lost; no heartbeat tells of what was not sent; no
//	                 end is told after a later epoch was heard of
//	I4  nothing      every message is what an input submitted, byte for byte; definitions
//	    invented     too
//	I5  stamps       every message has the stamp of the turn that put it, and none goes
//	                 back, over all epochs
//	I6  journal =    what is sent is what was committed, in order; the journal read back
//	    wire         and put through a Stream gives the session, packet by packet, with
//	                 its chain
//	I7  durability   what was called durable, or seen in strict mode, survives every
//	                 crash; strict has no orphans; a dead journal is told, and in strict
//	                 mode the last thing that is; rot below a floor is told as rot,
//	                 and a torn tail is not
//	I8  uniqueness   epochs rise, over all processes and disks; an epoch that does not
//	                 rise, and one after the end, is refused
//	I9  epochs       a receiver enters epochs that were taken, upwards, at their cuts;
//	                 control packets tell the cut
//	I10 fence        what is delivered, and what a store gives, belongs to the epoch that owns
//	                 its sequence
//	I11 equal paths  live, repaired, followed, relayed: the bytes that were committed;
//	                 what a store gives begins at what was asked for; all instruments
//	                 are defined before the first message; what a relay delivers, it keeps
//	I12 bounded      outputs, windows, events; no panic
//	I13 requests     no range is asked for twice at a time; requests for a gap are
//	                 bounded: what so many answers as are promised did not bring is asked
//	                 for no more, and not at once, and nothing is given up before; what
//	                 is taken in a second is what the limits say
//	I16 liveness     when faults have stopped, everybody comes to the end; the
//	                 heartbeats come in time
//
// I14 and I15, authenticity and entitlement, wait for what they are about.
//
// # Coverage
//
// TestSeeds runs the seeds of CI and then looks whether they reached everything on a
// list that is read from the sources (coverage_test.go): faults, calls of the disk,
// refusal codes, errors, states, events, causes, reasons for which the journal's scan
// ends. What no seed reaches in that time has a world of its own in testdata/reach.
//
// # Regressions
//
// A seed that failed is printed as a smaller world, in which the same invariant is
// violated. Put into testdata/kept, with a line on what it found, it is run for ever.
package main
