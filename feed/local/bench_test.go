package local

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// BenchmarkPut carries messages from a client into a sink that takes everything:
// sockets, framing and acknowledgements included.
func BenchmarkPut(b *testing.B) {
	s := &nowhere{}
	src, err := Listen(socketPath(b), session, s.journalled)
	if err != nil {
		b.Fatal(err)
	}
	defer poll(b, src, func(now wire.Nanos) error {
		_, err := src.Poll(now, s, 1024)
		return err
	})()
	c := dialTest(b, src.path, "a")
	defer c.Close()
	msg := message(16)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Put(msg); err != nil {
			b.Fatal(err)
		}
	}
	waitAcked(b, c, uint64(b.N))
}
