package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

const start = wire.Nanos(1_700_000_000_000_000_000)

// tape is a Reader of n messages, message k carrying k and the source time at(k),
// always in the same memory. After the last one it returns end.
type tape struct {
	n, read uint64
	at      func(k uint64) uint64
	end     error
	buf     []byte
	closed  bool
}

func newTape(n uint64, at func(k uint64) uint64) *tape { return &tape{n: n, at: at, end: io.EOF} }

func (r *tape) Name() string { return "tape:1" }
func (r *tape) Close() error { r.closed = true; return nil }
func (r *tape) Next() ([]byte, error) {
	if r.read == r.n {
		return nil, r.end
	}
	r.read++
	m := wire.OrderDelete{Head: wire.Head{Instrument: 1, Source: r.at(r.read)}, Order: r.read}
	r.buf = m.AppendTo(r.buf[:0])
	return r.buf, nil
}

// sink takes room messages and then is full; below known it has them already.
type sink struct {
	name  string
	last  uint64
	room  int
	seen  []uint64 // input sequences taken
	seq   uint64
	keep  bool
	known uint64
	err   error
}

func newSink() *sink { return &sink{room: 1 << 30, keep: true} }

func (s *sink) Register(name string) (InputID, uint64, error) {
	s.name, s.seq = name, s.last
	return 7, s.last, s.err
}

func (s *sink) Put(in Input, msg []byte) error {
	var m wire.OrderDelete
	switch err := m.Decode(msg); {
	case err != nil:
		return err
	case in.ID != 7 || in.Seq != m.Order:
		return fmt.Errorf("input %v carries message %d", in, m.Order)
	case s.err != nil:
		return s.err
	case in.Seq <= s.known:
		return ErrDuplicate
	case in.Seq <= s.seq:
		return fmt.Errorf("input sequence %d behind %d", in.Seq, s.seq)
	case s.room == 0:
		return ErrFull
	}
	s.room--
	s.seq = in.Seq
	if s.keep {
		s.seen = append(s.seen, in.Seq)
	}
	return nil
}

