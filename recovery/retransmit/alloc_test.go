package retransmit

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// Repair and follow allocate nothing at either end.
func TestAllocs(t *testing.T) {
	r := newRig(t)
	r.tape.add(5000, 50)
	r.serve()
	plain, zip := r.accept(true), r.accept(false)
	login := Login{Channel: AnyChannel, Compress: true}
	zip.Receive(r.now, login.appendTo(nil))
	following := r.accept(true)
	following.Receive(r.now, appendRange(nil, 1, 1, 0))
	drain := func(s *Session, now wire.Nanos) (n int) {
		for range 10 {
			k, _ := s.Produce(now, r.buf)
			s.Taken(now, k)
			n += k
		}
		return n
	}
	drain(zip, r.now)
	drain(following, r.now)
	client := NewClient(ClientConfig{}, 0)
	w := testWelcome()
	if err := client.Receive(0, w.appendTo(nil), silent{}); err != nil {
		t.Fatal(err)
	}
	client.Sent(len(client.Output()))
	data := vectors()[7].f
	request := appendRange(nil, 1, 1001, 3000)
	now := r.now
	repair := func(s *Session) func() {
		return func() {
			now += second
			if err := s.Receive(now, request); err != nil {
				t.Fatal(err)
			}
			if drain(s, now) < 1000 {
				t.Fatal("no answer")
			}
		}
	}
	for name, fn := range map[string]func(){
		"repair":      repair(plain),
		"repair zstd": repair(zip),
		"heartbeat": func() {
			now += second
			if drain(following, now) < 100 {
				t.Fatal("no heartbeat")
			}
		},
		"poll": func() { following.Poll(r.now) },
		"client": func() {
			client.Request(5, 41, 42)
			client.Sent(len(client.Output()))
			client.Receive(0, data[:30], silent{})
			client.Receive(0, data[30:], silent{})
			client.Receive(0, data, silent{})
			client.finish(5)
		},
	} {
		fn()
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRepair(b *testing.B) {
	r := newRig(b)
	r.tape.add(5000, 50)
	r.serve()
	s := r.accept(true)
	request := appendRange(nil, 1, 1001, 3000)
	now := r.now
	for b.Loop() {
		now += second
		s.Receive(now, request)
		for range 4 {
			n, _ := s.Produce(now, r.buf)
			s.Taken(now, n)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
