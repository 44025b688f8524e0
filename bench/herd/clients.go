package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// stampede is one moment at which all clients ask, and what came of it.
type stampede struct {
	First, Last uint64
	Took        int64 // ns until the last client had everything
	Bytes       int64
}

// client is one receiver's connection.
type client struct {
	conn  net.Conn
	proto *retransmit.Client
	buf   []byte
	id    uint32
	next  uint64 // of the range under way
	done  bool
	bytes int64
	err   error
}

// herd holds the clients, logged in. For every stampede that it reads from standard
// input it writes one back.
func herd(args string) error {
	var a struct {
		Server string
		settings
	}
	if err := json.Unmarshal([]byte(args), &a); err != nil {
		return err
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, a.Nice); err != nil {
		return err
	}
	all := make([]*client, a.Clients)
	for i := range all {
		c, err := dial(a.Server)
		if err != nil {
			return err
		}
		defer c.conn.Close()
		all[i] = c
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var s stampede
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			return err
		}
		if err := stampedeOf(all, &s); err != nil {
			return err
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return in.Err()
}

// stampedeOf lets all clients ask for s and waits for the last one. A range of 0 only keeps
// the connections alive.
func stampedeOf(all []*client, s *stampede) error {
	began := rig.Nanotime()
	var wg sync.WaitGroup
	for _, c := range all {
		wg.Go(func() { c.err = c.fetch(s.First, s.Last) })
	}
	wg.Wait()
	s.Took = rig.Nanotime() - began
	var err error
	for _, c := range all {
		s.Bytes += c.bytes
		err = errors.Join(err, c.err)
	}
	return err
}

// readSize is a receiver's read buffer, in bytes.
const readSize = 256 << 10

func dial(server string) (*client, error) {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, buf: make([]byte, readSize)}
	c.proto = retransmit.NewClient(retransmit.ClientConfig{Login: retransmit.Login{Channel: retransmit.AnyChannel}}, now())
	for !c.proto.Ready() {
		if err := c.turn(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func now() wire.Nanos { return wire.Nanos(rig.Nanotime()) }

// turn sends what there is to send and reads once.
func (c *client) turn() error {
	if out := c.proto.Output(); len(out) > 0 {
		n, err := c.conn.Write(out)
		if err != nil {
			return err
		}
		c.proto.Sent(n)
	}
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.conn.Read(c.buf)
	if err != nil {
		return err
	}
	c.bytes += int64(n)
	return c.proto.Receive(now(), c.buf[:n], c)
}

// fetch asks for a range and takes it; 0 says only that the client is there.
func (c *client) fetch(first, last uint64) error {
	c.bytes = 0
	if first == 0 {
		if _, err := c.proto.Poll(now()); err != nil {
			return err
		}
		if len(c.proto.Output()) == 0 {
			return nil
		}
		return c.turn() // a ping is due, and a pong comes back
	}
	c.id++
	c.next, c.done = first, false
	if err := c.proto.Request(c.id, first, last); err != nil {
		return err
	}
	for !c.done {
		if err := c.turn(); err != nil {
			return err
		}
	}
	if c.next <= last {
		return fmt.Errorf("answered to %d of %d", c.next-1, last)
	}
	return c.err
}

// Welcome implements retransmit.ClientHandler.
func (c *client) Welcome(retransmit.Welcome) {}

// Packets implements retransmit.ClientHandler: it checks every packet.
func (c *client) Packets(_ uint32, b []byte) {
	for len(b) > 0 {
		p, err := wire.Parse(b)
		if err != nil || p.First() > c.next {
			c.err = errors.Join(err, fmt.Errorf("packet behind %d", c.next))
			return
		}
		c.next = max(c.next, p.Next())
		b = b[len(p):]
	}
}

// Unavailable implements retransmit.ClientHandler.
func (c *client) Unavailable(_ uint32, first, last uint64, _ retransmit.Cause) {
	c.err = fmt.Errorf("%d to %d are gone", first, last)
}

// Done implements retransmit.ClientHandler.
func (c *client) Done(uint32, uint64) { c.done = true }

// Refused implements retransmit.ClientHandler.
func (c *client) Refused(_ uint32, r retransmit.Refusal) { c.done, c.err = true, &r }

// Control implements retransmit.ClientHandler.
func (c *client) Control(wire.Packet) {}
