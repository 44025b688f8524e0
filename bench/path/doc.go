// Package path measures the whole path: the daemon's ingest loop, history, journal
// and publisher on one side, multicast.Subscription and its handler on the other,
// in processes of their own. Nothing here does what those packages do.
//
//	path-ping, path-pong   round trips: a message is put, stamped, kept, sent; received, arbitrated, ordered, handled, and back the same way through a second channel
//	path-serve             an open-loop source into a daemon
//	path-listen            a subscriber that times every message
//	path-repair            a subscriber that loses packets on purpose and times their repair
//	path-heap              a subscriber in a program that has a heap, and changes it
//	path-relay             a subscriber that journals and serves others what it receives
//	path-restart           a daemon that goes on with a journal
//
// A ping process has one loop: its source is itself a subscription, so that one
// thread receives, sequences and publishes, as a program does that answers a feed.
package path

import "github.com/tapecast/tapecast/bench/rig"

// Roles are those of this package's child processes.
func Roles() rig.Roles {
	return rig.Roles{
		"path-ping": ping, "path-pong": pong,
		"path-serve": serve, "path-listen": listen, "path-repair": repair, "path-restart": restart,
		"path-heap": heap, "path-relay": relay,
	}
}
