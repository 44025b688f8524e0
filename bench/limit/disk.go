package limit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Disk says what is written beside the sending, as a journal would: the same bytes,
// by another thread, a megabyte at a time, synced every 16 MiB or 50 ms.
type Disk struct {
	Dir        string `json:"dir"`        // "": nothing is written
	Prewritten bool   `json:"prewritten"` // into files that were written before; else into fresh, preallocated ones
}

const (
	diskSegment = 64 << 20
	diskWrite   = 1 << 20
	diskSync    = 16 << 20
	diskQueue   = 64 << 20 // bytes between the threads; when full the sender waits, which its lateness shows
	diskTick    = 50 * time.Millisecond
)

// disk is a queue of bytes and the thread that writes them.
type disk struct {
	Disk
	queue   []byte
	in, out atomic.Int64 // bytes put, and written
	ended   atomic.Bool
	done    chan error
	files   []*os.File
}

// open makes ready to write so many bytes.
func (d Disk) open(bytes int64) (*disk, error) {
	k := &disk{Disk: d, done: make(chan error, 1)}
	if d.Dir == "" {
		return k, nil
	}
	k.queue = make([]byte, diskQueue)
	for i := range bytes/diskSegment + 1 {
		f, err := os.Create(filepath.Join(d.Dir, fmt.Sprintf("limit-%d", i)))
		if err != nil {
			return k, err
		}
		k.files = append(k.files, f)
		if err := k.prepare(f); err != nil {
			return k, err
		}
	}
	go k.run()
	return k, nil
}

func (d *disk) prepare(f *os.File) error {
	if !d.Prewritten {
		return unix.Fallocate(int(f.Fd()), 0, 0, diskSegment)
	}
	return Prewrite(f, diskSegment)
}

// Prewrite fills a file with zeros and syncs it, so that writing over it later
// allocates nothing.
func Prewrite(f *os.File, size int64) error {
	zeros := make([]byte, diskWrite)
	for at := int64(0); at < size; at += diskWrite {
		if _, err := f.WriteAt(zeros[:min(diskWrite, size-at)], at); err != nil {
			return err
		}
	}
	return f.Sync()
}

// put queues b.
func (d *disk) put(b []byte) {
	if d.queue == nil {
		return
	}
	in := d.in.Load()
	for in+int64(len(b))-d.out.Load() > diskQueue {
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	}
	at := in % diskQueue
	n := copy(d.queue[at:], b)
	copy(d.queue, b[n:])
	d.in.Store(in + int64(len(b)))
}

func (d *disk) run() {
	synced, at := int64(0), time.Now()
	for {
		n, err := d.write()
		out := d.out.Load()
		if err == nil && out > synced && (out-synced >= diskSync || time.Since(at) > diskTick) {
			err = unix.Fdatasync(int(d.files[(out-1)/diskSegment].Fd()))
			synced, at = out, time.Now()
		}
		if err != nil || n == 0 && d.ended.Load() && out == d.in.Load() {
			d.done <- err
			return
		}
		if n == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// write writes what is queued, as far as one write and one file go.
func (d *disk) write() (int, error) {
	out := d.out.Load()
	n := min(d.in.Load()-out, diskWrite, diskQueue-out%diskQueue, diskSegment-out%diskSegment)
	if n == 0 {
		return 0, nil
	}
	file := int(out / diskSegment)
	if file >= len(d.files) {
		return 0, fmt.Errorf("more than %d segments", len(d.files))
	}
	_, err := d.files[file].WriteAt(d.queue[out%diskQueue:][:n], out%diskSegment)
	d.out.Add(n)
	return int(n), err
}

// drain waits until all is written.
func (d *disk) drain() error {
	if d.queue == nil {
		return nil
	}
	d.ended.Store(true)
	return <-d.done
}

func (d *disk) remove() {
	for _, f := range d.files {
		f.Close()
		os.Remove(f.Name())
	}
}
