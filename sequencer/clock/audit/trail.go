package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/tapecast/tapecast/feed/wire"
)

const (
	magic     = "tapecast clock trail v1\n"
	fileHead  = len(magic) + sha256.Size
	blockHead = 4 + sha256.Size

	// MaxPending is how many records wait in memory. More are dropped and counted.
	MaxPending = 8192

	blockRecords = 512
	blockEvery   = wire.Nanos(10e9)
	maxPacked    = 16 << 20
)

type hash = [sha256.Size]byte

// A loss is records that were dropped, and the UTC of the first of them.
type loss struct {
	n     uint64
	since int64
}

// Trail appends records. Put may be called from any loop and never waits for a disk;
// Step and Close belong to one.
type Trail struct {
	dir     string
	encoder *zstd.Encoder

	mu      sync.Mutex
	pending []Record
	waiting atomic.Int64 // taken and not on the disk: pending, and what is being written
	lost    loss         // dropped, and not written as such yet
	closed  bool
	dropped atomic.Uint64 // ever

	lock *os.File // held while the trail is open
	file *os.File
	day  string
	last hash
	end  int64      // of the last good block in file
	when wire.Nanos // of the last block
}

// Open goes on with the trail in the directory, which is made if need be, with h as
// the next record. A block that a crash left half-written is cut off, a file without a
// whole head put aside, and that is recorded; other damage is an error, and nothing is written. ErrBusy says that
// another process writes there.
func Open(dir string, h Header, now wire.Nanos) (*Trail, error) {
	first := Record{Kind: KindHeader, UTC: int64(now), Header: &h}
	if err := first.valid(); err != nil {
		return nil, fmt.Errorf("audit: %w: now is %s by the host's clock, a trail ends in 2043", err, utcText(int64(now)))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	t := &Trail{dir: dir, encoder: e, when: now}
	if t.lock, err = hold(dir); err != nil {
		return nil, err
	}
	if err := t.resume(); err != nil {
		t.lock.Close()
		return nil, err
	}
	t.Put(first)
	return t, nil
}

// hold locks a directory for one writer.
func hold(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, ErrBusy
	}
	return f, nil
}

