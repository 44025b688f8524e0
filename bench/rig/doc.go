// Package rig is what every benchmark here stands on: load with intended send
// times, child processes, latency histograms, runs that may refuse to be a
// measurement, ratios with their spread, and plots.
//
// # Open loop
//
// A Schedule says when each message is to be sent, whatever became of those before
// it, and each message carries that time. Latency counts from there, so a sender
// that was late pays for it (no coordinated omission). A sender takes all that is
// due in one go, as a real source does after a pause.
//
// # Failed runs
//
// A Run says in Failed why it is no measurement: the sender ended later than its
// schedule, a message is missing, a receiver fell behind. Failed runs are kept and
// printed; no ratio is made of them.
//
// # Comparisons
//
// What is compared runs turn by turn in separate processes, so that a noisy machine
// is noisy for both. A ratio is made of the two runs of one turn, and given as
// minimum, median and maximum over the turns.
//
// # Processes
//
// A Launcher starts this same binary again to play a Role. The two talk in lines of
// JSON over standard input and output: the child says that it is ready, the parent
// says go, the child gives its result. When the parent dies the child's input ends,
// and with it the child.
package rig
