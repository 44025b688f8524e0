package clocktest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Faults are what a Proxy does to datagrams, both ways.
type Faults struct {
	Seed    uint64
	Delay   time.Duration // mean of an exponential delay
	Loss    float64
	Double  float64
	Corrupt float64 // one bit of a datagram, wherever
}

// Proxy is a path to a server that is as bad as its Faults, on a loopback address.
type Proxy struct {
	Address string // to ask instead of the server
	server  string
	faults  Faults
	conn    *net.UDPConn
	ctx     context.Context
	mu      sync.Mutex // rng
	rng     *rand.Rand
	wg      sync.WaitGroup
	room    chan struct{} // one for each question under way
	lie     atomic.Int64
}

// Lie has the server seem to be off by so much from now on. Answers with a code do
// not survive that.
func (p *Proxy) Lie(by time.Duration) { p.lie.Store(int64(by)) }

// shift moves the server's two stamps in an answer.
func shift(b []byte, by int64) {
	const receive, transmit, end = 32, 40, 48
	if by == 0 || len(b) < end {
		return
	}
	units := uint64(int64(float64(by) / 1e9 * (1 << 32))) // of 2^-32 s
	for _, at := range [...]int{receive, transmit} {
		binary.BigEndian.PutUint64(b[at:], binary.BigEndian.Uint64(b[at:])+units)
	}
}

// patience is how long an answer is waited for.
const patience = 2 * time.Second

// StartProxy puts faults between 127.0.0.n and the server, until t ends. At most 64
// questions are under way at once; further ones are lost.
func StartProxy(t testing.TB, n int, server string, f Faults) *Proxy {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(fmt.Sprintf("127.0.0.%d", n))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{
		Address: c.LocalAddr().String(), server: server, faults: f, conn: c, ctx: ctx,
		rng: rand.New(rand.NewPCG(f.Seed, uint64(n))), room: make(chan struct{}, 64),
	}
	p.wg.Go(p.run)
	t.Cleanup(func() { cancel(); c.Close(); p.wg.Wait() })
	return p
}

func (p *Proxy) run() {
	var b [2048]byte
	for {
		n, from, err := p.conn.ReadFromUDP(b[:])
		if err != nil {
			return
		}
		question := append([]byte(nil), b[:n]...)
		select {
		case p.room <- struct{}{}:
			p.wg.Go(func() { p.carry(question, from); <-p.room })
		default:
		}
	}
}

// carry takes a question to the server, and what comes back to who asked.
func (p *Proxy) carry(question []byte, from *net.UDPAddr) {
	c, err := net.Dial("udp", p.server)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	p.spoil(question, func(b []byte) { _, _ = c.Write(b) })
	var b [2048]byte
	for {
		n, err := c.Read(b[:])
		if err != nil {
			return // nothing more comes
		}
		shift(b[:n], p.lie.Load())
		p.spoil(append([]byte(nil), b[:n]...), func(b []byte) { _, _ = p.conn.WriteToUDP(b, from) })
	}
}

// spoil sends b as the faults want it: late, twice, not at all, or with another bit.
func (p *Proxy) spoil(b []byte, send func(b []byte)) {
	p.mu.Lock()
	f, r := p.faults, p.rng
	lost, twice, corrupt := r.Float64() < f.Loss, r.Float64() < f.Double, r.Float64() < f.Corrupt
	bit, delay := r.IntN(8*max(len(b), 1)), time.Duration(r.ExpFloat64()*float64(f.Delay))
	p.mu.Unlock()
	if lost || len(b) == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
		return
	case <-timer.C:
	}
	if corrupt {
		b[bit/8] ^= 1 << (bit % 8)
	}
	send(b)
	if twice {
		send(b)
	}
}
