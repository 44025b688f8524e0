package local

import (
	"context"
	"errors"
)

// run is the client's goroutine: it serves one connection after the other until
// Close or an error that another connection would not mend.
func (c *Client) run(l *link) {
	defer close(c.done)
	for {
		err := c.serve(l)
		if !c.mended(err) {
			c.finish(err)
			return
		}
		if l, err = c.reconnect(); err != nil {
			c.finish(err)
			return
		}
	}
}

// mended reports whether reconnecting may help after err.
func (c *Client) mended(err error) bool {
	if c.life.Err() != nil {
		return false
	}
	if r := (*Refusal)(nil); errors.As(err, &r) {
		return r.Code.Retryable()
	}
	return !errors.Is(err, ErrProtocol)
}

func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		err = ErrClosed
	}
	c.err = err
	c.end()
	c.moved.Broadcast()
}

// reconnect tries until the daemon welcomes the client, less and less often. The
// error is final.
func (c *Client) reconnect() (*link, error) {
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		pause, stop := context.WithTimeout(c.life, wait)
		<-pause.Done()
		stop()
		l, w, err := dial(c.life, c.path, c.name)
		if err == nil {
			if err = c.resume(w); err == nil {
				return l, nil
			}
			l.conn.Close()
			return nil, err
		}
		if !c.mended(err) {
			return nil, err
		}
	}
}

// resume makes the queue go on after what the daemon has.
func (c *Client) resume(w welcome) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case w.session != c.session:
		return ErrSession
	case w.last >= c.queue.next && w.last > c.known:
		return ErrAhead
	case w.last+1 < c.queue.first:
		return ErrLost
	}
	c.known = min(c.known, w.last) // the rest is lost: only we may put it again
	c.queue.rewind(w.last)
	c.acknowledge(w.journalled)
	return nil
}

// acknowledge is called with mu held.
func (c *Client) acknowledge(seq uint64) {
	c.queue.acknowledge(seq)
	if seq > c.acked.Load() {
		c.acked.Store(seq)
	}
	c.moved.Broadcast()
}

// serve sends puts and takes acks until the connection fails.
func (c *Client) serve(l *link) error {
	defer l.conn.Close()
	defer context.AfterFunc(c.life, func() { l.conn.Close() })()
	c.mu.Lock()
	c.link = l
	c.mu.Unlock()
	err := c.exchange(l)
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
	return err
}

// exchange writes while there is something to write, with a glance at what has
// come after each put, and otherwise waits for acks or a Put.
func (c *Client) exchange(l *link) error {
	frame := make([]byte, 0, maxFrame)
	for {
		if err := c.take(l); err != nil {
			return err
		}
		frame = c.fill(l, frame[:0])
		if len(frame) == 0 {
			if err := l.read(); err != nil {
				return err
			}
			continue
		}
		if _, err := l.conn.Write(frame); err != nil {
			return l.closing(err)
		}
		if err := l.tryRead(); err != nil {
			return err
		}
	}
}

// fill takes a put's worth of messages, after the one before was written.
func (c *Client) fill(l *link, frame []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = c.queue.unit
	c.moved.Broadcast()
	frame = c.queue.appendPut(frame)
	l.rest(len(frame) == 0)
	return frame
}

// take uses the frames that have come.
func (c *Client) take(l *link) error {
	for {
		t, body, n, err := next(l.in)
		switch {
		case err != nil:
			return ErrProtocol
		case n == 0:
			return nil
		case t == frameRefusal:
			return refusalIn(body)
		case t != frameAck:
			return ErrProtocol
		}
		seq, err := parseAck(body)
		if err != nil || !c.acknowledged(seq) {
			return ErrProtocol
		}
		l.use(n)
	}
}

// acknowledged reports false for an ack of what was never sent.
func (c *Client) acknowledged(seq uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq >= c.queue.unit && seq > c.known {
		return false
	}
	c.acknowledge(seq)
	return true
}
