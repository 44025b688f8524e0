package journal_test

import (
	"testing"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// FuzzRecover mutates a journal of two segments: Recover must not panic, must
// agree with itself, and what it says is valid must be what was written.
func FuzzRecover(f *testing.F) {
	r := mustStart(f, journal.Options{SegmentBytes: 4 << 10}, journaltest.New()).run(14)
	r.close()
	whole := [][]byte{r.fs.Bytes(segment(1)), r.fs.Bytes(segment(2))}
	f.Add(uint16(0), uint16(100), uint16(0), []byte{1})
	f.Add(uint16(1), uint16(12), uint16(0), []byte{0, 0, 0, 0})
	f.Add(uint16(0), uint16(3000), uint16(500), []byte("TCjrnl\r\n"))
	f.Add(uint16(1), uint16(0), uint16(80), whole[0][:200])
	f.Fuzz(func(t *testing.T, which, at, drop uint16, patch []byte) {
		fs := r.fs.Kill()
		b := append([]byte{}, whole[which%2]...)
		i := int(at) % len(b)
		copy(b[i:], patch)
		b = b[:len(b)-int(drop)%len(b)]
		fs.Put(segment(int(which%2)+1), b)
		o := r.o
		o.FS = fs
		st, err := journal.Recover(o)
		got, readErr := read(t, fs)
		if !samePrefix(got, r.sent) {
			t.Fatalf("%d packets that were never written", len(got))
		}
		if err == nil && (readErr != nil || len(got) > 0 && got[len(got)-1].Next()-1 != st.Last) {
			t.Fatalf("recovered to %d, read %d packets: %v", st.Last, len(got), readErr)
		}
		if err == nil {
			again, err := start(t, journal.Options{SegmentBytes: 4 << 10}, fs)
			if err != nil {
				t.Fatalf("Open after Recover: %v", err)
			}
			again.run(1).close()
		}
	})
}