// resume finds the last hash. A torn block is cut off the last file, a file without a
// whole head is put aside, and the trail says so.
func (t *Trail) resume() error {
	files, err := Files(t.dir)
	if err != nil || len(files) == 0 {
		return err
	}
	last := files[len(files)-1]
	if st, err := os.Stat(last); err == nil && st.Size() < int64(fileHead) {
		t.torn(st.Size(), "bytes of a file that was only begun when the program ended")
		if err := os.Rename(last, last+".torn-0"); err != nil {
			return err
		}
		return t.resume()
	}
	r, err := openFile(last)
	if err != nil {
		return err
	}
	defer r.close()
	for err == nil {
		_, err = r.next()
	}
	if err == errTorn {
		var n int64
		n, err = cut(r)
		t.torn(n, "bytes of a block that was half-written when the program ended")
	}
	if err != nil && err != errEnd {
		return err
	}
	t.last, t.end, t.day = r.last, r.offset, day(last)
	t.file, err = os.OpenFile(last, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// torn notes what a crash left, and was put aside.
func (t *Trail) torn(bytes int64, what string) {
	t.Put(Record{Kind: KindLost, UTC: int64(t.when), Count: uint64(bytes), Text: what})
}

// cut takes a torn block off the end of a file, and keeps it beside it: should it
// have been more than that, nothing is gone.
func cut(r *fileReader) (torn int64, err error) {
	whole, err := os.ReadFile(r.name)
	if err != nil {
		return 0, err
	}
	rest := whole[r.offset:]
	aside := fmt.Sprintf("%s.torn-%d", r.name, r.offset)
	if err := os.WriteFile(aside, rest, 0o640); err != nil {
		return 0, err
	}
	return int64(len(rest)), os.Truncate(r.name, r.offset)
}

// Put takes a record; the pointers in it belong to the trail from then on. One that no
// reader would take is dropped and counted: it must not make the others unreadable.
func (t *Trail) Put(r Record) {
	err := r.valid()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || t.closed || len(t.pending) >= MaxPending {
		t.drop(loss{1, r.UTC})
		return
	}
	t.pending = append(t.pending, r)
	t.waiting.Add(1)
}

// drop counts; mu is held.
func (t *Trail) drop(l loss) {
	t.lost.add(l)
	t.dropped.Add(l.n)
}

func (l *loss) add(o loss) {
	if l.n == 0 || o.n > 0 && o.since < l.since {
		l.since = o.since
	}
	l.n += o.n
}

// Lost is how many records were dropped since Open, written as lost in the trail or
// not yet: it never falls. Any loop may ask, also while the disk hangs; it waits for
// nothing.
func (t *Trail) Lost() uint64 { return t.dropped.Load() }

// Waiting is how many records were taken and are not on the disk, as far as is known while
// that hangs. Any loop may ask.
func (t *Trail) Waiting() int64 { return t.waiting.Load() }

// Step writes what is due. An error is of this attempt; the records wait for the
// next one.
func (t *Trail) Step(now wire.Nanos) error {
	t.mu.Lock()
	waited := now >= t.when+blockEvery || now < t.when // the clock was set back
	due := len(t.pending) >= blockRecords || len(t.pending) > 0 && waited
	t.mu.Unlock()
	if !due {
		return nil
	}
	return t.write(now)
}

// Close writes the rest and an end record.
func (t *Trail) Close(now wire.Nanos) error {
	t.Put(Record{Kind: KindEnd, UTC: int64(now)})
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	err := t.write(now)
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	return errors.Join(err, t.lock.Close())
}

// take hands over what is pending, and how many records are not.
func (t *Trail) take() (records []Record, lost loss) {
	t.mu.Lock()
	defer t.mu.Unlock()
	records, lost = t.pending, t.lost
	t.pending, t.lost = nil, loss{}
	return records, lost
}

// giveBack puts records that could not be written in front again, and what is to be
// noted as lost with them.
func (t *Trail) giveBack(records []Record, lost loss) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lost.add(lost)
	t.pending = append(records, t.pending...)
	if over := len(t.pending) - MaxPending; over > 0 {
		t.drop(loss{uint64(over), t.pending[MaxPending].UTC})
		t.pending = t.pending[:MaxPending]
		t.waiting.Add(-int64(over))
	}
}

// noted adds the record of a loss; a time that no reader would take is cut to one.
func noted(records []Record, lost loss, now wire.Nanos) []Record {
	if lost.n == 0 {
		return records
	}
	cut := func(utc int64) int64 { return max(-most, min(utc, most)) }
	return append(records, Record{Kind: KindLost, UTC: cut(int64(now)), Since: cut(lost.since), Count: lost.n, Text: "records dropped: the disk was slower than the clock, or a value was out of range"})
}

func (t *Trail) write(now wire.Nanos) error {
	records, lost := t.take()
	if len(records) == 0 && lost.n == 0 {
		return nil
	}
	err := t.rotate(now)
	if err == nil {
		err = t.block(noted(records, lost, now))
	}
	if err != nil {
		t.giveBack(records, lost)
		return fmt.Errorf("audit: %w", err)
	}
	t.waiting.Add(-int64(len(records)))
	t.when = now
	return nil
}

// rotate opens the file of the day.
func (t *Trail) rotate(now wire.Nanos) error {
	today := now.Time().Format("20060102")
	if t.file != nil && today <= t.day {
		return nil
	}
	name := filepath.Join(t.dir, "clock-"+today+".trail")
	head := append([]byte(magic), t.last[:]...)
	if err := t.begin(name, head); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	if t.file != nil {
		t.file.Close()
	}
	t.file, t.day, t.last, t.end = f, today, sha256.Sum256(head), int64(fileHead)
	return syncDir(t.dir)
}

// begin makes a file that has only its head. It gets its name when the head is on the
// disk: no crash leaves a file of that name without one.
func (t *Trail) begin(name string, head []byte) error {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, os.ErrExist)
	}
	beside := filepath.Join(t.dir, "clock.trail.new")
	f, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(head); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(beside, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(beside))
	}
	return nil
}

// block appends one block, or leaves the file as it was.
func (t *Trail) block(records []Record) error {
	raw, err := lines(records)
	if err != nil {
		return err
	}
	return t.append(raw)
}

// append writes one block of lines.
func (t *Trail) append(raw []byte) error {
	packed := t.encoder.EncodeAll(raw, nil)
	b := make([]byte, blockHead, blockHead+len(packed))
	binary.LittleEndian.PutUint32(b, uint32(len(packed)))
	next := link(t.last, b[:4], packed)
	copy(b[4:], next[:])
	b = append(b, packed...)
	if err := t.clear(); err != nil {
		return err
	}
	// Whoever reads the file waits for the block; the writer waits for nobody.
	_ = unix.Flock(int(t.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	_, err := t.file.Write(b)
	_ = unix.Flock(int(t.file.Fd()), unix.LOCK_UN)
	if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		return errors.Join(err, t.file.Truncate(t.end))
	}
	t.last, t.end = next, t.end+int64(len(b))
	return nil
}

// clear takes away what a write that failed left behind the last good block: if it
// cannot, nothing may be written behind that.
func (t *Trail) clear() error {
	st, err := t.file.Stat()
	switch {
	case err != nil:
		return err
	case st.Size() < t.end:
		return fmt.Errorf("%s has %d bytes, %d were written: somebody cut it off", t.file.Name(), st.Size(), t.end)
	case st.Size() > t.end:
		return t.file.Truncate(t.end)
	}
	return nil
}

func lines(records []Record) ([]byte, error) {
	var out []byte
	for i := range records {
		line, err := json.Marshal(&records[i])
		if err != nil {
			return nil, err
		}
		out = append(append(out, line...), '\n')
	}
	return out, nil
}

// link is the hash of a block.
func link(before hash, length, packed []byte) hash {
	h := sha256.New()
	h.Write(before[:])
	h.Write(length)
	h.Write(packed)
	return hash(h.Sum(nil))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
