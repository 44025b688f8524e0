package rig

import _ "unsafe" // for go:linkname

// Nanotime is the kernel's monotonic clock in ns, one clock for all processes of the
// host. It costs no system call, which a benchmark cannot afford and which package
// time has only relative to a start of its own.
//
//go:linkname Nanotime runtime.nanotime
func Nanotime() int64
