package multicast

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// slice is how long the calling thread wants to run at once, in ns.
func slice(t *testing.T) uint64 {
	t.Helper()
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a.Runtime
}

// TestUrgent: the kernel keeps what is asked, and that it is taken back.
func TestUrgent(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := slice(t)
	if before == 0 {
		t.Skip("this kernel knows no slices (Linux before 6.12)")
	}
	if Urgent(true); slice(t) != shortSlice {
		t.Errorf("slice of %d ns, want %d", slice(t), shortSlice)
	}
	if Urgent(false); slice(t) != before {
		t.Errorf("slice of %d ns afterwards, before it was %d", slice(t), before)
	}
}
