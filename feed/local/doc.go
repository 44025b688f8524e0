// Package local carries the messages of other programs on this host to a sink,
// over a Unix stream socket. Source is the daemon's end, Client the program's.
//
// # Promise
//
// A program names its input and numbers its messages from 1. The daemon
// acknowledges a message once it is journalled. The client keeps what is not
// acknowledged, reconnects when the daemon has restarted, and submits again what
// the daemon no longer has: nothing is lost and nothing doubled. A program that
// restarts asks Last and goes on with the message after it, the first that is not
// acknowledged; what the daemon had taken of it already is dropped when it comes
// again. Where the promise cannot be kept, because a journal is gone or two programs
// share a name, the client ends with ErrLost, ErrAhead or ErrSession, and never goes
// on silently.
//
// # Frames
//
// Numbers are little-endian. A frame is
//
//	offset  size  field
//	0       4     length in bytes of what follows, at most 65,532
//	4       1     type
//	5       n     body
//
// and the bodies are
//
//	type        from     offset  size  field
//	1 hello     program  0       1     version, 1
//	                     1       1     length of the name, 1 to 64
//	                     2       n     input name, of a-z 0-9 - _ .
//	2 welcome   daemon   0       8     session
//	                     8       8     last sequence taken from this input, 0 none
//	                     16      8     journalled sequence, 0 none
//	3 put       program  0       8     sequence of the first message, not 0
//	                     8       n     one or more whole encoded messages
//	4 ack       daemon   0       8     journalled sequence
//	5 refusal   daemon   0       1     code
//	                     1       n     the reason in words, at most 200 bytes
//
// The program says hello and waits for the welcome; then it sends puts, numbered
// without a gap, from any sequence up to the one after the welcome's last, while
// the daemon sends acks. Hello, welcome and ack may grow at the end: a reader
// ignores what it does not know. A refusal is the last frame of a connection.
//
//	code  meaning                                        worth trying again
//	1     version not supported                          no
//	2     bad input name                                 no
//	3     a connected program has this name              yes
//	4     too many programs, or descriptors, are open    yes
//	5     malformed frame                                no
//	6     the sequence of a put skips messages           no
//	7     a message is not well formed                   no
//	8     the session has ended                          no
//	9     too many inputs                                no
//	10    no hello in time                               yes
//	11    the daemon failed                              yes
//
// # Bounds
//
//	at the source                     when full
//	programs connected       256      the next is refused; so is who leaves the journal too few descriptors
//	received, not yet put    64 KiB   of a program: it is not read from
//	to be sent               256 B    of a program: acks wait, and the newest wins
//	without a hello          5 s      refused
//	accepted a turn          16       the rest wait in the kernel's queue
//	put a turn               max      given to Poll, shared equally
//
//	at the client
//	not acknowledged         4 MiB    Put blocks
//	between two attempts     1 s      from 10 ms, doubling
//	waiting for a welcome    5 s      then it is another attempt
//
// A program whose message the sink refuses with feed.ErrFull keeps it in its
// buffer, and the kernel makes it wait; other programs go on. Names are registered
// at the sink as "local:" and the name, and count against its inputs for good.
//
// A Source has no goroutine: its loop calls Poll, which never blocks. A Client has
// one, which owns the connection; its methods are safe for concurrent use.
package local
