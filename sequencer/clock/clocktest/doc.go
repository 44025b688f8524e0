// Package clocktest is a world for clocks to be wrong in: an oscillator, servers
// that may lie and paths that delay, lose and double, on virtual time and from one
// seed. It drives the production estimator, and its oracle knows the true time: at
// instants drawn between updates it holds every stamp against its bound.
//
// The oscillator keeps the declared limits on its frequency, for a bound cannot be
// better than what it assumes; within them it is as hostile as a Scenario says.
//
// For tests in real time there are Chronyd, a real server on loopback that tells the
// host's own time, and Proxy, a path to it that delays, loses, doubles and corrupts.
package clocktest
