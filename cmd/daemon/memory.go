package daemon

import (
	"bytes"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
)

// Memory is what a run asked of the allocator and of the garbage collector.
type Memory struct {
	Mallocs     uint64 `json:"-"`
	Bytes       uint64 `json:"allocated_bytes"`
	Collections uint32 `json:"collections"`
	Resident    int64  `json:"resident_bytes"` // at most, since it was started; 0 where the kernel does not tell
}

// ReadMemory is what this process asked so far. It stops all goroutines for a moment.
func ReadMemory() Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Mallocs: m.Mallocs, Bytes: m.TotalAlloc, Collections: m.NumGC, Resident: resident()}
}

// Allocated is how many bytes this process took from the heap so far, whatever became of
// them. Unlike ReadMemory it stops nothing.
func Allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// resident is the high-water mark of this process's memory. The kernel's other one,
// ru_maxrss, is that of whoever started it, if that was larger.
func resident() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	_, b, _ = bytes.Cut(b, []byte("\nVmHWM:"))
	b, _, _ = bytes.Cut(b, []byte(" kB"))
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	return n << 10
}

// Since is what was asked after before.
func (m Memory) Since(before Memory) Memory {
	return Memory{m.Mallocs - before.Mallocs, m.Bytes - before.Bytes, m.Collections - before.Collections, m.Resident}
}
