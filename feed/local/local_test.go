package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// patience is how long a test waits before it is broken.
const patience = 30 * time.Second

// entry is one message that the sink took.
type entry struct {
	id      feed.InputID
	seq     uint64
	payload uint64
}

// sink is a sequencer and its journal in one: it takes messages, journals a prefix
// of them from time to time, and loses the rest in a crash.
type sink struct {
	mu      sync.Mutex
	rng     *rand.Rand
	names   []string
	log     []entry
	written int                     // entries journalled
	last    map[feed.InputID]uint64 // taken
	acked   map[feed.InputID]uint64 // journalled
	full    int                     // per cent of puts refused with ErrFull
	ended   bool
	lost    int // entries, in crashes
}

func newSink(seed uint64) *sink {
	return &sink{
		rng:  rand.New(rand.NewPCG(seed, 1)),
		last: map[feed.InputID]uint64{}, acked: map[feed.InputID]uint64{},
	}
}

func (s *sink) Register(name string) (feed.InputID, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.names {
		if n == name {
			return feed.InputID(i), s.last[feed.InputID(i)], nil
		}
	}
	if len(s.names) == feed.MaxInputs {
		return 0, 0, feed.ErrTooManyInputs
	}
	s.names = append(s.names, name)
	return feed.InputID(len(s.names) - 1), 0, nil
}

func (s *sink) Put(in feed.Input, msg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return feed.ErrEnded
	case wire.CheckMessage(msg) != nil:
		return wire.ErrMessage
	case in.Seq <= s.last[in.ID]:
		return feed.ErrDuplicate
	case in.Seq != s.last[in.ID]+1:
		return feed.ErrInputGap
	case s.full > 0 && s.rng.IntN(100) < s.full:
		return feed.ErrFull
	}
	s.last[in.ID] = in.Seq
	s.log = append(s.log, entry{in.ID, in.Seq, payloadOf(msg)})
	return nil
}

// journal writes some of what is not yet journalled, or all of it.
func (s *sink) journal(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.log) - s.written
	if !all {
		n = s.rng.IntN(n + 1)
	}
	for _, e := range s.log[s.written : s.written+n] {
		s.acked[e.id] = e.seq
	}
	s.written += n
}

// crash loses what is not journalled.
func (s *sink) crash() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost += len(s.log) - s.written
	s.log = s.log[:s.written]
	clear(s.last)
	for id, seq := range s.acked {
		s.last[id] = seq
	}
}

func (s *sink) journalled(id feed.InputID) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acked[id]
}

// of returns what was taken from an input, in order.
func (s *sink) of(name string) (out []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.log {
		if s.names[e.id] == "local:"+name {
			out = append(out, e)
		}
	}
	return out
}

// count is how many messages were taken from all inputs.
func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// message encodes a message that carries v.
func message(v uint64) []byte {
	m := wire.Opaque{Head: wire.Head{Instrument: 7}, Format: wire.FormatApplication}
	m.Data = binary.LittleEndian.AppendUint64(nil, v)
	m.Data = append(m.Data, make([]byte, v%40)...)
	return m.AppendTo(nil)
}

func payloadOf(msg []byte) uint64 {
	var m wire.Opaque
	if m.Decode(msg) != nil || len(m.Data) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(m.Data)
}

const session = wire.Session(0x31)

// daemon polls a source in a goroutine until killed.
type daemon struct {
	source *Source
	kill   func()
}

func startDaemon(t testing.TB, path string, s *sink, seed uint64) *daemon {
	t.Helper()
	src, err := Listen(path, session, s.journalled)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	return &daemon{src, poll(t, src, func(now wire.Nanos) error {
		_, err := src.Poll(now, s, 1+rng.IntN(200))
		if rng.IntN(4) == 0 {
			s.journal(false)
		}
		return err
	})}
}

// poll turns in a goroutine until stop, which closes src.
func poll(t testing.TB, src *Source, turn func(now wire.Nanos) error) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer src.Close()
		for now := wire.Nanos(1); ; now++ {
			select {
			case <-quit:
				return
			default:
			}
			if err := turn(now); err != nil {
				t.Error(err)
				return
			}
			runtime.Gosched()
		}
	}()
	return func() { close(quit); <-done }
}

func socketPath(t testing.TB) string { return filepath.Join(t.TempDir(), "s") }

func dialTest(t testing.TB, path, name string) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := Dial(ctx, path, name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func waitAcked(t testing.TB, c *Client, seq uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.WaitAcknowledged(ctx, seq); err != nil {
		t.Fatalf("waiting for %d, at %d: %v", seq, c.Acknowledged(), err)
	}
}

// checkLog wants exactly 1 to n of the input, in order, each with its payload.
func checkLog(s *sink, name string, n uint64) error {
	log := s.of(name)
	for i, e := range log {
		if want := uint64(i + 1); e.seq != want || e.payload != want {
			return fmt.Errorf("%s: entry %d is sequence %d with payload %d", name, i, e.seq, e.payload)
		}
	}
	if uint64(len(log)) != n {
		return fmt.Errorf("%s: %d messages, want %d", name, len(log), n)
	}
	return nil
}
