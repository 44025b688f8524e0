package daemon

import "runtime"

// Memory is what a run asked of the allocator and of the garbage collector.
type Memory struct {
	Mallocs     uint64 `json:"-"`
	Bytes       uint64 `json:"allocated_bytes"`
	Collections uint32 `json:"collections"`
}

// ReadMemory is what this process asked so far. It stops all goroutines for a moment.
func ReadMemory() Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Mallocs: m.Mallocs, Bytes: m.TotalAlloc, Collections: m.NumGC}
}

// Since is what was asked after before.
func (m Memory) Since(before Memory) Memory {
	return Memory{m.Mallocs - before.Mallocs, m.Bytes - before.Bytes, m.Collections - before.Collections}
}
