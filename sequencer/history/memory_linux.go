//go:build linux && !race

package history

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapAt is from how many bytes on the memory is mapped, not taken from the heap.
const mapAt = 16 << 20

// allocate returns n bytes that are there: no page fault is left for the ingest
// loop. Small histories come from the heap. Under the race detector all do, since
// it does not watch mapped memory.
func allocate(n int) ([]byte, error) {
	if n < mapAt {
		return make([]byte, n), nil
	}
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("history: %d bytes of memory: %w; lower the history's size", n, err)
	}
	return b, nil
}

func release(b []byte) error {
	if len(b) < mapAt {
		return nil
	}
	return unix.Munmap(b)
}
