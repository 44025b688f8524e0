package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// Files lists the trail of a directory, oldest first.
func Files(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "clock-????????.trail"))
	slices.Sort(files)
	return files, err
}

// day is the date in a trail file's name.
func day(file string) string {
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "clock-"), ".trail")
}

var (
	errEnd  = errors.New("audit: end of file")
	errTorn = errors.New("audit: the last block is not whole")
)

// fileReader walks over the blocks of one file.
type fileReader struct {
	name    string
	file    io.ReadCloser
	decoder *zstd.Decoder
	size    int64
	offset  int64 // of the next block
	block   int
	before  hash // the file's word for the file before
	last    hash
	after   int64
	whole   func() (size int64, err error) // of a file that may be written meanwhile
}

func openFile(name string) (*fileReader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := newReader(name, f, st.Size())
	if err == nil {
		r.whole = func() (int64, error) { return written(f, r.offset) }
	}
	return r, err
}

// written waits for the end of a write to the file that is under way, and goes to where the
// reader is; the file has that size now.
func written(f *os.File, at int64) (size int64, err error) {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err != nil {
		return 0, err
	}
	defer unix.Flock(int(f.Fd()), unix.LOCK_UN)
	st, err := f.Stat()
	if err == nil {
		_, err = f.Seek(at, io.SeekStart)
	}
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// again reports whether more of a file that ended inside a block is there by now: a clock
// that runs was writing it.
func (r *fileReader) again() bool {
	if r.whole == nil {
		return false
	}
	size, err := r.whole()
	if err != nil || size <= r.size {
		return false
	}
	r.size = size
	return true
}

// newReader reads a file of that name and size; it closes it at the end, and on error.
func newReader(name string, f io.ReadCloser, size int64) (*fileReader, error) {
	r := &fileReader{name: name, file: f, size: size}
	if err := r.begin(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *fileReader) begin() error {
	var head [fileHead]byte
	if _, err := io.ReadFull(r.file, head[:]); err != nil {
		return r.damage("no room for the file's head")
	}
	if string(head[:len(magic)]) != magic {
		return r.damage("not the head of a trail")
	}
	copy(r.before[:], head[len(magic):])
	r.last, r.offset = sha256.Sum256(head[:]), int64(fileHead)
	var err error
	r.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20))
	return err
}

func (r *fileReader) close() {
	if r.decoder != nil {
		r.decoder.Close()
	}
	r.file.Close()
}

func (r *fileReader) damage(what string) error {
	return &Damage{File: r.name, Offset: r.offset, Block: r.block, After: r.after, What: what}
}

// next gives the records of one block. It returns errEnd after the last one, errTorn
// when the file ends inside one, and a Damage for a block that does not hold.
func (r *fileReader) next() ([]Record, error) {
	if r.offset == r.size {
		return nil, errEnd
	}
	var head [blockHead]byte
	if _, err := io.ReadFull(r.file, head[:]); err != nil {
		return nil, errTorn
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > maxPacked {
		return nil, r.damage("a length that no block has")
	}
	if n > r.size-r.offset-int64(blockHead) {
		return nil, errTorn
	}
	packed := make([]byte, n)
	if _, err := io.ReadFull(r.file, packed); err != nil {
		return nil, err
	}
	sum := link(r.last, head[:4], packed)
	if !bytes.Equal(sum[:], head[4:]) {
		return nil, r.damage("the hash does not fit")
	}
	records, err := r.records(packed)
	if err != nil {
		return nil, r.damage(err.Error())
	}
	r.last, r.block, r.offset = sum, r.block+1, r.offset+int64(blockHead)+n
	return records, nil
}

func (r *fileReader) records(packed []byte) ([]Record, error) {
	raw, err := r.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	records, err := parse(raw)
	if n := len(records); n > 0 {
		r.after = records[n-1].UTC
	}
	return records, err
}

// parse reads the records of a block.
func parse(raw []byte) ([]Record, error) {
	var out []Record
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var rec Record
		if err := d.Decode(&rec); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out), err)
		}
		if err := rec.valid(); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out), err)
		}
		out = append(out, rec)
	}
}

// Summary is what Verify found.
type Summary struct {
	Files   int    `json:"files"`
	Blocks  int    `json:"blocks"`
	Records uint64 `json:"records"`
	First   int64  `json:"first_utc"`
	Last    int64  `json:"last_utc"`
	Lost    uint64 `json:"lost"`  // records that were dropped, or bytes torn, by the trail's own word
	Ended   bool   `json:"ended"` // the last record closes the trail
	Head    string `json:"head"`  // hash of the last block: noted elsewhere, it proves later that nothing before it was changed or cut off
}

// Walk reads the whole trail, checks every hash, and hands over each record in order
// until visit returns an error; visit may be nil. A *Damage names the first place
// that does not hold.
func Walk(dir string, visit func(r *Record) error) (Summary, error) {
	return walkThrough(dir, "", visit)
}

func walkThrough(dir, head string, visit func(r *Record) error) (Summary, error) {
	files, err := Files(dir)
	if err == nil && len(files) == 0 {
		err = ErrNoTrail
	}
	w := walker{visit: visit, head: strings.ToLower(head)}
	for _, name := range files {
		if err != nil {
			break
		}
		err = w.file(name)
	}
	if err == nil && head != "" && !w.met {
		err = ErrHead
	}
	return w.Summary, err
}

// Verify checks every hash of a trail. A *Damage names the first place that does not
// hold. head, if not empty, is the Head of an earlier time: ErrHead says that the trail
// does not go through it.
func Verify(dir, head string) (Summary, error) {
	return walkThrough(dir, head, nil)
}

type walker struct {
	Summary
	visit func(r *Record) error
	last  hash
	head  string // to be met
	met   bool
}

func (w *walker) file(name string) error {
	r, err := openFile(name)
	if err != nil {
		return err
	}
	defer r.close()
	r.after = w.Last
	if r.before != w.last {
		r.offset = 0
		return r.damage("it does not follow the file before: that was cut, changed or taken away")
	}
	w.Files++
	for {
		records, err := r.next()
		switch {
		case err == errEnd:
			w.last = r.last
			return nil
		case err == errTorn && r.again():
			continue
		case err == errTorn:
			return r.damage("the file ends inside a block")
		case err != nil:
			return err
		}
		w.Blocks++
		w.Head = hex.EncodeToString(r.last[:])
		w.met = w.met || w.Head == w.head
		if err := w.records(records); err != nil {
			return err
		}
	}
}

func (w *walker) records(records []Record) error {
	for i := range records {
		r := &records[i]
		w.Records++
		if w.First == 0 {
			w.First = r.UTC
		}
		w.Last, w.Ended = r.UTC, r.Kind == KindEnd
		if r.Kind == KindLost {
			w.Lost += r.Count
		}
		if w.visit == nil {
			continue
		}
		if err := w.visit(r); err != nil {
			return err
		}
	}
	return nil
}
