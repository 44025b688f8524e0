// Package limit is bare Go sockets: what the machine at hand gives to a program that
// does nothing but send and receive, to compare the whole path with in the same run.
// Its roles share no code with packages multicast, sequencer or recovery.
//
//	ping, pong       round trips over one or two multicast lines: sockets, or an AF_PACKET receive ring
//	send, receive    messages of a schedule, packed into datagrams, into one receiver, with or without a file written beside
//	sends            full datagrams to nobody, by every way to hand them to the kernel
//	tcpping, tcppong a small request answered by one packet's worth of bytes
package limit

import "github.com/tapecast/tapecast/bench/rig"

// Roles are those of this package's child processes.
func Roles() rig.Roles {
	return rig.Roles{
		"limit-ping": ping, "limit-pong": pong,
		"limit-send": send, "limit-receive": receive,
		"limit-sends":   sends,
		"limit-tcpping": tcpPing, "limit-tcppong": tcpPong,
	}
}
