// Package source asks others for the time: NTP servers, the kernel, chronyd and PTP
// hardware clocks. It knows sockets and ioctls, and nothing of what is done with the
// answers.
//
// Everything that is said of time here is an interval. A stamp of our own never
// claims more than it knows: a question's is at or before its departure, an answer's
// at or after its arrival, and both are on the counter of package clock, which does
// not step. What the kernel stamps in UTC is brought there through readings of both
// clocks around the exchange; when the two readings disagree, the host's clock was
// stepped in between and the exchange is refused.
//
// # Forgery
//
// Each question goes out from a fresh port with 64 random bits, which the answer must
// repeat; what does not is skipped, so a forged datagram costs nothing. An answer is
// taken once. With a key, an answer without its code is refused.
//
// # Bounds
//
// A question waits at most its timeout, 1 s unless told otherwise. One socket and
// 2 KiB are open for each question under way.
package source
