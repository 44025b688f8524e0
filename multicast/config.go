package multicast

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// Config of a Subscription. A list of retransmit services is enough; without one,
// Lines are. The other fields may be zero.
type Config struct {
	Retransmit []string // retransmit services, host:port, best first; names are looked up once, by Open
	Lines      []Line   // groups to join instead of those that the services announce. A Line without Interface takes the field below
	Interface  string   // name of the interface that multicast arrives on, or an address on it; "" is the one that reaches the retransmit service

	Channel uint16             // the sequencer to hear; 0: whichever is served
	Session wire.Session       // 0: whichever is served
	From    uint64             // recovery.FromStart (also 0), recovery.FromNow, or a sequence
	Resume  *recovery.Position // go on behind this saved position instead
	TCP     bool               // follow over TCP, without multicast

	Compress bool   // ask for large repairs compressed
	Name     string // how retransmit services name this receiver in their logs

	Method        ReceiveMethod // how datagrams are taken from the kernel; zero: by sockets
	Wait          Wait          // what the loop does while nothing arrives
	ReceiveBuffer int           // bytes for each line; 0 is DefaultReceiveBuffer, for a ring DefaultRingBuffer
	Apart         bool          // sockets: read every datagram by itself, without UDP_GRO

	Clock   func() wire.Nanos // read once for each turn of the loop: ns, monotonic; nil is Monotonic
	OnAlert func(text string) // told, from the loop, what somebody should look at: a clipped buffer, a failing socket. nil: nobody is

	// Drop is for loss drills. A datagram for which it reports true is treated as
	// if it had not arrived; it is lent until Drop returns. nil drops nothing.
	Drop func(line int, datagram []byte) bool

	// Recovery holds what is rarely set: windows, times and attempts. What the
	// fields above say goes before it.
	Recovery recovery.Config
}

// recovery is the part of c that the Subscriber decides by.
func (c *Config) recovery() recovery.Config {
	r := c.Recovery
	r.Servers, r.Channel, r.Session = c.Retransmit, c.Channel, c.Session
	r.From, r.Resume = c.From, c.Resume
	r.TCP, r.Compress, r.Name = c.TCP, c.Compress, c.Name
	if len(c.Lines) > 0 {
		r.Lines = len(c.Lines)
	}
	if r.Seed == 0 { // different in each receiver, so that they ask apart
		r.Seed = uint64(c.Clock()) ^ uint64(os.Getpid())<<40
	}
	return r
}

// check finds what can be found before anything is opened.
func (c *Config) check() error {
	if int(c.Wait) >= len(waitNames) {
		return fmt.Errorf("multicast: %w: %v", ErrWait, c.Wait)
	}
	if int(c.Method) >= len(receiveNames) {
		return fmt.Errorf("multicast: %w: %v", ErrMethod, c.Method)
	}
	if len(c.Lines) > MaxLines || len(c.Lines)+len(c.Retransmit) == 0 {
		return fmt.Errorf("multicast: %w: name a retransmit service, or one or two lines", ErrLines)
	}
	for i, l := range c.Lines {
		l.Interface = or(l.Interface, c.Interface)
		if l.Interface == "" && len(c.Retransmit) > 0 {
			continue // known once the service is connected
		}
		if _, err := resolve(i, l); err != nil {
			return err
		}
	}
	if c.Interface != "" {
		if _, err := FindInterface(c.Interface); err != nil {
			return fmt.Errorf("multicast: %w", err)
		}
	}
	return nil
}

// lookup turns the names of retransmit services into addresses.
func lookup(names []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, name := range names {
		a, err := net.ResolveTCPAddr("tcp", name)
		if err != nil {
			return nil, fmt.Errorf("multicast: retransmit service %q: %w; give host:port", name, err)
		}
		out = append(out, a.AddrPort())
	}
	return out, nil
}
