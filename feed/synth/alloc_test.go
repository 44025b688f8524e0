package synth

import "testing"

func TestNextAllocatesNothing(t *testing.T) {
	for _, instruments := range []int{0, 1} {
		m := New(1, instruments)
		if n := testing.AllocsPerRun(20_000, func() { next(t, m) }); n != 0 {
			t.Errorf("%d instruments: %v allocations a message", instruments, n)
		}
	}
}
