// Package clock gives the time that stamps are made of: nanoseconds UTC, the
// largest error they can have, and a state.
//
// # The promise
//
// In the states synchronised and holdover, true time lies within Bound of the
// time read. In the others nothing is promised: unsynchronised says that the
// bound is too wide or was never known, disrupted that the host was paused or
// moved, or that more servers contradict themselves than were declared to lie.
//
//	             quorum and bound <= enter
//	unsynchronised -----------------------> synchronised <---+
//	     ^                                    |   quorum     | quorum returns and
//	     | bound > exit, or age > limit       v   lost       | meets the holdover
//	     +----------------------------------- holdover ------+
//	                                          |
//	  any --- the host tells of a pause,      | quorum returns and does not meet it
//	          or f+1 servers break at once    v
//	  +-------------------------------------> disrupted --> synchronised, as at first
//
// # Invariants
//
//   - No reader of one Disciplined, in any thread, reads less than another read
//     before it. See Anchor for why no lock is needed.
//   - Time steps at most once, and only while nobody has read it; with the
//     operator's word also forward after a disruption. Else it slews: its rate
//     leaves the estimated rate by at most 500 ppm.
//   - The reader itself turns synchronised into unsynchronised when the bound of
//     this very stamp passes the exit limit, so that a dead control loop cannot
//     leave a promise behind.
//   - In a leap second time stands still, unsynchronised, with a bound over 1 s.
//
// # What the promise rests on
//
// The declared assumptions, which the audit trail opens with: at most f servers
// lie, a server's own error estimate holds for the others, and the counter's
// frequency changes by at most a declared rate and amount. A pause that stops the
// counter itself is invisible to a reader until the control loop sees its marker
// or the servers' answers, so stamps of that moment can be wrong.
//
// # Parts
//
// estimate turns exchanges into an interval, and intervals into anchors, without
// I/O. source asks NTP servers, the kernel, chronyd and PTP clocks. audit keeps
// and checks the trail. keeper has the configuration and the loops. This package
// has the read, which is all that the hot path needs: two loads, the counter and
// some arithmetic. Nothing here grows: a clock holds one Anchor.
package clock
