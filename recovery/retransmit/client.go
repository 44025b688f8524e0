package retransmit

import (
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/tapecast/tapecast/feed/wire"
)

// ClientConfig is what a Client logs in with.
type ClientConfig struct {
	Login
	Ping    wire.Nanos // between pings; the server's Limits.Silence must be longer. Default 1 s
	Silence wire.Nanos // without a frame from the server. Default 5 s
}

// ClientHandler takes what a server says. Its methods may call the Client's
// Request, Follow and Definitions, but not Receive.
type ClientHandler interface {
	// Welcome is the first call of a connection that is not refused.
	Welcome(w Welcome)

	// Packets gives consecutive packets that answer the request id. Only their
	// lengths were looked at: each must go through wire.Parse. b is lent until
	// Packets returns. The first and last packets may reach beyond the range; the
	// packets of Definitions are of wire.TypeSnapshot.
	Packets(id uint32, b []byte)

	// Unavailable names a part of the request id that will not come. The request
	// stays open.
	Unavailable(id uint32, first, last uint64, cause Cause)

	// Done closes the request id: all of it came or was named as unavailable. next
	// follows the last sequence answered; of Definitions, the sequence that they
	// are as of.
	Done(id uint32, next uint64)

	// Refused closes the request id; what came before counts. For id 0 the login
	// is refused or the connection given up, and Receive returns the Refusal.
	Refused(id uint32, r Refusal)

	// Control gives a heartbeat, epoch announcement or end of session, checked by
	// wire.Parse, lent until Control returns. Every epoch after the one that the
	// client knew at login is announced, in order, each with its own cut, before
	// any packet of it comes. An announcement's next sequence is where the epoch
	// began, a heartbeat's and an end's is the next one now.
	Control(p wire.Packet)
}

// Client is the receiver's end of one connection. The loop that owns the socket
// owns it.
type Client struct {
	cfg     ClientConfig
	welcome Welcome
	ready   bool
	split   splitter
	out     []byte        // not yet sent: at most the login, a ping, a ready, and a frame for each open request
	open    []uint32      // ids, at most Limits.Outstanding
	follow  uint32        // the id of the open-ended one, 0 none
	heard   wire.Nanos    // the last frame
	spoke   wire.Nanos    // the last ping, or when one was due
	zstd    *zstd.Decoder // from the first compressed frame on
	raw     []byte        // decompressed packets, MaxRaw
}

// NewClient returns a client whose login is in Output.
func NewClient(cfg ClientConfig, now wire.Nanos) *Client {
	if cfg.Ping <= 0 {
		cfg.Ping = second
	}
	if cfg.Silence <= 0 {
		cfg.Silence = 5 * second
	}
	return &Client{cfg: cfg, heard: now, spoke: now, out: cfg.Login.appendTo(nil),
		split: splitter{peer: fromServer}}
}

// Output is what is to be sent, lent until the next call of another method.
func (c *Client) Output() []byte { return c.out }

// Sent tells that the first n bytes of Output are sent.
func (c *Client) Sent(n int) {
	c.out = c.out[:copy(c.out, c.out[min(n, len(c.out)):])]
}

// Ready reports whether the server welcomed the client.
func (c *Client) Ready() bool { return c.ready }

// Welcome is what the server said at login; zero before.
func (c *Client) Welcome() Welcome { return c.welcome }

// Outstanding is the number of open requests.
func (c *Client) Outstanding() int { return len(c.open) }

// Request asks for the sequences first to last. id names the request until Done or
// Refused; it is not 0. Errors are ErrNotReady, ErrID, ErrRange, ErrTooLarge and
// ErrOutstanding.
func (c *Client) Request(id uint32, first, last uint64) error {
	if first == 0 || last < first {
		return ErrRange
	}
	if c.ready && last-first >= c.welcome.Limits.Range {
		return ErrTooLarge
	}
	if err := c.start(id); err != nil {
		return err
	}
	c.out = appendRange(c.out, id, first, last)
	return nil
}

// Follow asks for everything from first on, for as long as the session lasts. One
// follow can be open at a time. Errors are those of Request.
func (c *Client) Follow(id uint32, first uint64) error {
	if first == 0 {
		return ErrRange
	}
	if c.follow != 0 {
		return ErrOutstanding
	}
	if err := c.start(id); err != nil {
		return err
	}
	c.follow = id
	c.out = appendRange(c.out, id, first, 0)
	return nil
}

// Definitions asks for all instrument definitions. Errors are those of Request.
func (c *Client) Definitions(id uint32) error {
	if err := c.start(id); err != nil {
		return err
	}
	c.out = appendBare(c.out, frameDefinitions, id)
	return nil
}

// start opens the request id.
func (c *Client) start(id uint32) error {
	switch {
	case !c.ready:
		return ErrNotReady
	case id == 0 || slices.Contains(c.open, id):
		return ErrID
	case len(c.open) >= c.welcome.Limits.Outstanding:
		return ErrOutstanding
	}
	c.open = append(c.open, id)
	return nil
}

// finish closes the request id and reports whether it was open.
func (c *Client) finish(id uint32) bool {
	i := slices.Index(c.open, id)
	if i < 0 {
		return false
	}
	c.open = slices.Delete(c.open, i, i+1)
	if c.follow == id {
		c.follow = 0
	}
	return true
}

// Listening tells the server that this receiver hears the lines, or follows: who
// waits for receivers counts it from now on. Before the welcome it does nothing.
func (c *Client) Listening() {
	if c.ready {
		c.out = appendBare(c.out, frameReady, 0)
	}
}

// Poll does what time alone demands: it puts a ping into Output, so that the server
// hears of the client, unless something else is there to be sent. It returns when to
// call it again, or ErrSilent when the server has said nothing for Silence.
func (c *Client) Poll(now wire.Nanos) (next wire.Nanos, err error) {
	silent := c.heard + c.cfg.Silence
	if now >= silent {
		return 0, ErrSilent
	}
	if !c.ready {
		return silent, nil
	}
	if now >= c.spoke+c.cfg.Ping {
		if len(c.out) == 0 {
			c.out = appendBare(c.out, framePing, 0)
		}
		c.spoke = now
	}
	return min(c.spoke+c.cfg.Ping, silent), nil
}

// Close frees what the client holds. It may be called at any time, and again.
func (c *Client) Close() {
	if c.zstd != nil {
		c.zstd.Close()
		c.zstd = nil
	}
}