func pace(t testing.TB, s string) Pace {
	t.Helper()
	p, err := ParsePace(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drain polls at the times that Due gives and returns when each message was put.
func drain(t testing.TB, src Source, k *sink, now wire.Nanos) (at []wire.Nanos) {
	t.Helper()
	for range 1 << 20 {
		n, err := src.Poll(now, k, 1000)
		for range n {
			at = append(at, now)
		}
		if err == io.EOF {
			return at
		}
		if err != nil {
			t.Fatal(err)
		}
		now = max(now, src.Due(now))
	}
	t.Fatal("does not end")
	return nil
}

func sequence(from, to uint64) (s []uint64) {
	for ; from <= to; from++ {
		s = append(s, from)
	}
	return s
}

func every(ns uint64) func(uint64) uint64 { return func(k uint64) uint64 { return 1e12 + k*ns } }

func TestPacedMax(t *testing.T) {
	k := newSink()
	r := newTape(2500, every(10))
	src := NewPaced(r, Pace{}, 0)
	at := drain(t, src, k, start)
	if !slices.Equal(k.seen, sequence(1, 2500)) || at[2499] != start || k.name != "tape:1" {
		t.Errorf("%s: %d messages by %d", k.name, len(k.seen), at[2499]-start)
	}
	if n, err := src.Poll(start, k, 10); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	if src.Due(start) != never {
		t.Error("due after the end")
	}
	if src.Close() != nil || !r.closed {
		t.Error("the reader is not closed")
	}
}

func TestPacedRegistersAtFirstPoll(t *testing.T) {
	k := newSink()
	src := NewPaced(newTape(1, every(1)), Pace{}, 0)
	if src.Due(start) > start {
		t.Error("not due at once")
	}
	if k.name != "" {
		t.Error("registered before the first Poll")
	}
	k.err = ErrTooManyInputs
	_, err := src.Poll(start, k, 1)
	if !errors.Is(err, ErrTooManyInputs) || !strings.Contains(err.Error(), "tape:1") {
		t.Errorf("got %v", err)
	}
	k.err = nil
	if n, err := src.Poll(start, k, 1); n != 1 || err != nil {
		t.Errorf("then %d, %v", n, err)
	}
}

func TestPacedSpeed(t *testing.T) {
	for p, gap := range map[string]wire.Nanos{"1x": 999, "0.5x": 1998, "10x": 99} {
		k := newSink()
		at := drain(t, NewPaced(newTape(1000, every(999)), pace(t, p), 0), k, start)
		for i, now := range at {
			if want := start + wire.Nanos(i)*999*gap/999; p != "10x" && now != want {
				t.Fatalf("%s: message %d at %d, want %d", p, i+1, now-start, want-start)
			}
		}
		if last := at[999] - start; p == "10x" && last != 999*999/10 {
			t.Errorf("10x: last message at %d", last)
		}
	}
}

// A rate that does not divide a second, polled at odd times for half a minute: at
// every one of them exactly as much has been put as is due.
func TestPacedRateDoesNotDrift(t *testing.T) {
	k := newSink()
	k.keep = false
	src := NewPaced(newTape(1<<40, every(0)), pace(t, "30000/s"), 0)
	put := wire.Nanos(0)
	for i, now := wire.Nanos(0), start; now < start+30e9; i, now = i+1, now+i*7919%1_000_000 {
		n, err := src.Poll(now, k, 1000)
		put += wire.Nanos(n)
		last, next := start+(put-1)*1e9/30000, start+put*1e9/30000
		if err != nil || last > now || next <= now {
			t.Fatalf("at %d: %d put, the last due at %d, the next at %d; %v", now-start, put, last-start, next-start, err)
		}
		if due := src.Due(now); due != next {
			t.Fatalf("at %d: next due at %d, want %d", now-start, due-start, next-start)
		}
	}
}

// A loop that was away puts everything that has become due, and then is on time.
func TestPacedCatchesUp(t *testing.T) {
	k := newSink()
	src := NewPaced(newTape(1000, every(1000)), pace(t, "1x"), 0)
	src.Poll(start, k, 1000)
	if n, err := src.Poll(start+500_000, k, 1000); n != 500 || err != nil {
		t.Fatalf("%d, %v after half a millisecond away, want 500", n, err)
	}
	if due := src.Due(start + 500_000); due != start+501_000 {
		t.Errorf("next at %d, want 501000", due-start)
	}
}

// No source time, or one that goes back, is no reason to wait, nor to wait less later.
func TestPacedOddSourceTimes(t *testing.T) {
	source := []uint64{0, 0, 1000, 1500, 0, 1200, 1500, 2000, 900, 2500}
	want := []wire.Nanos{0, 0, 0, 500, 500, 500, 500, 1000, 1000, 1500}
	k := newSink()
	at := drain(t, NewPaced(newTape(10, func(i uint64) uint64 { return source[i-1] }), pace(t, "1x"), 0), k, start)
	for i := range want {
		if at[i]-start != want[i] {
			t.Errorf("message %d at %d, want %d", i+1, at[i]-start, want[i])
		}
	}
}

func TestPacedHoldsWhatIsRefused(t *testing.T) {
	k := newSink()
	src := NewPaced(newTape(20, every(10)), Pace{}, 0)
	for _, room := range []int{3, 0, 0, 5, 12} {
		k.room = room
		if n, err := src.Poll(start, k, 100); n != room || err != nil && err != io.EOF {
			t.Fatalf("room %d: %d, %v", room, n, err)
		}
		if src.Due(start) > start && len(k.seen) < 20 {
			t.Error("what is held is not due")
		}
	}
	if !slices.Equal(k.seen, sequence(1, 20)) {
		t.Errorf("got %v", k.seen)
	}
}

func TestPacedGoesOnAfterDuplicates(t *testing.T) {
	k := newSink()
	k.known = 8
	src := NewPaced(newTape(10, every(10)), Pace{}, 0)
	if n, err := src.Poll(start, k, 5); n != 0 || err != nil {
		t.Errorf("duplicates: %d, %v", n, err)
	}
	drain(t, src, k, start)
	if !slices.Equal(k.seen, sequence(9, 10)) {
		t.Errorf("got %v", k.seen)
	}
}

func TestPacedResume(t *testing.T) {
	const last, n = 2*skipBatch + 100, 2*skipBatch + 400
	k := newSink()
	k.last = last
	src := NewPaced(newTape(n, every(1000)), pace(t, "1x"), n-100)
	polls := 0
	for len(k.seen) == 0 {
		if _, err := src.Poll(start, k, 10); err != nil {
			t.Fatal(err)
		}
		polls++
	}
	if polls != 4 {
		t.Errorf("%d polls to skip %d messages and put one", polls, last)
	}
	at := drain(t, src, k, start)
	if !slices.Equal(k.seen, sequence(last+1, n-100)) {
		t.Errorf("%d messages, %d to %d", len(k.seen), k.seen[0], k.seen[len(k.seen)-1])
	}
	if end := at[len(at)-1] - start; end != 199_000 {
		t.Errorf("the last one at %d, want 199000: pacing starts where the source resumes", end)
	}
}

func TestPacedLimit(t *testing.T) {
	for _, c := range []struct{ n, limit, last, want uint64 }{
		{10, 4, 0, 4}, {10, 10, 0, 10}, {10, 11, 0, 10}, {10, 4, 3, 1}, {10, 4, 4, 0}, {10, 4, 6, 0}, {10, 0, 10, 0}, {0, 0, 0, 0},
	} {
		k := newSink()
		k.last = c.last
		r := newTape(c.n, every(1))
		drain(t, NewPaced(r, Pace{}, c.limit), k, start)
		if uint64(len(k.seen)) != c.want {
			t.Errorf("%+v: put %d", c, len(k.seen))
		}
		if c.limit != 0 && r.read > c.limit {
			t.Errorf("%+v: read %d", c, r.read)
		}
	}
}

// The end comes with the message at the limit, not one Poll later.
func TestPacedLimitEndsExactly(t *testing.T) {
	k := newSink()
	src := NewPaced(newTape(10, every(1)), Pace{}, 4)
	if n, err := src.Poll(start, k, 4); n != 4 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

func TestPacedReaderError(t *testing.T) {
	damage := errors.New("damaged")
	k := newSink()
	r := newTape(5, every(1))
	r.end = damage
	src := NewPaced(r, Pace{}, 0)
	n, err := src.Poll(start, k, 100)
	if n != 5 || !errors.Is(err, damage) || !strings.Contains(err.Error(), "tape:1: message 6: damaged") {
		t.Errorf("%d, %v", n, err)
	}
	if n, again := src.Poll(start, k, 100); n != 0 || again != err {
		t.Errorf("then %d, %v", n, again)
	}
}

// A file shorter than what was taken from it is another file: never a quiet end.
func TestPacedShorterThanBefore(t *testing.T) {
	k := newSink()
	k.last = 12
	_, err := NewPaced(newTape(5, every(1)), Pace{}, 0).Poll(start, k, 100)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "tape:1: ends after message 5, but 12") {
		t.Errorf("got %v", err)
	}
}

func TestPacedSinkErrors(t *testing.T) {
	for _, refusal := range []error{ErrEnded, ErrInputGap, wire.ErrMessage} {
		k := newSink()
		src := NewPaced(newTape(5, every(1)), Pace{}, 0)
		src.Poll(start, k, 2)
		k.err = refusal
		n, err := src.Poll(start, k, 2)
		if n != 0 || !errors.Is(err, refusal) || !strings.Contains(err.Error(), "tape:1: message 3") {
			t.Errorf("%d, %v", n, err)
		}
	}
}

func TestSourceTimeIsTheWiresOwn(t *testing.T) {
	for _, want := range []uint64{0, 1, 34_200_000_000_123, wire.MaxSource} {
		m := wire.OrderDelete{Head: wire.Head{Instrument: ^uint32(0), Source: want}, Order: ^uint64(0)}
		if got := wire.SourceOf(m.AppendTo(nil)); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if wire.SourceOf(nil) != 0 || wire.SourceOf(binary.LittleEndian.AppendUint64(nil, 1)) != 0 {
		t.Error("a short message has a source time")
	}
}

func BenchmarkPaced(b *testing.B) {
	for _, p := range []string{"max", "1000x", "1000000000/s"} {
		b.Run(strings.ReplaceAll(p, "/", " a "), func(b *testing.B) {
			k := newSink()
			k.keep, k.room = false, b.N
			src := NewPaced(newTape(uint64(b.N), every(1)), pace(b, p), 0)
			now := start
			for err := error(nil); err == nil; now += 1 << 20 {
				_, err = src.Poll(now, k, 512)
			}
		})
	}
}
