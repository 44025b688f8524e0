// Package keeper keeps a clock on time: it has the configuration, and the loops that
// ask the sources, publish anchors, watch the host and write the audit trail.
//
// # Loops
//
// Run starts them through its caller, and returns when they have ended:
//
//   - control: one; every anchor's period (1 s) it publishes the next, before the
//     last one ends, and ten times a second it looks for pauses of the machine
//   - server: one for each, asks at the poll interval from a random phase on, after
//     a burst of four; it hands answers to control
//   - trail: writes the audit trail, so that no disk delays an anchor
//   - file: shows every status in the clock's file
//
// # Sources
//
// Config.Sources lists them in order of preference. The clock follows the first that
// gives an interval. NTP servers are asked in any case when there are any: beside a
// preferred source they audit it. When the latest answers of more than f of them, each
// for itself, exclude the time that the clock told when they came, the clock is
// wrong, or more lie than declared: that is an alarm. A hardware clock, whose servo may
// have died unseen, needs servers, and is followed only while a fresh quorum of them
// confirms it.
//
// # Bounds
//
// Control's queue holds 256 answers; a server's loop waits for room. One anchor, one
// Status. The estimator's and the trail's bounds are theirs.
package keeper
