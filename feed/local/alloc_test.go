package local

import (
	"testing"

	"github.com/tapecast/tapecast/feed"
)

// nowhere takes everything.
type nowhere struct{ last uint64 }

func (*nowhere) Register(string) (feed.InputID, uint64, error) { return 0, 0, nil }

func (s *nowhere) Put(feed.Input, []byte) error {
	s.last++ // so that there is something to acknowledge at every turn
	return nil
}

func (s *nowhere) journalled(feed.InputID) uint64 { return s.last }

// A turn that reads, puts and acknowledges allocates nothing, nor does an idle one;
// nor does the client for a message, once its buffer has grown.
func TestAllocs(t *testing.T) {
	s := &nowhere{}
	src, err := Listen(socketPath(t), session, s.journalled)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	r := &rig{t: t, path: src.path}
	conn := r.connect(appendHello(nil, "a"))
	turn := func() {
		if _, err := src.Poll(1, s, 100); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	r.expect(conn, frameWelcome)
	ack := make([]byte, frameHead+ackSize)
	frame := puts(1, 50)
	q, msg := newQueue(1), message(1)
	for _, tc := range []struct {
		name string
		f    func()
	}{
		{"turn", func() {
			conn.Write(frame)
			turn()
			if n, err := conn.Read(ack); n != len(ack) || err != nil {
				t.Fatal(n, err)
			}
		}},
		{"idle turn", turn},
		{"queue", func() {
			for range 100 {
				q.acknowledge(q.push(msg))
			}
		}},
	} {
		if n := testing.AllocsPerRun(100, tc.f); n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}
