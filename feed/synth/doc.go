// Package synth is a synthetic market: an endless feed.Reader that needs no file,
// for demos, benchmarks and tests. The same seed gives the same bytes on every
// platform; integers only.
//
// It is order by order and made to look like a stock exchange: definitions first,
// then pre-open, a first book and an opening cross of each instrument, then orders
// added, deleted, reduced, replaced and executed, and trades with hidden orders. A
// few instruments take most of the messages; prices wander; quantities are round
// and odd lots. Source times begin at 09:30. Messages come most densely then, and
// in bursts, in which one instrument's price runs, all day.
//
// # What a reader may rely on
//
// A message names an order that is live, and takes no more of it than is open.
// Executions are of the oldest order at the best price. A book is never crossed or
// locked, and has at most 48 live orders on each side. Order ids and match numbers
// rise by one. Source times never go back, and stop at wire.MaxSource, after some
// sixty-eight hours.
//
// # How
//
// Each turn picks an instrument and a side and gives one message. New and replaced
// orders are placed around a fair price that moves a level at a time; one that would
// cross the other side executes the first order there instead. So executions follow
// from the price's moves, as in a real book, and no book can become insane. Whether a
// turn enters or deletes an order leans towards half of the book's depth, which
// bounds the memory. There is no queue and no allocation after New.
package synth
