package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// ConfigError is a value that cannot work, and what to do about it.
type ConfigError struct {
	Key     string // as the configuration file names it
	Value   string
	Problem string
	Remedy  string
	Err     error // what the system said, or nil
}

// Error gives one line with the key, the value, the problem and the remedy.
func (e *ConfigError) Error() string {
	s := fmt.Sprintf("%s %q: %s", e.Key, e.Value, e.Problem)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap gives what the system said.
func (e *ConfigError) Unwrap() error { return e.Err }

// SourceError is a source that cannot be read on. What it gave before is published
// and journalled.
type SourceError struct {
	Source string
	Err    error
}

// Error names the source and what is wrong with it.
func (e *SourceError) Error() string { return fmt.Sprintf("source %s: %v", e.Source, e.Err) }

// Unwrap gives what is wrong.
func (e *SourceError) Unwrap() error { return e.Err }

// NoJournal is the Journal setting of a sequencer without one. It must be typed
// out: nothing then survives a crash.
const NoJournal = "none"

// Durability says when a packet may be sent.
type Durability string

// Durabilities.
const (
	Fast   Durability = "fast"   // before it is on disk; what a crash loses is declared orphaned
	Strict Durability = "strict" // only when it is durable
)

// Wait says what a loop does when it has nothing to do.
type Wait string

// Ways to wait.
const (
	Block Wait = "block" // sleeps: least CPU
	Yield Wait = "yield" // gives its turn away, and asks again
	Spin  Wait = "spin"  // asks again at once: one CPU, least latency
)

// Config is everything that a sequencer process can be told. Zero values take the
// defaults that the comments name.
type Config struct {
	Source   string        // itch:FILE, synth:SEED or unix:PATH
	Feed     feed.Source   // instead of Source: a program's own, in process. The ingest loop owns it until Run returns
	Pace     feed.Pace     // of a file or synthetic source; max
	Count    uint64        // end the source after this many messages; 0 never
	EndAtEOF bool          // end the session when the source ends
	Linger   time.Duration // after the end, since the last repair request
	Await    int           // start the source once so many receivers have logged in

	Interface  string // of line A, and of line B where InterfaceB is empty
	InterfaceB string
	LineA      netip.AddrPort
	LineB      netip.AddrPort // zero: one line only
	TTL        int            // 1
	NoLoopback bool           // keep packets from receivers on this host
	Send       string         // auto, gso, mmsg or single

	Retransmit string // ADDR:PORT of the retransmit service

	Journal    string     // directory, or NoJournal
	Durability Durability // fast
	Session    string     // the only open session of the journal, or today's date in UTC
	Channel    uint16     // 1
	PacketSize int        // bytes; wire.DefaultPacket
	Heartbeat  time.Duration
	History    int64 // bytes in memory; 64 MiB
	Segment    int64 // bytes of a journal segment; 64 MiB
	Prewrite   int64 // bytes of journal that Open writes ahead, as zeros; 0

	Clock keeper.Config // keeper.Default, where it names no source

	Wait   Wait          // block
	Status time.Duration // between status reports; 0 none
}

// Complete fills in the defaults.
func (c *Config) Complete() {
	c.Pace = or(c.Pace, feed.Pace{})
	c.TTL = or(c.TTL, 1)
	c.Send = or(c.Send, "auto")
	c.Durability = or(c.Durability, Fast)
	c.Channel = or(c.Channel, 1)
	c.PacketSize = or(c.PacketSize, wire.DefaultPacket)
	c.Heartbeat = or(c.Heartbeat, 50*time.Millisecond)
	c.History = or(c.History, 64<<20)
	c.Segment = or(c.Segment, 64<<20)
	c.Wait = or(c.Wait, Block)
	if len(c.Clock.Sources) == 0 {
		c.Clock = keeper.Default()
	}
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Validate says what cannot work, as a *ConfigError, before anything is opened.
func (c *Config) Validate() error {
	for _, check := range []func() *ConfigError{c.checkSource, c.checkLines, c.checkJournal, c.checkNumbers} {
		if e := check(); e != nil {
			return e
		}
	}
	if err := c.Clock.Validate(); err != nil {
		return clockError(err)
	}
	return nil
}

// clockError names the setting of the clock that cannot work.
func clockError(err error) error {
	e := &ConfigError{Key: "clock", Problem: err.Error()}
	var c *keeper.ConfigError
	if errors.As(err, &c) {
		e.Value, e.Problem, e.Err = c.Value, c.Problem, c.Err
		if c.Key != "sources" {
			e.Key += "-" + c.Key
		}
	}
	return e
}

func (c *Config) checkSource() *ConfigError {
	if c.Source == "" && c.Feed == nil {
		return &ConfigError{Key: "source", Problem: "missing", Remedy: "give itch:FILE, synth:SEED or unix:PATH"}
	}
	if c.Await < 0 {
		return &ConfigError{Key: "await", Value: fmt.Sprint(c.Await), Problem: "is negative", Remedy: "give the number of receivers to wait for"}
	}
	return nil
}

func (c *Config) checkLines() *ConfigError {
	if c.Interface == "" {
		return &ConfigError{Key: "interface", Problem: "missing", Remedy: "name the network interface to publish on, for example lo"}
	}
	for _, l := range []struct {
		key  string
		line netip.AddrPort
		need bool
	}{{"line-a", c.LineA, true}, {"line-b", c.LineB, false}} {
		if !l.line.IsValid() && !l.need {
			continue
		}
		if !l.line.Addr().IsMulticast() || l.line.Port() == 0 {
			return &ConfigError{Key: l.key, Value: l.line.String(), Problem: "is not a multicast GROUP:PORT", Remedy: "for example 239.255.42.1:30001"}
		}
	}
	if c.LineA == c.LineB {
		return &ConfigError{Key: "line-b", Value: c.LineB.String(), Problem: "is line A as well", Remedy: "give line B a group or port of its own"}
	}
	if c.Retransmit == "" {
		return &ConfigError{Key: "retransmit", Problem: "missing", Remedy: "give the ADDR:PORT that receivers ask for repairs"}
	}
	return nil
}

func (c *Config) checkJournal() *ConfigError {
	if c.Journal == "" {
		return &ConfigError{Key: "journal", Problem: "missing", Remedy: "name a directory, or type " + NoJournal + " to do without: then nothing survives a crash"}
	}
	if c.Durability != Fast && c.Durability != Strict {
		return &ConfigError{Key: "durability", Value: string(c.Durability), Problem: "is neither fast nor strict"}
	}
	if c.Journal == NoJournal && c.Durability == Strict {
		return &ConfigError{Key: "durability", Value: string(c.Durability), Problem: "needs a journal", Remedy: "name a journal directory"}
	}
	if c.Session == "" {
		return nil
	}
	if _, err := wire.ParseSession(c.Session); err != nil {
		return &ConfigError{Key: "session", Value: c.Session, Problem: "is no session name", Err: err}
	}
	return nil
}

func (c *Config) checkNumbers() *ConfigError {
	least := wire.HeaderLen + wire.MaxMessage
	for _, n := range []struct {
		key          string
		v, low, high int64
	}{
		{"packet-size", int64(c.PacketSize), int64(least), wire.MaxPacket},
		{"ttl", int64(c.TTL), 0, 255},
		{"history", c.History, 1 << 20, 1 << 40},
		{"segment", c.Segment, 1 << 20, 1 << 40},
		{"prewrite", c.Prewrite, 0, 1 << 45},
		{"heartbeat", int64(c.Heartbeat), int64(time.Millisecond), int64(time.Minute)},
	} {
		if n.v < n.low || n.v > n.high {
			return &ConfigError{Key: n.key, Value: fmt.Sprint(n.v), Problem: "is out of range", Remedy: fmt.Sprintf("give %d to %d", n.low, n.high)}
		}
	}
	switch c.Wait {
	case Block, Yield, Spin:
		return nil
	}
	return &ConfigError{Key: "wait", Value: string(c.Wait), Problem: "is none of block, yield, spin"}
}
