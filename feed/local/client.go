package local

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed/wire"
)

// maxUnacknowledged bounds what a Client holds, in bytes.
const maxUnacknowledged = 4 << 20

// Client puts messages into a daemon's sink over its local socket. Its methods are
// safe for concurrent use; messages of concurrent calls go in some order.
//
// Messages are sent as they come, those that come while others are being sent
// together. Once the client has ended, by Close or an error that reconnecting does
// not mend, all methods return that error.
type Client struct {
	path, name string
	session    wire.Session
	last       uint64        // journalled, by the first welcome
	acked      atomic.Uint64 // read without the lock

	life context.Context // ends with Close
	end  context.CancelFunc
	done chan struct{} // closed when the goroutine has returned

	mu    sync.Mutex
	moved sync.Cond // of mu: queue or err has changed
	queue queue
	link  *link // nil while there is no connection
	err   error // why the client ended

	written uint64 // sequences below have been written to the connection
	known   uint64 // the highest sequence that a daemon had of an earlier run of this program
}

// Dial connects to the daemon at path as the input name, of 1 to 64 characters of
// a-z 0-9 - _ . , and starts the client's goroutine, which ends with Close. ctx
// bounds the first connection only; later ones are made again for as long as it
// takes. Errors are ErrName, a *Refusal, ctx's, or the socket's.
func Dial(ctx context.Context, path, name string) (*Client, error) {
	if !validName(name) {
		return nil, ErrName
	}
	l, w, err := dial(ctx, path, name)
	if err != nil {
		return nil, err
	}
	c := &Client{path: path, name: name, session: w.session, last: w.journalled, known: w.last, done: make(chan struct{})}
	c.moved.L = &c.mu
	c.queue = newQueue(w.journalled + 1)
	c.acked.Store(w.journalled)
	c.life, c.end = context.WithCancel(context.Background())
	go c.run(l) //tidy:allow runs in the publishing program, not in the daemon: it reads acknowledgements and reconnects
	return c, nil
}

// Session is the session that messages are put into.
func (c *Client) Session() wire.Session { return c.session }

// Last is the sequence of the last message of this input that the daemon had
// journalled when Dial returned, 0 if none. The first Put is Last()+1: a program
// that has restarted goes on there. What it puts again of an earlier run, because
// the daemon had it and had not journalled it, is not doubled.
func (c *Client) Last() uint64 { return c.last }

// Acknowledged is the sequence up to which the daemon has journalled this input.
func (c *Client) Acknowledged() uint64 { return c.acked.Load() }

// Put copies one whole encoded message and gives it the input's next sequence. It
// blocks while 4 MiB are not acknowledged. It returns wire.ErrMessage for bytes
// that are no message.
func (c *Client) Put(msg []byte) (seq uint64, err error) {
	if err := wire.CheckMessage(msg); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && c.queue.size()+len(msg) > maxUnacknowledged {
		c.moved.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	if c.queue.next <= c.acked.Load() {
		seq = c.queue.skip() // of an earlier run, and journalled since
	} else {
		seq = c.queue.push(msg)
	}
	if c.link != nil {
		c.link.wake()
	}
	return seq, nil
}

// Flush waits until all that was put has been given to the daemon's socket. A
// message given is not yet acknowledged.
func (c *Client) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for put := c.queue.next; c.err == nil && c.written < put; {
		c.moved.Wait()
	}
	return c.err
}

// WaitAcknowledged waits until seq is acknowledged or ctx is done.
func (c *Client) WaitAcknowledged(ctx context.Context, seq uint64) error {
	defer context.AfterFunc(ctx, c.wakeWaiters)()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.acked.Load() < seq {
		if c.err != nil {
			return c.err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c.moved.Wait()
	}
	return nil
}

func (c *Client) wakeWaiters() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved.Broadcast()
}

// Close ends the client at once. It returns ErrUnacknowledged when messages were
// not acknowledged, which the daemon may or may not have (WaitAcknowledged
// before), and what had ended the client otherwise.
func (c *Client) Close() error {
	c.end()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != ErrClosed {
		return c.err
	}
	if c.queue.first < c.queue.next {
		return ErrUnacknowledged
	}
	return nil
}
