package recovery

import (
	"fmt"
	"math"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Where a receiver starts: one of these, or a sequence.
const (
	FromStart uint64 = 1              // the session's first message; also what 0 means
	FromNow   uint64 = math.MaxUint64 // the first packet that arrives
)

// Config of a Subscriber. Zero fields take the default that their comment names.
// Times are in ns.
type Config struct {
	Servers  []string     // retransmit services, best first; none: multicast only, and a gap that the other line does not fill is lost
	Channel  uint16       // the sequencer to hear; 0: whichever the server has, or the first that is heard
	Session  wire.Session // 0: whichever the server serves, or the first that is heard
	From     uint64       // FromStart, FromNow, or a sequence; without servers always now
	Resume   *Position    // go on behind this position; From is not used
	TCP      bool         // follow over TCP, for hosts that multicast does not reach
	Compress bool         // ask servers to compress large answers
	Name     string       // how servers name this receiver in their logs
	Lines    int          // lines listened to; 2. With servers, those that they announce

	Window     int // bytes of packets held ahead of a gap; 8 MiB. Beyond it they are dropped, and asked for later
	PacketSize int // largest packet in bytes; wire.DefaultPacket. With servers, what they announce if that is larger

	Grace     wire.Nanos // what a gap waits for reordering once all lines have passed it; 100 us
	Jitter    wire.Nanos // upper bound of the random wait after Grace, so that receivers ask apart; 50 us
	LineSkew  wire.Nanos // what a gap waits at most for a line that lags; 5 ms
	Heartbeat wire.Nanos // the sequencer's interval; 50 ms. With servers, what they announce

	Attempts    int        // requests for one range before it is lost, over all servers; 5
	Outstanding int        // requests under way; 64, or the server's limit if lower
	AskTimeout  wire.Nanos // what an answer may take to begin or go on; 1 s
	DialTimeout wire.Nanos // what connection and login may take; 2 s
	RetryMin    wire.Nanos // wait before a failed server is dialled again; 50 ms, doubled up to RetryMax
	RetryMax    wire.Nanos // 2 s
	Patience    wire.Nanos // what a gap waits while no server answers and lines live on, or none gets so far, before it is lost; 30 s

	Seed uint64 // of the jitter, and what servers count this receiver by; any value, different in each
}

// maxServers bounds Config.Servers.
const maxServers = 64

// maxWindow keeps a subscriber under 64 MiB, all buffers counted.
const maxWindow = 32 << 20

// Validate says what is wrong with c, as ErrConfig, before anything is opened.
func (c *Config) Validate() error {
	switch {
	case c.TCP && len(c.Servers) == 0:
		return fmt.Errorf("%w: TCP needs a retransmit service; name one in Servers", ErrConfig)
	case len(c.Servers) > maxServers:
		return fmt.Errorf("%w: %d Servers; at most %d", ErrConfig, len(c.Servers), maxServers)
	case c.Lines < 0 || c.Lines > MaxLines:
		return fmt.Errorf("%w: Lines is %d; it can be 1 or %d", ErrConfig, c.Lines, MaxLines)
	case c.PacketSize < 0 || c.PacketSize > wire.MaxPacket:
		return fmt.Errorf("%w: PacketSize is %d; at most %d", ErrConfig, c.PacketSize, wire.MaxPacket)
	case c.Window < 0 || c.Window > maxWindow:
		return fmt.Errorf("%w: Window is %d bytes; at most %d", ErrConfig, c.Window, maxWindow)
	case c.Attempts < 0 || c.Outstanding < 0:
		return fmt.Errorf("%w: Attempts and Outstanding cannot be negative", ErrConfig)
	case min(c.Grace, c.Jitter, c.LineSkew, c.Heartbeat, c.AskTimeout, c.DialTimeout, c.RetryMin, c.RetryMax, c.Patience) < 0:
		return fmt.Errorf("%w: a time is negative", ErrConfig)
	case c.Resume != nil && c.Resume.Session == 0:
		return fmt.Errorf("%w: Resume names no session", ErrConfig)
	}
	return nil
}

// withDefaults returns c with every zero field filled in.
func (c Config) withDefaults() Config {
	ms := wire.Nanos(1e6)
	c.From = or(c.From, FromStart)
	if len(c.Servers) == 0 && c.Resume == nil {
		c.From = FromNow
	}
	c.Channel = or(c.Channel, retransmit.AnyChannel)
	c.Lines = or(c.Lines, MaxLines)
	c.Window = or(c.Window, 8<<20)
	c.PacketSize = or(c.PacketSize, wire.DefaultPacket)
	c.Grace = or(c.Grace, ms/10)
	c.Jitter = or(c.Jitter, ms/20)
	c.LineSkew = or(c.LineSkew, 5*ms)
	c.Heartbeat = or(c.Heartbeat, 50*ms)
	c.Attempts = or(c.Attempts, 5)
	c.Outstanding = min(or(c.Outstanding, maxAsks), maxAsks)
	c.AskTimeout = or(c.AskTimeout, 1000*ms)
	c.DialTimeout = or(c.DialTimeout, 2000*ms)
	c.RetryMin = or(c.RetryMin, 50*ms)
	c.RetryMax = or(c.RetryMax, 2000*ms)
	c.Patience = or(c.Patience, 30000*ms)
	return c
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
