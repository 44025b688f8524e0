package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"packet too large":  {PacketSize: wire.MaxPacket + 1},
		"packet too small":  {PacketSize: 10},
		"slab below packet": {Slab: 2000},
		"no room for pins":  {Bytes: 20 << 20, Slab: 4 << 20},
		"pins":              {Pins: -1},
	} {
		if _, err := New(cfg, 1); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	h, err := New(Config{}, 1)
	if err != nil {
		t.Fatalf("defaults: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestCopy(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	a, b := commit(t, h, m, 3, 20), commit(t, h, m, 1, 20)
	both := append(bytes.Clone(a), b...)
	dst := make([]byte, 4096)
	for _, c := range []struct {
		name string
		dst  []byte
		seq  uint64
		want []byte
		err  error
	}{
		{"from the first", dst, 1, both, nil},
		{"within the first", dst, 3, both, nil},
		{"the second", dst, 4, b, nil},
		{"only what fits", dst[:len(a)+len(b)-1], 1, a, nil},
		{"nothing fits", dst[:len(a)-1], 1, nil, feed.ErrSmall},
		{"ahead", dst, 5, nil, feed.ErrAhead},
		{"far ahead", dst, 1 << 60, nil, feed.ErrAhead},
		{"zero", dst, 0, nil, feed.ErrGone},
	} {
		n, err := h.Copy(c.dst, c.seq)
		if !errors.Is(err, c.err) || !bytes.Equal(c.dst[:n], c.want) {
			t.Errorf("%s: %d bytes, %v; want %d, %v", c.name, n, err, len(c.want), c.err)
		}
	}
}

func TestDurableHidesWhatIsNot(t *testing.T) {
	h, m := small(t, Config{Durable: true}), newMaker()
	size := 0
	for range 3 {
		size = len(commit(t, h, m, 2, 20))
	}
	dst := make([]byte, 4096)
	see := func(next uint64, unsent int) {
		t.Helper()
		if _, got := h.Bounds(); got != next {
			t.Errorf("next %d, want %d", got, next)
		}
		if _, err := h.Copy(dst, next); err != feed.ErrAhead {
			t.Errorf("Copy(%d): %v, want ErrAhead", next, err)
		}
		if got := len(h.Unsent(10, nil)); got != unsent {
			t.Errorf("%d unsent, want %d", got, unsent)
		}
		if _, asOf := h.Definitions(); asOf != next-1 {
			t.Errorf("definitions as of %d, want %d", asOf, next-1)
		}
	}
	see(1, 0)
	h.MarkDurable(4)
	see(5, 2)
	if n, _ := h.Copy(dst, 1); n != 2*size {
		t.Errorf("Copy: %d bytes, want two packets, %d", n, 2*size)
	}
	h.MarkDurable(6)
	see(7, 1)
}

func TestReserveRefusesToEvict(t *testing.T) {
	for name, c := range map[string]struct {
		written bool
		sent    bool
		abandon bool
		full    bool
	}{
		"unwritten":               {sent: true, full: true},
		"unsent":                  {written: true, full: true},
		"abandoned but unsent":    {abandon: true, full: true},
		"written and sent":        {written: true, sent: true},
		"sent, journal abandoned": {sent: true, abandon: true},
	} {
		h, m := small(t, Config{}), newMaker()
		if c.abandon {
			h.Abandon()
		}
		var err error
		for range 1000 {
			var b []byte
			if b, err = h.Reserve(); err != nil {
				break
			}
			h.Commit(m.fill(b, 1, 800), nil)
			if c.written {
				h.MarkWritten(m.next - 1)
			}
			if c.sent {
				drain(h)
			}
		}
		if full := errors.Is(err, ErrUnwritten) || errors.Is(err, ErrUnsent); full != c.full || full && errors.Is(err, feed.ErrFull) == c.sent {
			t.Errorf("%s: %v", name, err)
		}
		if c.full { // nothing is lost, and it goes on when the reason is gone
			h.MarkWritten(m.next - 1)
			if got := drain(h); !c.sent && got != int(m.next-1) {
				t.Errorf("%s: %d packets unsent, want %d", name, got, m.next-1)
			}
			commit(t, h, m, 1, 800)
		}
	}
}

func TestLendGivesProgress(t *testing.T) {
	h, m := small(t, Config{Slab: 16 << 10}), newMaker()
	want := map[uint64][]feed.Progress{}
	for i := range 100 {
		progress := []feed.Progress{{Input: 3, Hash: 7, Seq: uint64(i)}, {Input: 9, Hash: 8, Seq: uint64(2 * i)}}[:i%3]
		p := commit(t, h, m, 2, 200, progress...)
		want[p.First()] = progress
	}
	next := uint64(1)
	err := h.Lend(1, func(p wire.Packet, progress []feed.Progress) bool {
		if p.First() != next {
			t.Fatalf("lent %d, want %d", p.First(), next)
		}
		next = p.Next()
		if _, err := wire.Parse(p); err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want[p.First()], append([]feed.Progress{}, progress...)); d != "" {
			t.Errorf("progress of %d: %s", p.First(), d)
		}
		return p.First() < 151
	})
	if err != nil || next != 153 {
		t.Errorf("stopped at %d, %v; want 153", next, err)
	}
}

func TestTruncate(t *testing.T) {
	for _, keep := range []uint64{0, 1, 5, 20, 49, 50} {
		h, m := small(t, Config{Slab: 16 << 10}), newMaker()
		chains := []uint64{0}
		for range 50 {
			commit(t, h, m, 1, 700)
			chains = append(chains, m.chain)
		}
		drain(h)
		h.Truncate(keep, chains[keep])
		fork := &maker{next: keep + 1, chain: chains[keep] + 1, epoch: 2, stamp: m.stamp}
		if err := h.Append(fork.packet(1, 700), nil); !errors.Is(err, ErrOrder) {
			t.Fatalf("keep %d: a packet of another chain: %v", keep, err)
		}
		fork = &maker{next: keep + 1, chain: chains[keep], epoch: 2, stamp: m.stamp}
		for range 10 {
			if err := h.Append(fork.packet(1, 700), nil); err != nil {
				t.Fatalf("keep %d: %v", keep, err)
			}
		}
		if oldest, next := h.Bounds(); oldest != 1 || next != keep+11 {
			t.Errorf("keep %d: bounds %d %d", keep, oldest, next)
		}
		dst := make([]byte, wire.DefaultPacket)
		for seq := uint64(1); seq < keep+11; seq++ {
			n, err := h.Copy(dst, seq)
			if err != nil {
				t.Fatalf("keep %d: Copy(%d): %v", keep, seq, err)
			}
			p := wire.Packet(dst[:n])
			if p.First() != seq || (p.Epoch() == 2) != (seq > keep) {
				t.Errorf("keep %d: Copy(%d): first %d epoch %d", keep, seq, p.First(), p.Epoch())
			}
		}
	}
}

// A relay that holds nothing up to the cut begins anew behind it.
func TestTruncateBelowMemory(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	h.Abandon()
	for range 200 {
		if err := h.Append(m.packet(1, 700), nil); err != nil {
			t.Fatal(err)
		}
	}
	if oldest, _ := h.Bounds(); oldest < 10 {
		t.Fatalf("oldest %d: nothing was evicted", oldest)
	}
	h.Truncate(5, 99)
	if oldest, next := h.Bounds(); oldest != 6 || next != 6 {
		t.Errorf("bounds %d %d, want 6 6", oldest, next)
	}
	fork := &maker{next: 6, chain: 99, epoch: 2}
	if err := h.Append(fork.packet(1, 20), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Copy(make([]byte, 4096), 6); err != nil {
		t.Error(err)
	}
	if _, err := h.Copy(make([]byte, 4096), 5); !errors.Is(err, feed.ErrGone) {
		t.Errorf("Copy(5): %v, want ErrGone", err)
	}
}

// After a cut, marks of the disk loop that may mean void packets do not count.
func TestTruncateBoundsMarks(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	for range 10 {
		commit(t, h, m, 1, 100)
	}
	drain(h)
	h.MarkWritten(10)
	h.MarkDurable(10)
	h.Truncate(4, 77)
	h.MarkWritten(10) // by a disk loop that has not noticed
	if h.Written() != 4 || h.Durable() != 4 {
		t.Errorf("written %d durable %d, want 4", h.Written(), h.Durable())
	}
	h.Rewind(4)
	if h.Written() != 4 || h.Durable() != 4 {
		t.Errorf("after Rewind: written %d durable %d, want 4", h.Written(), h.Durable())
	}
	h.MarkWritten(5)
	if h.Written() != 5 {
		t.Errorf("written %d, want 5", h.Written())
	}
}

func TestAppendOrder(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	first, second := m.packet(1, 20), m.packet(1, 20)
	if err := h.Append(second, nil); !errors.Is(err, ErrOrder) {
		t.Errorf("a gap: %v", err)
	}
	if err := h.Append(first, nil); err != nil {
		t.Error(err)
	}
	if err := h.Append(first, nil); !errors.Is(err, ErrOrder) {
		t.Errorf("twice: %v", err)
	}
	if got := h.Unsent(10, nil); len(got) != 0 {
		t.Errorf("%d unsent packets in a relay", len(got))
	}
}

func TestDefinitions(t *testing.T) {
	h, m := small(t, Config{Durable: true}), newMaker()
	want := (&wire.InstrumentDefinition{Head: wire.Head{Instrument: 5}, Symbol: []byte("SEED")}).AppendTo(nil)
	h.SeedDefinitions(want)
	for i, symbol := range []string{"A", "BB", "CCC"} {
		p := m.define(uint32(i), symbol)
		if err := h.Append(p, nil); err != nil {
			t.Fatal(err)
		}
		if got, _ := h.Definitions(); !bytes.Equal(got, want) {
			t.Fatalf("before %s is durable: %x", symbol, got)
		}
		want = (&wire.InstrumentDefinition{Head: wire.Head{Instrument: uint32(i)}, Symbol: []byte(symbol)}).AppendTo(want)
		h.MarkDurable(p.Next() - 1)
		if got, asOf := h.Definitions(); !bytes.Equal(got, want) || asOf != p.Next()-1 {
			t.Fatalf("%s: as of %d: %x, want %x", symbol, asOf, got, want)
		}
	}
	held, _ := h.Definitions()
	h.Truncate(2, m.chain)
	h.Rewind(2)
	fork := &maker{next: 3, chain: m.chain, epoch: 2}
	if err := h.Append(fork.define(9, "Z"), nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(held, want) {
		t.Error("definitions that a reader holds have changed")
	}
	h.MarkDurable(h.Next() - 1)
	got, _ := h.Definitions()
	if bytes.Contains(got, []byte("BB")) || !bytes.Contains(got, []byte("A")) || !bytes.Contains(got, []byte("Z")) {
		t.Errorf("behind the cut the definitions are %q", got)
	}
}

func TestDefinitionsStayBounded(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	h.Abandon()
	for i := range 100_000 {
		if err := h.Append(m.define(uint32(i%10), "0123456789012345678901234567890123456789"), nil); err != nil {
			t.Fatal(err)
		}
	}
	msgs, _ := h.Definitions()
	if len(msgs) > compactAt+4096 {
		t.Errorf("the log has %d bytes for 10 instruments", len(msgs))
	}
	if cap(h.definitions.Load().marks) > 200_000 {
		t.Errorf("the log has %d marks", cap(h.definitions.Load().marks))
	}
}

// TestCutBehindCompaction: a cut just behind a compaction of the log leaves what was defined
// before it.
func TestCutBehindCompaction(t *testing.T) {
	h, m := small(t, Config{}), newMaker()
	h.Abandon()
	for i := 0; h.definitions.Load().size == 0; i++ {
		if err := h.Append(m.define(uint32(i%10), "0123456789012345678901234567890123456789"), nil); err != nil {
			t.Fatal(err)
		}
	}
	_, next := h.Bounds()
	h.Truncate(next-20, m.chain)
	msgs, _ := h.Definitions()
	seen := map[uint32]bool{}
	walk(msgs, func(_ int, msg []byte) { seen[binary.LittleEndian.Uint32(msg[4:])] = true })
	if len(seen) != 10 {
		t.Errorf("%d of 10 instruments are defined behind the cut", len(seen))
	}
}

// older serves packets from a slice, whatever is visible.
type older []wire.Packet

func (o older) Oldest() uint64 { return o[0].First() }

func (o older) Copy(dst []byte, seq uint64) (n int, err error) {
	for _, p := range o {
		if p.Next() > seq {
			n += copy(dst[n:], p)
		}
	}
	if n == 0 {
		return 0, feed.ErrAhead
	}
	return n, nil
}

// What was evicted comes from Older, but never more of it than is visible.
func TestOlder(t *testing.T) {
	m := newMaker()
	var all older
	for range 6 {
		all = append(all, m.packet(2, 20))
	}
	h, err := New(Config{Older: all, Durable: true}, 13)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 4096)
	size := len(all[0])
	if n, err := h.Copy(dst, 3); err != nil || n != 5*size {
		t.Errorf("after a restart: %d bytes, %v", n, err)
	}
	if oldest, next := h.Bounds(); oldest != 1 || next != 13 {
		t.Errorf("bounds %d %d", oldest, next)
	}
	h.Truncate(8, 0) // the disk loop has not noticed
	if n, err := h.Copy(dst, 3); err != nil || n != 3*size {
		t.Errorf("over a cut: %d bytes, %v; want 3 packets", n, err)
	}
}

func TestRetiredSlabCannotBePinned(t *testing.T) {
	var s slab
	s.recycle(1)
	if !s.pin(0) {
		t.Fatal("a live slab cannot be pinned")
	}
	s.retire()
	if s.pin(0) {
		t.Error("pinned after it was retired")
	}
	if s.idle() {
		t.Error("idle while it is pinned")
	}
	s.unpin()
	if !s.idle() || s.pin(0) {
		t.Error("not idle after the last unpin")
	}
}
