package main

import (
	"bufio"
	"io"
	"sync"

	"github.com/tapecast/tapecast/feed/text"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// tape prints messages, one a line. The receive loop writes; another goroutine
// flushes when it is idle, so that a quiet feed shows at once and a busy one
// costs few writes.
type tape struct {
	mu   sync.Mutex
	out  *bufio.Writer
	text *text.Printer
	json bool
	line []byte
	err  error // of the first write that failed; nothing is written after it
}

func newTape(w io.Writer, json bool) *tape {
	return &tape{out: bufio.NewWriterSize(w, 64<<10), text: text.NewPrinter(), json: json}
}

// message prints one message. The caller is alone, or holds mu.
func (t *tape) message(seq uint64, stamp wire.Nanos, msg []byte) {
	if t.json {
		t.line = t.text.AppendJSON(t.line[:0], seq, stamp, msg)
	} else {
		t.line = t.text.AppendText(t.line[:0], seq, stamp, msg)
	}
	if t.err == nil {
		_, t.err = t.out.Write(t.line)
	}
}

// packet prints the new messages of d; of a snapshot it learns the definitions.
func (t *tape) packet(d recovery.Delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := d.Cursor()
	for c.Next() {
		if d.Type() == wire.TypeSequenced {
			t.message(c.Sequence(), c.Stamp(), c.Message())
		} else {
			t.text.Learn(c.Message())
		}
	}
}

// flush writes what is buffered and gives the error that ended the tape, if any.
func (t *tape) flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = t.out.Flush()
	}
	return t.err
}
