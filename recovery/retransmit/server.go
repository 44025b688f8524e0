package retransmit

import (
	"fmt"
	"sync"

	"github.com/tapecast/tapecast/feed/wire"
)

// ServerConfig is what a Server serves, and to how many.
type ServerConfig struct {
	Channel Channel
	Limits  Limits     // start from DefaultLimits
	Poll    wire.Nanos // how often a follow looks for new packets, and a busy store is asked again. Default 1 ms
}

// Validate names the first field that is out of its bounds.
func (c *ServerConfig) Validate() error {
	ch := &c.Channel
	switch {
	case ch.Channel == AnyChannel:
		return fmt.Errorf("%w: Channel.Channel is %d, which means any: take a lower number", errConfig, ch.Channel)
	case ch.Session == 0:
		return fmt.Errorf("%w: Channel.Session is empty: name the session", errConfig)
	case ch.PacketSize < wire.HeaderLen || ch.PacketSize > wire.MaxPacket:
		return fmt.Errorf("%w: Channel.PacketSize is %d: make it %d to %d", errConfig, ch.PacketSize, wire.HeaderLen, wire.MaxPacket)
	case ch.Heartbeat < millisecond || ch.Heartbeat > maxTime:
		return fmt.Errorf("%w: Channel.Heartbeat is %v: make it 1ms to 48h", errConfig, ch.Heartbeat.Duration())
	case c.Poll < 0 || c.Poll > second:
		return fmt.Errorf("%w: Poll is %v: make it 0 (1ms) to 1s", errConfig, c.Poll.Duration())
	}
	return c.Limits.Validate()
}

// maxReceivers bounds the instances that Logins tells apart; more count no more.
const maxReceivers = 1 << 16

// Server is what the sessions of one channel share: the store, limits and counters.
// All its methods may be called by many goroutines.
type Server struct {
	cfg   ServerConfig
	live  Live
	count counters
	zip   compressor

	mu        sync.Mutex
	open      int                 // sessions, at most Limits.Connections
	peers     map[string]int      // sessions of each peer address
	receivers map[uint64]struct{} // instances seen, at most maxReceivers
	anonymous int                 // logins of receivers without an instance
	requests  bucket
	bytes     bucket
}

// byteBurst is how far the senders of bytes may run ahead of their rate.
const byteBurst = 10 * millisecond

// NewServer returns a server of live, or an error that names the field of cfg which
// is out of its bounds.
func NewServer(cfg ServerConfig, live Live) (*Server, error) {
	if cfg.Poll == 0 {
		cfg.Poll = millisecond
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, live: live,
		peers:     make(map[string]int),
		receivers: make(map[uint64]struct{}),
		requests:  bucket{rate: uint64(cfg.Limits.TotalRequests), burst: second},
		bytes:     bucket{rate: cfg.Limits.TotalBytes, burst: byteBurst},
	}
	return s, s.zip.init()
}

// Accept takes a connection of peer, an address without a port. now is UTC and never
// goes back, here and in all methods of the Session: it stamps control packets. The
// error is a *Refusal, busy, to be sent with AppendRefusal before closing.
func (s *Server) Accept(now wire.Nanos, peer string) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.cfg.Limits
	if s.open >= l.Connections {
		return nil, s.crowded("all connections are taken")
	}
	if s.peers[peer] >= l.PerPeer {
		return nil, s.crowded("all connections of your address are taken")
	}
	s.open++
	s.peers[peer]++
	s.count.accepted.Add(1)
	return newSession(s, now, peer), nil
}

// Refuse counts a connection that is refused for want of something outside the
// server, and returns the refusal to send: busy, to be tried again.
func (s *Server) Refuse(text string) *Refusal { return s.crowded(text) }

func (s *Server) crowded(text string) *Refusal {
	s.count.refused[CodeBusy].Add(1)
	return &Refusal{Code: CodeBusy, Retryable: true, RetryAfter: second, Text: text}
}

// left gives back what Accept took.
func (s *Server) left(peer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.peers[peer]--; s.peers[peer] == 0 {
		delete(s.peers, peer)
	}
}

func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// ready counts a receiver that hears the lines.
func (s *Server) ready(l *Login) {
	if l.Role != RoleReceiver {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l.Instance == 0:
		s.anonymous++
	case len(s.receivers) < maxReceivers:
		s.receivers[l.Instance] = struct{}{}
	}
}

// Receivers is the number of distinct receivers that have logged in and said that
// they hear the lines, whether they are still there or not. A receiver that logs in
// again counts once.
func (s *Server) Receivers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.receivers) + s.anonymous
}

// admit takes one request of the total rate, or says how long to wait.
func (s *Server) admit(now wire.Nanos) wire.Nanos {
	if s.requests.rate == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.requests.wait(now, 1); w > 0 {
		return w
	}
	s.requests.take(now, 1)
	return 0
}

// quantum is what a session reserves of the total byte rate at a time.
const quantum = 64 << 10

// reserve takes n bytes of the total rate and returns when they may be sent. Who
// comes first goes first, and comes again behind all others: that is what makes it
// fair.
func (s *Server) reserve(now wire.Nanos, n int) wire.Nanos {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := now + s.bytes.wait(now, 0)
	s.bytes.take(now, n)
	return at
}
