package e2e

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tail is the last segment of a dead daemon's journal, read by the format that
// package journal documents.
type tail struct {
	path  string
	floor int64   // up to here the file says of itself that it is durable
	ends  []int64 // of every record behind the header
	lasts []uint64
}

// end is where the written part ends.
func (j *tail) end() int64 { return j.ends[len(j.ends)-1] }

// last is the last sequence in the file.
func (j *tail) last() uint64 { return j.lasts[len(j.lasts)-1] }

// behind is where the record with the sequence seq ends.
func (j *tail) behind(seq uint64) int64 {
	i := slices.IndexFunc(j.lasts, func(last uint64) bool { return last >= seq })
	if i < 0 {
		return j.end()
	}
	return j.ends[i]
}

// readTail finds the records of the newest segment of the only session in dir.
func readTail(t *testing.T, dir string) *tail {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.tcj"))
	slices.Sort(files)
	for _, path := range slices.Backward(files) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if j := scanTail(path, b); j != nil {
			return j
		}
	}
	t.Fatalf("no journal in %s", dir)
	return nil
}

func scanTail(path string, b []byte) *tail {
	const header, head, typePacket, typeCommit, typeClose = 80, 20, 1, 2, 5
	le := binary.LittleEndian
	j := &tail{path: path, floor: header}
	segment, last := le.Uint64(b[16:]), le.Uint64(b[32:])-1
	for off := header; off+head <= len(b); {
		r := b[off:]
		n := int(le.Uint32(r[12:]))
		if n < head || n > len(r) {
			break
		}
		body := r[head+16*int(le.Uint16(r[18:])) : n]
		switch r[16] {
		case typePacket:
			last = le.Uint64(body[32:]) + uint64(le.Uint16(body[10:])) - 1
		case typeCommit, typeClose:
			if le.Uint64(body[24:]) == segment {
				j.floor = max(j.floor, int64(le.Uint64(body[32:])))
			}
		}
		off += n
		j.ends, j.lasts = append(j.ends, int64(off)), append(j.lasts, last)
	}
	if len(j.ends) == 0 {
		return nil
	}
	return j
}

// lose does to the bytes from off to the end of the written part what a power cut
// may do to what was not synced: they are gone, or they are anything.
func (j *tail) lose(t *testing.T, r *rand.Rand, off int64) {
	t.Helper()
	f, err := os.OpenFile(j.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, j.end()-off)
	if r.IntN(2) == 0 {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}
