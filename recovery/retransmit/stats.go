package retransmit

import (
	"errors"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
)

// Stats is what a Server did so far. Connections is now, the rest since the start.
type Stats struct {
	Connections int
	Accepted    uint64           // connections
	Logins      uint64           // that were welcomed
	Refused     [numCodes]uint64 // by Code
	Requests    uint64           // frames that ask for something, refused ones included
	Messages    uint64           // in packets sent, repeated ones included
	Bytes       uint64           // of packets sent, before compression
	ZstdRaw     uint64           // of Bytes, those that went compressed
	ZstdBytes   uint64           // and what became of them
	Gone        uint64           // ranges named as unavailable
	Malformed   uint64           // connections closed for bytes that make no sense
	NoLogin     uint64           // connections dropped with ErrLogin
	Silent      uint64           // with ErrSilent
	Stalled     uint64           // with ErrStalled
	Slow        uint64           // with ErrSlow
	Life        uint64           // with ErrLife
	LastRequest wire.Nanos       // when the last request came, or the last packets of an answer went; 0 never
}

// counters are Stats as many sessions write them.
type counters struct {
	accepted, logins, requests           atomic.Uint64
	messages, bytes, zstdRaw, zstdBytes  atomic.Uint64
	gone, malformed                      atomic.Uint64
	noLogin, silent, stalled, slow, life atomic.Uint64
	refused                              [numCodes]atomic.Uint64
	lastRequest                          atomic.Int64
}

// asked keeps the latest now: connections come here in any order.
func (c *counters) asked(now wire.Nanos) {
	for {
		last := c.lastRequest.Load()
		if int64(now) <= last || c.lastRequest.CompareAndSwap(last, int64(now)) {
			return
		}
	}
}

// dropped counts a connection that time ended.
func (c *counters) dropped(err error) {
	for _, d := range [...]struct {
		err error
		n   *atomic.Uint64
	}{
		{ErrLogin, &c.noLogin}, {ErrSilent, &c.silent}, {ErrStalled, &c.stalled},
		{ErrSlow, &c.slow}, {ErrLife, &c.life},
	} {
		if errors.Is(err, d.err) {
			d.n.Add(1)
		}
	}
}

// Stats reads all counters. Each is exact; together they are not one instant.
func (s *Server) Stats() Stats {
	c := &s.count
	st := Stats{
		Connections: s.connections(),
		Accepted:    c.accepted.Load(), Logins: c.logins.Load(), Requests: c.requests.Load(),
		Messages: c.messages.Load(), Bytes: c.bytes.Load(),
		ZstdRaw: c.zstdRaw.Load(), ZstdBytes: c.zstdBytes.Load(),
		Gone: c.gone.Load(), Malformed: c.malformed.Load(), NoLogin: c.noLogin.Load(),
		Silent: c.silent.Load(), Stalled: c.stalled.Load(), Slow: c.slow.Load(), Life: c.life.Load(),
		LastRequest: wire.Nanos(c.lastRequest.Load()),
	}
	for i := range c.refused {
		st.Refused[i] = c.refused[i].Load()
	}
	return st
}
