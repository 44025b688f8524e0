// Package estimate finds out where true time can be. It is plain code: no I/O, no
// clock, no goroutine; the counter's readings are arguments.
//
// # Set membership
//
// Let theta be true time less the counter, and phi its slope: how much faster true
// time runs than the counter. One exchange with an honest server gives two facts
// that need no symmetric path. The request left at counter c1 or later and had
// arrived at the server's t2; the answer left at t3 and had arrived by c4:
//
//	theta(c1) <= t2 + E - c1        theta(c4) >= t3 - E - c4
//
// where E is all that the server may be wrong. At a later counter c, with the age
// a = c - c1 and the declared limit on how phi changes, a fact is a half plane:
//
//	theta - phi*a <= t2 + E - c1 + drift(a),   drift(a) = integral of min(w*s, cap), s from 0 to a
//
// The half planes of one server meet in a convex polygon of (theta, phi). It is
// empty when the server contradicts itself: it stepped, or the counter did.
//
// # Liars
//
// A server is a liar as long as one of its exchanges that are held is wrong. With at
// most f liars among those that answer, at least m = answered - f are
// honest, so true (theta, phi) lies in all polygons of at least one set of m
// servers. Region is the hull of what every such set allows. A server that is in
// no set whose polygons meet is a proven liar. No plain intersection of all that
// happens to overlap is sound: a subtle liar inside the interval cuts off the truth.
//
// # From region to time
//
// Tracker keeps the state, and turns regions into anchors: time slews to the middle
// of the interval, and the bound is the distance to its farther end.
//
// # Bounds
//
// A server holds at most MaxSamples exchanges; the newest replaces the oldest. There
// are at most MaxServers servers, so at most 126 sets.
package estimate
