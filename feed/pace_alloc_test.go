package feed

import "testing"

func TestPacedAllocatesNothing(t *testing.T) {
	for _, p := range []string{"max", "1x", "1000000/s"} {
		k := newSink()
		k.keep = false
		src := NewPaced(newTape(1<<40, every(1000)), pace(t, p), 0)
		src.Poll(start, k, 1)
		now := start
		if n := testing.AllocsPerRun(100, func() {
			now += 1000
			if _, err := src.Poll(now, k, 100); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", p, n)
		}
	}
}
