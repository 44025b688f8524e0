package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

// Writer writes one session's journal. It belongs to the disk loop, but for Cut,
// Acknowledged, Oldest, Copy, BytesRead and Failed, which any goroutine may call.
type Writer struct {
	o    Options
	dir  string
	lock io.Closer
	err  error // why it is dead; permanent
	dead atomic.Bool

	seg  segment  // the one being written
	next *segment // prepared, or nil
	zero uint64   // segments up to this one are prewritten and not begun

	batch []byte // records not written yet; cap batchBytes and room for a header
	off   int64  // where batch goes in seg
	chain uint64 // of records, after batch

	epoch   uint32
	seq     uint64 // the next sequence
	packets uint64 // the packets' chain before it
	ended   bool

	written uint64     // last sequence in a file
	durable uint64     // last sequence synced
	floor   place      // where the last sync reached
	owed    bool       // floor is not in a record yet
	fresh   int64      // bytes in batch that want a sync: all but commit records
	dirty   int64      // such bytes written since the last sync
	since   wire.Nanos // when dirty left 0

	take   func(wire.Packet, []feed.Progress) bool // w.add, bound once
	full   bool                                    // add met the end of the segment
	broken error                                   // add met a packet that cannot be
	taken  int                                     // packets added by this Step
	limit  uint64                                  // add stops before what goes past it

	mu   sync.Mutex
	cuts []Cut // asked for and not written; a step behind, so a handful

	progress progress
	store    store
	scratch  [floorLen]byte // the body of a control record
}

// segment is an open segment file.
type segment struct {
	file File
	path string
	id   uint64
	size int64
}

// Open makes ready to append to the journal that st describes: it takes the lock,
// cuts a torn tail, writes e, the epoch that begins, and makes all of it durable
// before it returns. The epoch must rise; on a new journal e.Cut and e.Chain say
// where it starts. It returns ErrLocked, ErrEpoch, ErrEnded, ErrStale, ErrConfig
// or ErrDead and why.
func Open(o Options, st *State, e Cut) (*Writer, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := admit(o, st, e); err != nil {
		return nil, err
	}
	w := &Writer{o: o, dir: o.path(), limit: ^uint64(0)}
	if err := o.FS.MkdirAll(w.dir); err != nil {
		return nil, dead("create directory", w.dir, err)
	}
	if w.lock, err = o.FS.Lock(filepath.Join(w.dir, "lock")); err != nil {
		return nil, fmt.Errorf("journal: lock %s: %w", w.dir, err)
	}
	w.adopt(st)
	if err := w.start(st, e); err != nil {
		w.closeFiles()
		return nil, err
	}
	return w, nil
}

// admit says whether epoch e may follow st.
func admit(o Options, st *State, e Cut) error {
	switch {
	case st.Ended:
		return fmt.Errorf("%w: at sequence %d", ErrEnded, st.Last)
	case st.Session != o.Session || st.Channel != o.Channel:
		return fmt.Errorf("%w: session %s, channel %d", ErrForeign, st.Session, st.Channel)
	case e.Epoch == 0:
		return fmt.Errorf("%w: epoch 0", ErrEpoch)
	case len(st.Cuts) == 0:
		return nil
	case o.Relay && e.Epoch == st.Epoch:
		return nil
	}
	return st.admit(e)
}

// admit says whether e rises and cuts at a place of this journal.
func (st *State) admit(e Cut) error {
	switch {
	case e.Epoch <= st.Epoch:
		return fmt.Errorf("%w: epoch %d is not above %d, the journal's: is the clock wrong, or another sequencer at work?", ErrEpoch, e.Epoch, st.Epoch)
	case e.Cut > st.Last:
		return fmt.Errorf("%w: it begins after sequence %d, the journal ends at %d: is it an old copy?", ErrEpoch, e.Cut, st.Last)
	case e.Cut == st.Last && e.Chain != st.Chain:
		return fmt.Errorf("%w: the chains after sequence %d differ: %016x here, %016x there", ErrEpoch, e.Cut, st.Chain, e.Chain)
	}
	return nil
}

// adopt takes over where st ends.
func (w *Writer) adopt(st *State) {
	w.batch = make([]byte, 0, batchBytes+headerLen+maxRecord)
	w.take = w.add
	w.epoch, w.seq, w.packets = st.Epoch, st.Last+1, st.Chain
	w.written, w.durable = st.Last, st.Last
	w.store.init(w.o.FS, w.dir, st)
}

// start brings the files in order and writes the epoch.
func (w *Writer) start(st *State, e Cut) error {
	err := w.renew(st)
	if err == nil {
		err = w.resume(st, e)
	}
	if err == nil && (len(st.Cuts) == 0 || e.Epoch != st.Epoch) {
		err = w.writeEpoch(e)
	}
	// The first sync makes the epoch durable, the second one the record that says so.
	for range 2 {
		if err == nil {
			err = w.settle()
		}
	}
	if err == nil && w.o.Prewrite > 0 {
		err = w.prewrite()
	}
	return err
}

