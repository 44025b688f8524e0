package recovery

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// counter is a Handler that keeps nothing.
type counter struct{ messages, events int }

func (c *counter) Packet(d Delivery) { c.messages += d.Messages() }
func (c *counter) Event(Event)       { c.events++ }

// session makes n packets of full size.
func session(n int) []wire.Packet {
	m := newMarket("BENCH")
	for range n {
		m.publish(40)
	}
	return m.packets
}

// TestAllocations names every operation that runs for each packet.
func TestAllocations(t *testing.T) {
	const n = 4000
	packets := session(n)
	for _, tc := range []struct {
		name string
		put  func(s *Subscriber, i int)
	}{
		{"in order, one line", func(s *Subscriber, i int) { s.Datagram(0, packets[i], 0, 1) }},
		{"in order, two lines", func(s *Subscriber, i int) {
			s.Datagram(0, packets[i], 0, 1)
			s.Datagram(1, packets[i], 0, 1)
		}},
		{"overtaking pairs", func(s *Subscriber, i int) { s.Datagram(0, packets[i^1], 0, 1) }},
		{"a gap in each ten, given up", func(s *Subscriber, i int) {
			if i%10 != 5 {
				s.Datagram(0, packets[i], 0, wire.Nanos(i)*ms)
			}
			s.Poll(wire.Nanos(i) * ms)
		}},
		{"damaged", func(s *Subscriber, i int) { s.Datagram(0, packets[i][:100], 0, 1) }},
	} {
		s, err := NewSubscriber(Config{Seed: 1}, &counter{})
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		step := func() {
			for range 100 {
				tc.put(s, i)
				i++
			}
		}
		step()
		if got := testing.AllocsPerRun(30, step); got != 0 {
			t.Errorf("%s: %v allocations in 100 packets", tc.name, got)
		}
	}
}

// TestMemory keeps a Subscriber below its bound.
func TestMemory(t *testing.T) {
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := NewSubscriber(Config{}, &counter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	if got := r.AllocedBytesPerOp(); got > 16<<20 {
		t.Errorf("a Subscriber takes %d bytes", got)
	}
}

func benchmarkPut(b *testing.B, lines int) {
	packets := session(8192)
	s, err := NewStream(Config{}, &counter{})
	if err != nil {
		b.Fatal(err)
	}
	messages := 0
	for n := 0; b.Loop(); n++ {
		i := n % len(packets)
		if i == 0 {
			s.next, s.edge, s.chain = 1, 1, packets[0].Chain()
			s.lines[0].turn(uint32(n+2), 1)
			s.lines[0].epoch, s.lines[1].epoch = 1, 1
		}
		for l := range lines {
			s.Put(packets[i], LineA+Provenance(l), 0, 1)
		}
		messages += packets[i].Count()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
	b.SetBytes(int64(len(packets[0])))
}

// BenchmarkPut takes packets of 40 messages in order, parsed before, chain included.
func BenchmarkPut(b *testing.B)         { benchmarkPut(b, 1) }
func BenchmarkPutTwoLines(b *testing.B) { benchmarkPut(b, 2) }

// BenchmarkDatagram adds the parsing: what a line costs without the socket.
func BenchmarkDatagram(b *testing.B) {
	packets := session(8192)
	s, err := NewSubscriber(Config{}, &counter{})
	if err != nil {
		b.Fatal(err)
	}
	messages := 0
	for n := 0; b.Loop(); n++ {
		i := n % len(packets)
		if i == 0 {
			s.stream.next, s.stream.edge, s.stream.chain = 1, 1, packets[0].Chain()
		}
		s.Datagram(0, packets[i], 0, 1)
		messages += packets[i].Count()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
}
