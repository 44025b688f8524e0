package rig

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Machine is what a result was measured on.
type Machine struct {
	CPU        string  `json:"cpu"`
	CPUs       int     `json:"cpus"`
	Hypervisor bool    `json:"hypervisor"`
	Memory     int64   `json:"memory_bytes"`
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	Revision   string  `json:"revision,omitempty"`
	Load       float64 `json:"load_average"` // of the minute before: others at work
}

// ThisMachine asks the host.
func ThisMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		m.Memory = int64(info.Totalram) * int64(info.Unit)
		m.Load = float64(info.Loads[0]) / (1 << 16)
	}
	m.CPU = procField("/proc/cpuinfo", "model name")
	m.Hypervisor = strings.Contains(procField("/proc/cpuinfo", "flags")+" ", " hypervisor ")
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				m.Revision = s.Value
			}
		}
	}
	return m
}

// String is the machine in a line.
func (m Machine) String() string {
	virtual := ""
	if m.Hypervisor {
		virtual = ", virtual"
	}
	return fmt.Sprintf("%s, %d CPUs%s, %.0f GiB, Linux %s, %s, load %.1f", m.CPU, m.CPUs, virtual, float64(m.Memory)/(1<<30), m.Kernel, m.Go, m.Load)
}

// procField is the first value of that name in a file of `name : value` lines.
func procField(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// PeakMemory is the most memory that this process has had resident, in bytes.
func PeakMemory() int64 {
	kb, _ := strconv.ParseInt(strings.TrimSuffix(procField("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	return kb << 10
}

// Pin keeps the calling thread, which must be locked, on one CPU; below 0 leaves it
// to the kernel, and so does a CPU that this host has not.
func Pin(cpu int) {
	if cpu < 0 || cpu >= runtime.NumCPU() {
		return
	}
	var s unix.CPUSet
	s.Set(cpu)
	_ = unix.SchedSetaffinity(0, &s) // where it may not, it runs unpinned
}

// Cost is what a process or a thread has taken.
type Cost struct {
	CPU      int64 // ns, user and system
	User     int64 // ns of it outside the kernel
	Switches int64 // of context, involuntary
}

// ProcessCost is this process's.
func ProcessCost() Cost { return cost(unix.RUSAGE_SELF) }

// ThreadCost is the calling thread's.
func ThreadCost() Cost { return cost(unix.RUSAGE_THREAD) }

func cost(who int) Cost {
	var r unix.Rusage
	if unix.Getrusage(who, &r) != nil {
		return Cost{}
	}
	return Cost{CPU: r.Utime.Nano() + r.Stime.Nano(), User: r.Utime.Nano(), Switches: r.Nivcsw}
}

// Sub is what was taken since before.
func (c Cost) Sub(before Cost) Cost {
	return Cost{c.CPU - before.CPU, c.User - before.User, c.Switches - before.Switches}
}

// Collections is how many garbage collections this process has run, and how many
// objects it has allocated.
func Collections() (gcs, allocs uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return uint64(m.NumGC), m.Mallocs
}

// heapLimit is when a process without collections collects after all, in bytes.
const heapLimit = 512 << 20

// NoCollection turns garbage collection off for the rest of the process, with a
// limit as guard: what tapecast's commands do, and what is fair to their rivals.
func NoCollection() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
}
