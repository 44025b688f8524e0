package keeper

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

// limit ends a test that waits for what does not come.
const limit = 40 * time.Second

// fakeNTP is a server on loopback that tells the host's time, or another.
type fakeNTP struct {
	conn   *net.UDPConn
	offset atomic.Int64 // ns
	silent atomic.Bool
}

func newNTP(t *testing.T) *fakeNTP {
	t.Helper()
	f := &fakeNTP{conn: udp(t)}
	go f.answer()
	return f
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (f *fakeNTP) address() string { return f.conn.LocalAddr().String() }

func (f *fakeNTP) answer() {
	var b [512]byte
	for {
		n, peer, err := f.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return
		}
		if n < 48 || f.silent.Load() {
			continue
		}
		var a [48]byte
		a[0], a[1], a[2], a[3] = 4<<3|4, 1, 0, 0xe9 // version 4, server, stratum 1, poll 1 s, precision 2^-23
		copy(a[12:], "TEST")
		now := time.Now().Add(time.Duration(f.offset.Load()))
		stamp(a[16:], now.Add(-time.Second))
		copy(a[24:32], b[40:48])
		stamp(a[32:], now)
		stamp(a[40:], now)
		f.conn.WriteToUDPAddrPort(a[:], peer)
	}
}

// stamp writes an NTP time.
func stamp(b []byte, t time.Time) {
	const since1900 = 2_208_988_800
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+since1900))
	binary.BigEndian.PutUint32(b[4:], uint32(float64(t.Nanosecond())*math.Exp2(32)/1e9))
}

// newChronyd answers on a command port that the host's clock is within 2 us of UTC.
func newChronyd(t *testing.T) string {
	t.Helper()
	conn := udp(t)
	go func() {
		var b [512]byte
		for {
			n, peer, err := conn.ReadFromUDPAddrPort(b[:])
			if err != nil {
				return
			}
			if n < 20 {
				continue
			}
			a := make([]byte, 104)
			a[0], a[1] = 6, 2
			binary.BigEndian.PutUint16(a[6:], 5)
			copy(a[16:20], b[8:12])
			binary.BigEndian.PutUint16(a[28+24:], 1)          // stratum
			binary.BigEndian.PutUint32(a[28+68:], chronyd2us) // root dispersion
			conn.WriteToUDPAddrPort(a, peer)
		}
	}()
	return conn.LocalAddr().String()
}

// chronyd2us is 2 us in chronyd's format: an exponent of 7 bits and 25 of coefficient.
const chronyd2us = 0xde8637bd

// rig is a keeper that runs.
type rig struct {
	*Keeper
	t      *testing.T
	events chan Event
	seen   []string
	stop   context.CancelFunc
	over   chan error
	loops  sync.WaitGroup
}

// run runs a keeper, whose options change may change before.
func run(t *testing.T, c Config, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, events: make(chan Event, 1024), over: make(chan error, 1)}
	o := Options{Program: "test", StampPoint: "nowhere", Seed: 1, OnEvent: func(e Event) { r.events <- e }}
	for _, do := range change {
		do(&o)
	}
	k, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	r.Keeper = k
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	r.loops.Go(func() { r.over <- k.Run(ctx, r.loops.Go) })
	t.Cleanup(r.end)
	return r
}

// optionsOf are those of a keeper that is not run.
func optionsOf(change func(*Options)) Options {
	o := Options{Program: "test", StampPoint: "nowhere"}
	change(&o)
	return o
}

// end stops the loops and waits for them.
func (r *rig) end() {
	r.stop()
	r.loops.Wait()
}

// await waits for a status.
func (r *rig) await(what string, good func(*Status) bool) {
	r.t.Helper()
	tick, timeout := time.NewTicker(10*time.Millisecond), time.After(limit)
	defer tick.Stop()
	for !good(r.Status()) {
		select {
		case <-tick.C:
		case <-timeout:
			r.t.Fatalf("never %s: %+v", what, r.Status())
		}
	}
}

// until waits for an event that has the text.
func (r *rig) until(text string) Event {
	r.t.Helper()
	timeout := time.After(limit)
	for {
		select {
		case e := <-r.events:
			r.seen = append(r.seen, e.Kind+": "+e.Text)
			r.t.Log(time.Now().Format("05.000"), e.Kind, e.Text)
			if strings.Contains(e.Text, text) {
				return e
			}
		case err := <-r.over:
			r.t.Fatalf("ended with %v before %q; seen %q", err, text, r.seen)
		case <-timeout:
			r.t.Fatalf("no %q in %v; seen %q", text, limit, r.seen)
		}
	}
}

// servers starts n servers, and configures them with so many liars.
func servers(t *testing.T, n, faulty int) ([]*fakeNTP, Config) {
	t.Helper()
	c := Default()
	c.Poll, c.Faulty = time.Second, faulty
	var all []*fakeNTP
	for range n {
		f := newNTP(t)
		all = append(all, f)
		c.Servers = append(c.Servers, Server{Address: f.address()})
	}
	return all, c
}

// records are those of a trail.
func records(t *testing.T, dir string) []audit.Record {
	t.Helper()
	var all []audit.Record
	if _, err := audit.Walk(dir, func(r *audit.Record) error { all = append(all, *r); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}
