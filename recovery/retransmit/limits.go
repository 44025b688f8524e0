package retransmit

import (
	"fmt"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// Limits are what a server allows. They are all told in the Welcome.
type Limits struct {
	Connections int // in all; more are refused as busy. Default 4096
	PerPeer     int // connections of one peer address, which many receivers of one host share. Default 2048

	Range       uint64 // messages in one bounded range; more is too large. Default 1,048,576
	Outstanding int    // open requests of one client; more are refused as rate. Default 64, at most 1024

	Requests      uint32 // of one client in a second, and its burst; more are refused as rate. Default 10,000
	TotalRequests uint32 // of all clients likewise; 0 unlimited, the default
	Bytes         uint64 // of answers to one client in a second; more wait. 0 unlimited, the default
	TotalBytes    uint64 // to all clients likewise. Default 1,000,000,000

	Login   wire.Nanos // from accept to the login. Default 5 s
	Silence wire.Nanos // without a frame from the client, and for a frame to be completed. Default 5 s
	Stall   wire.Nanos // without the client taking any of the bytes it was given. Default 10 s
	Answer  wire.Nanos // from the start of an answer to its end; a follow has none. Default 120 s
	Life    wire.Nanos // of a connection; 0 unlimited, the default
}

// DefaultLimits are generous for a few hundred receivers on one host.
func DefaultLimits() Limits {
	return Limits{
		Connections: 4096, PerPeer: 2048, Range: 1 << 20, Outstanding: 64,
		Requests: 10_000, TotalBytes: 1_000_000_000,
		Login: 5 * second, Silence: 5 * second, Stall: 10 * second, Answer: 120 * second,
	}
}

const (
	millisecond = wire.Nanos(time.Millisecond)
	second      = wire.Nanos(time.Second)
)

// Bounds of what can be configured.
const (
	maxConnections = 1 << 20
	maxOutstanding = 1024
	maxTime        = wire.Nanos(48 * time.Hour)
)

// Validate names the first field that is out of its bounds.
func (l *Limits) Validate() error {
	switch {
	case l.Connections < 1 || l.Connections > maxConnections:
		return l.bad("Connections", l.Connections, "1 to 1048576")
	case l.PerPeer < 1 || l.PerPeer > l.Connections:
		return l.bad("PerPeer", l.PerPeer, "1 to Connections")
	case l.Range < 1:
		return l.bad("Range", l.Range, "at least 1")
	case l.Outstanding < 1 || l.Outstanding > maxOutstanding:
		return l.bad("Outstanding", l.Outstanding, "1 to 1024")
	case l.Requests < 1:
		return l.bad("Requests", l.Requests, "at least 1 a second")
	}
	return l.validateTimes()
}

func (l *Limits) validateTimes() error {
	switch {
	case l.Login < millisecond || l.Login > maxTime:
		return l.bad("Login", l.Login.Duration(), "1ms to 48h")
	case l.Silence < millisecond || l.Silence > maxTime:
		return l.bad("Silence", l.Silence.Duration(), "1ms to 48h")
	case l.Stall < millisecond || l.Stall > maxTime:
		return l.bad("Stall", l.Stall.Duration(), "1ms to 48h")
	case l.Answer < millisecond || l.Answer > maxTime:
		return l.bad("Answer", l.Answer.Duration(), "1ms to 48h")
	case l.Life < 0:
		return l.bad("Life", l.Life.Duration(), "0 (unlimited) or more")
	}
	return nil
}

func (l *Limits) bad(field string, got any, want string) error {
	return fmt.Errorf("%w: Limits.%s is %v: make it %s", errConfig, field, got, want)
}
