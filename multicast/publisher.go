package multicast

import (
	"fmt"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// DefaultSendBuffer is the size of each line's send buffer, in bytes.
const DefaultSendBuffer = 4 << 20

// PublisherConfig says where packets go and how.
type PublisherConfig struct {
	Lines      []Line // one or two
	TTL        int    // hops, 1 to 255; 0 is 1: the local network
	Loopback   bool   // receivers on this host get them too
	Method     Method // MethodAuto takes the fastest that works
	SendBuffer int    // bytes for each line; 0 is DefaultSendBuffer
	PacketSize int    // longest packet, bytes; 0 is wire.DefaultPacket. It must fit the MTU
}

func (c PublisherConfig) withDefaults() PublisherConfig {
	c.TTL = or(c.TTL, 1)
	c.SendBuffer = or(c.SendBuffer, DefaultSendBuffer)
	c.PacketSize = or(c.PacketSize, wire.DefaultPacket)
	return c
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// resolve checks c and finds its interfaces, before anything is opened.
func (c PublisherConfig) resolve() ([]*endpoint, error) {
	if len(c.Lines) == 0 || len(c.Lines) > MaxLines {
		return nil, fmt.Errorf("multicast: %w, not %d", ErrLines, len(c.Lines))
	}
	if c.TTL < 1 || c.TTL > 255 {
		return nil, fmt.Errorf("multicast: %w: %d; give 1 to 255", ErrTTL, c.TTL)
	}
	ends := make([]*endpoint, len(c.Lines))
	for i, l := range c.Lines {
		e, err := resolve(i, l)
		if err != nil {
			return nil, err
		}
		if most := e.payload(); c.PacketSize > most {
			return nil, e.fail(fmt.Errorf("%w: packet size %d, but %s has MTU %d, so at most %d: lower the packet size or raise the MTU",
				ErrFragment, c.PacketSize, e.ifi.Name, e.ifi.MTU, most))
		}
		ends[i] = e
	}
	return ends, nil
}

// Publisher sends packets on the lines of a channel. Send belongs to one
// goroutine; Method and Stats to any.
type Publisher struct {
	lines  []*sender
	vec    *vector
	choice atomic.Pointer[choice]
}

// A choice is a method and why it was taken.
type choice struct {
	method Method
	reason string
}

// NewPublisher opens the lines and chooses the send method. Errors wrap ErrLines,
// ErrGroup, ErrInterface, ErrFamily, ErrFragment, ErrTTL or ErrMethod, or what the
// kernel refused.
func NewPublisher(c PublisherConfig) (*Publisher, error) {
	c = c.withDefaults()
	ends, err := c.resolve()
	if err != nil {
		return nil, err
	}
	p := &Publisher{vec: newVector()}
	if err := p.open(ends, c); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Publisher) open(ends []*endpoint, c PublisherConfig) error {
	for _, e := range ends {
		l, err := openSender(e, c)
		if err != nil {
			return err
		}
		p.lines = append(p.lines, l)
	}
	chosen, err := p.choose(c.Method, c.PacketSize)
	if err != nil {
		return err
	}
	p.choice.Store(chosen)
	return nil
}

// Send sends ps, in order, on every line. The packets are lent until Send
// returns, and may be read (never written) until the next Send. A line that fails
// loses what the kernel refused, counts it, and never keeps the other line from
// getting everything; ErrUnsent says that every line lost something. Send waits
// only for an interface that is slower than its input, and 5 ms at most each time.
func (p *Publisher) Send(ps []wire.Packet) error {
	failed := 0 // bit i: line i lost something
	for len(ps) > 0 {
		method := p.choice.Load().method
		segments, most := method.limits()
		n := p.vec.plan(ps, segments)
		refused := p.sendPlan(most)
		if method == MethodGSO && p.demoted(refused) {
			continue // the same packets by the next method; a line that took them gets them twice
		}
		for i, e := range refused {
			if e != 0 {
				failed |= 1 << i
			}
		}
		ps = ps[n:]
	}
	if len(p.lines) > 0 && failed == 1<<len(p.lines)-1 {
		return ErrUnsent
	}
	return nil
}

// sendPlan sends what is planned on every line, and says why each refused
// something, 0 if it did not.
func (p *Publisher) sendPlan(most int) (refused [MaxLines]unix.Errno) {
	for i, l := range p.lines {
		refused[i] = l.send(p.vec, most)
	}
	return refused
}

// limits returns the most packets of a run and the most runs of a system call.
func (m Method) limits() (segments, most int) {
	switch m {
	case MethodGSO:
		return maxSegments, maxPlan
	case MethodMMsg:
		return 1, maxPlan
	}
	return 1, 1
}

// demoted gives UDP_SEGMENT up for good when an interface refuses it that seemed
// to take it: kernels before 6.11 do without checksum offload.
func (p *Publisher) demoted(refused [MaxLines]unix.Errno) bool {
	for i, l := range p.lines {
		if refused[i] == unix.EIO {
			p.choice.Store(&choice{MethodMMsg, fmt.Sprintf("%s gave UDP_SEGMENT up: %v", l.name, refused[i])})
			return true
		}
	}
	return false
}

// Method tells how packets are sent now, and why so.
func (p *Publisher) Method() (m Method, reason string) {
	c := p.choice.Load()
	return c.method, c.reason
}

// Close closes the lines.
func (p *Publisher) Close() error {
	var first error
	for _, l := range p.lines {
		if err := unix.Close(l.fd); err != nil && first == nil {
			first = l.fail(err)
		}
	}
	p.lines = nil
	return first
}

// SenderStats counts what one line sent since the start.
type SenderStats struct {
	Line
	Packets uint64       // that the kernel took
	Bytes   uint64       // of those, padding included
	Padding uint64       // bytes
	Sends   uint64       // system calls
	Waits   uint64       // for room in the send buffer
	Failed  uint64       // packets that the kernel refused
	Errors  []ErrnoCount // why it refused them, by errno
}

// ErrnoCount counts the refusals for one reason.
type ErrnoCount struct {
	Errno unix.Errno
	Count uint64
}

// Stats gives the counters of each line.
func (p *Publisher) Stats() []SenderStats {
	out := make([]SenderStats, len(p.lines))
	for i, l := range p.lines {
		out[i] = SenderStats{
			Line:    l.Line,
			Packets: l.packets.Load(), Bytes: l.bytes.Load(), Padding: l.padding.Load(),
			Sends: l.sends.Load(), Waits: l.waits.Load(), Failed: l.failed.Load(),
		}
		for e := range l.errors {
			if n := l.errors[e].Load(); n > 0 {
				out[i].Errors = append(out[i].Errors, ErrnoCount{unix.Errno(e), n})
			}
		}
	}
	return out
}
