package daemon

import "runtime"

// MoreContexts gives the threads of a Daemon or a Relay that sleep in system calls
// (ingest or receive loop, disk loop, writers) scheduler contexts beside those of the
// processors, and returns what undoes that. A thread keeps its context in a system
// call until the runtime looks for such, 20 us to 10 ms later. With all of them in
// sleeping hands a request for repair would lie in its socket for so long.
//
// It is for commands, which call it once, at the start. env looks up the environment:
// GOMAXPROCS there decides instead.
func MoreContexts(env func(name string) (string, bool)) (undo func()) {
	if v, ok := env("GOMAXPROCS"); ok && v != "" {
		return func() {}
	}
	was := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(was + 2 + half())
	return func() { runtime.GOMAXPROCS(was) }
}
