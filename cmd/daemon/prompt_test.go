package daemon

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// prompted is one connection without goroutines, and its client.
type prompted struct {
	t     *testing.T
	conn  *connection
	peer  net.Conn
	proto *retransmit.Client
	got   []byte // packets
	done  int
	ignore
}

// Packets implements retransmit.ClientHandler.
func (p *prompted) Packets(_ uint32, b []byte) { p.got = append(p.got, b...) }

// Done implements retransmit.ClientHandler.
func (p *prompted) Done(uint32, uint64) { p.done++ }

// newPrompted logs in to a daemon that has so many messages.
func newPrompted(t *testing.T, messages int) *prompted {
	t.Helper()
	d, err := Open(Config{
		Feed: &few{more: messages - 3}, EndAtEOF: true, Journal: NoJournal,
		Interface: "lo", LineA: netip.MustParseAddrPort("239.255.79.7:30507"), Retransmit: "127.0.0.1:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.ingest.turn(d.clock.Now(), wire.Clock{})
	p := &prompted{t: t, proto: retransmit.NewClient(retransmit.ClientConfig{Login: retransmit.Login{Channel: retransmit.AnyChannel}}, hostTime())}
	p.conn, p.peer = pair(t, newShell(d.server, d.clock))
	if p.conn.session, err = d.server.Accept(d.clock.Now(), "peer"); err != nil {
		t.Fatal(err)
	}
	p.send()
	p.conn.prompt()
	p.read()
	return p
}

// send hands the session what the client says, as the reader does.
func (p *prompted) send() {
	p.t.Helper()
	b := p.proto.Output()
	if err := p.conn.session.Receive(p.conn.shell.clock.Now(), b); err != nil {
		p.t.Fatal(err)
	}
	p.proto.Sent(len(b))
}

// read takes what is there, and waits for something.
func (p *prompted) read() {
	p.t.Helper()
	b := make([]byte, 1<<20)
	n, err := p.peer.Read(b)
	if err == nil {
		err = p.proto.Receive(hostTime(), b[:n], p)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *prompted) ask(id uint32, first, last uint64) {
	p.t.Helper()
	if err := p.proto.Request(id, first, last); err != nil {
		p.t.Fatal(err)
	}
	p.send()
}

// TestPrompt: the reader gives a short answer by itself, without a turn of a writer,
// of which there is none here.
func TestPrompt(t *testing.T) {
	p := newPrompted(t, 3)
	p.ask(1, 1, 3)
	p.conn.prompt()
	if p.read(); p.done != 1 || len(p.got) == 0 {
		t.Errorf("%d answers, %d bytes of packets", p.done, len(p.got))
	}
	if p.conn.rest != nil || p.conn.buffer != nil || len(p.conn.shell.copies) != 0 {
		t.Error("something was kept of an answer that is given")
	}
}

// TestPromptLeaves: while the connection is being written to, while others wait for a
// turn or copy, the reader leaves the answer to the writer.
func TestPromptLeaves(t *testing.T) {
	p := newPrompted(t, 3)
	s := p.conn.shell
	p.ask(1, 1, 3)
	for _, c := range []struct {
		what        string
		begin, over func()
	}{
		{"an answer under way", p.conn.out.Lock, p.conn.out.Unlock},
		{"others who wait", func() { s.writers.waiting.Add(1) }, func() { s.writers.waiting.Add(-1) }},
		{"others who copy", func() {
			for range cap(s.copies) {
				s.copies <- struct{}{}
			}
		}, func() {
			for range cap(s.copies) {
				<-s.copies
			}
		}},
	} {
		c.begin()
		p.conn.prompt()
		c.over()
		if n := p.conn.session.Counters().Messages; n != 0 || len(p.conn.rest) != 0 {
			t.Errorf("%s: %d messages were sent, %d bytes are left", c.what, n, len(p.conn.rest))
		}
	}
	p.conn.prompt()
	if p.read(); p.done != 1 {
		t.Error("no answer when all is over")
	}
}

// TestPromptLong: a long answer is the writer's, which begins with what the reader had
// asked the session for; a short one behind it waits for it.
func TestPromptLong(t *testing.T) {
	const messages = 20_000
	p := newPrompted(t, messages)
	p.ask(1, 1, messages)
	p.conn.prompt()
	first := bytes.Clone(p.conn.rest)
	if len(first) <= promptSize {
		t.Fatalf("the reader left %d bytes of a long answer", len(first))
	}
	p.ask(2, 1, 1)
	p.conn.prompt() // the rest of the first goes first
	if !bytes.Equal(p.conn.rest, first) {
		t.Fatal("what was to be written changed")
	}
	go p.conn.shell.writers.run()
	t.Cleanup(func() { close(p.conn.shell.writers.turns) })
	wrote := make(chan error, 1)
	go func() {
		for {
			if wait, err := p.conn.produce(); wait != 0 || err != nil {
				wrote <- err
				return
			}
		}
	}()
	for p.done < 2 {
		p.read()
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if n := countMessages(t, p.got); n < messages+1 {
		t.Errorf("%d messages came, %d were asked for", n, messages+1)
	}
}

func countMessages(t *testing.T, b []byte) (n int) {
	t.Helper()
	for len(b) > 0 {
		p, err := wire.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		n, b = n+p.Count(), b[len(p):]
	}
	return n
}