// resume opens the last segment at its end, or begins the first one.
func (w *Writer) resume(st *State, e Cut) error {
	if err := w.unchanged(st); err != nil {
		return err
	}
	if len(st.Cuts) == 0 { // what there is holds no epoch, so nothing was ever sent
		w.epoch, w.seq, w.packets = e.Epoch, e.Cut+1, e.Chain
		w.written, w.durable = e.Cut, e.Cut
		w.store.grow(w.seq, place{segment: 1})
		return w.begin(1)
	}
	w.chain = st.chain
	if st.at.offset == 0 {
		return w.begin(st.at.segment)
	}
	path := filepath.Join(w.dir, segmentName(st.at.segment))
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("open", path, err)
	}
	w.seg, w.off = segment{file: f, path: path, id: st.at.segment}, st.at.offset
	if w.seg.size, err = f.Size(); err != nil {
		return dead("stat", path, err)
	}
	if st.Torn != nil {
		return w.cutTail()
	}
	return nil
}

// unchanged returns ErrStale when something was written behind the end that st knows.
func (w *Writer) unchanged(st *State) error {
	r := segmentReader{fs: w.o.FS, dir: w.dir}
	defer r.close()
	err := r.open(max(st.at.segment, 1))
	if errors.Is(err, fs.ErrNotExist) && st.at.offset == 0 {
		return nil
	}
	if err != nil {
		return dead("open", r.path, err)
	}
	head, err := r.headAt(st.at.offset)
	if err != io.EOF {
		return dead("read", r.path, err)
	}
	if head != st.head {
		return fmt.Errorf("%w: %s", ErrStale, r.path)
	}
	return nil
}

// cutTail takes a torn tail away for good before anything is written over it.
func (w *Writer) cutTail() error {
	if err := w.seg.file.Truncate(w.off); err != nil {
		return dead("truncate", w.seg.path, err)
	}
	if err := w.seg.file.Preallocate(w.seg.size); err != nil {
		return dead("preallocate", w.seg.path, err)
	}
	if err := w.seg.file.Sync(); err != nil {
		return dead("sync", w.seg.path, err)
	}
	return nil
}

// Cut says that epoch e begins: packets past e.Cut are void, and packets of e
// follow. A relay calls it before the history's Truncate.
func (w *Writer) Cut(e Cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts = append(w.cuts, e)
}

// Acknowledged is the last sequence of an input that this Writer has written, in
// strict mode made durable; 0 none. What was journalled before is in State.Inputs.
func (w *Writer) Acknowledged(id feed.InputID) uint64 { return w.progress.acknowledged(id) }

// Failed reports whether the journal is dead.
func (w *Writer) Failed() bool { return w.dead.Load() }

// Oldest is the first sequence that Copy serves. It implements history.Older.
func (w *Writer) Oldest() uint64 { return w.store.oldest() }

// Copy copies whole consecutive packets to dst and returns their length in bytes;
// the first one contains seq. It reads the files, a block of blockBytes at a time,
// and readers of one block share one read. It returns feed.ErrGone (with *RotError
// where the disk changed it), feed.ErrAhead, feed.ErrBusy or feed.ErrSmall. It
// implements history.Older.
func (w *Writer) Copy(dst []byte, seq uint64) (n int, err error) { return w.store.copy(dst, seq) }

// BytesRead is how many bytes Copy has read from files so far.
func (w *Writer) BytesRead() int64 { return w.store.read.Load() }

// End writes that the session is over after sequence last, and makes it durable.
// Step must have written everything before. It returns ErrDead and why.
func (w *Writer) End(last, chain uint64) error {
	if w.err != nil {
		return w.err
	}
	if last != w.seq-1 || chain != w.packets {
		return fmt.Errorf("%w: the session ends at %d, the journal at %d: step it to the end first", ErrChain, last, w.seq-1)
	}
	return w.keep(w.writeEnd(last, chain))
}

// Close writes that all is well, makes it durable, and lets go of files and lock.
// A dead Writer only lets go; Close then returns why it died.
func (w *Writer) Close() error {
	if w.err == nil {
		_ = w.keep(w.writeClose())
	}
	w.closeFiles()
	err := w.err
	if err == nil {
		w.err = fs.ErrClosed
	}
	return err
}

func (w *Writer) closeFiles() {
	if w.seg.file != nil {
		w.seg.file.Close()
	}
	if w.next != nil {
		w.next.file.Close()
	}
	w.seg, w.next = segment{}, nil
	if w.lock != nil {
		w.lock.Close()
		w.lock = nil
	}
}

// keep remembers the first failure for good.
func (w *Writer) keep(err error) error {
	if err != nil {
		w.err = err
		w.dead.Store(true)
	}
	return err
}
