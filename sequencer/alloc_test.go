package sequencer

import (
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// ring lends the same memory again and again.
type ring struct {
	buf  []byte
	next uint64
}

func (r *ring) Reserve() ([]byte, error)                { return r.buf, nil }
func (r *ring) Commit(p wire.Packet, _ []feed.Progress) { r.next = p.Next() }
func (r *ring) Abandon()                                {}
func (r *ring) Durable() uint64                         { return 0 }
func (r *ring) Next() uint64                            { return r.next }

func TestAllocations(t *testing.T) {
	session, _ := wire.ParseSession("TEST")
	s, err := New(Config{Session: session, Epoch: 1, PacketSize: wire.DefaultPacket}, &ring{buf: make([]byte, wire.DefaultPacket), next: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.Register("in")
	msg, dst := message(1), make([]byte, 0, 256)
	var seq uint64
	for _, c := range []struct {
		name string
		op   func()
	}{
		{"Put", func() { seq++; s.Put(feed.Input{Seq: seq}, msg) }},
		{"Put and Flush", func() { seq++; s.Put(feed.Input{Seq: seq}, msg); s.Flush() }},
		{"Control", func() { s.Turn(s.now+60e6, wire.Clock{}); s.Control(dst) }},
	} {
		if n := testing.AllocsPerRun(1000, c.op); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	session, _ := wire.ParseSession("TEST")
	s, _ := New(Config{Session: session, Epoch: 1, PacketSize: wire.DefaultPacket}, &ring{buf: make([]byte, wire.DefaultPacket), next: 1})
	s.Register("in")
	s.Turn(1, wire.Clock{})
	msg := message(1)
	var seq uint64
	for b.Loop() {
		seq++
		if err := s.Put(feed.Input{Seq: seq}, msg); err != nil {
			b.Fatal(err)
		}
	}
}
