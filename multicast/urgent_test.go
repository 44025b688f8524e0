package multicast

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asked is what the calling thread asks of the kernel's scheduler.
func asked(t *testing.T) (slack int, slice uint64) {
	t.Helper()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return slack, a.Runtime
}

// TestUrgent: the kernel keeps what is asked, and takes back that it was.
func TestUrgent(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slackBefore, sliceBefore := asked(t)
	Urgent(true)
	slack, slice := asked(t)
	if slack != shortSlack {
		t.Errorf("slack of %d ns, want %d", slack, shortSlack)
	}
	if sliceBefore == 0 {
		t.Log("this kernel knows no slices (Linux before 6.12): that part is not tested")
	} else if slice != shortSlice {
		t.Errorf("slice of %d ns, want %d", slice, shortSlice)
	}
	Urgent(false)
	if slack, slice = asked(t); slack != slackBefore || slice != sliceBefore {
		t.Errorf("slack %d and slice %d afterwards, before it was %d and %d", slack, slice, slackBefore, sliceBefore)
	}
}
