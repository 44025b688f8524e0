package synth

import (
	"bytes"
	"hash/fnv"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

var _ feed.Reader = (*Market)(nil)

func next(t testing.TB, m *Market) []byte {
	t.Helper()
	msg, err := m.Next()
	if err != nil {
		t.Fatalf("%s: %v", m.Name(), err)
	}
	return msg
}

// A change of this hash is a change of every recorded seed: say so in the changelog.
func TestGolden(t *testing.T) {
	const want = uint64(0xb7ea85e09707c3c7)
	h, m := fnv.New64a(), New(1, 0)
	for range 100_000 {
		h.Write(next(t, m))
	}
	if got := h.Sum64(); got != want {
		t.Errorf("the first 100,000 messages of seed 1 hash to %#x, want %#x", got, want)
	}
}

func TestSeedDecides(t *testing.T) {
	a, b, c := New(42, 0), New(42, DefaultInstruments), New(43, 0)
	same := true
	for i := range 50_000 {
		x := bytes.Clone(next(t, a))
		if y := next(t, b); !bytes.Equal(x, y) {
			t.Fatalf("seed 42, message %d: %x and %x", i+1, x, y)
		}
		same = same && bytes.Equal(x, next(t, c))
	}
	if same {
		t.Error("seeds 42 and 43 give the same market")
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct {
		instruments int
		want        string
	}{
		{0, "synth:42"}, {-1, "synth:42"}, {DefaultInstruments, "synth:42"}, {7, "synth:42/7"}, {1 << 30, "synth:42/10000"},
	} {
		if got := New(42, c.instruments).Name(); got != c.want {
			t.Errorf("%d instruments: %q, want %q", c.instruments, got, c.want)
		}
	}
}

func TestSymbolsAreDifferent(t *testing.T) {
	seen := map[string]int{}
	for i := range MaxInstruments {
		s := string(appendSymbol(nil, i))
		if j, ok := seen[s]; ok || len(s) < 3 || len(s) > 4 {
			t.Fatalf("instrument %d is %q, and so is %d", i, s, j)
		}
		seen[s] = i
	}
}

func TestActivity(t *testing.T) {
	for _, n := range []int{1, 2, 3, 400, 4096, MaxInstruments} {
		places := activity(n)
		if len(places)&(len(places)-1) != 0 || len(places) < n {
			t.Errorf("%d instruments: %d places, want a power of two", n, len(places))
		}
		share := make([]int, n)
		for _, i := range places {
			share[i]++
		}
		for i, s := range share {
			if s == 0 || i > 0 && s > share[i-1]+1 {
				t.Fatalf("%d instruments: number %d has %d places, the one before %d", n, i, s, share[max(i-1, 0)])
			}
		}
	}
}

func TestSourceTimeStopsAtItsBound(t *testing.T) {
	a := arrivals{now: wire.MaxSource - 1000, open: opening}
	for range 100 {
		a.next(^uint64(0) >> 1)
	}
	if a.now != wire.MaxSource {
		t.Errorf("now is %d", a.now)
	}
}

func BenchmarkNext(b *testing.B) {
	m, size := New(1, 0), 0
	for range 1_000_000 { // past the opening
		next(b, m)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		msg, _ := m.Next()
		size += len(msg)
	}
	b.ReportMetric(float64(size)/float64(b.N), "B/msg")
}
