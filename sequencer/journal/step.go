package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
)

// Step is one turn of the disk loop: it writes up to batchBytes of what h has and
// the files have not, syncs when that is due (strict: at once; fast: SyncEvery
// after the first unsynced byte, or at 16 MiB), marks h, and prepares the next
// segment. It returns the number of packets written; 0: nothing to do, call it
// again in a moment, and no later than SyncEvery. The first failure is permanent:
// ErrDead and why, or ErrChain, ErrEpoch, ErrConfig for packets that cannot be
// journalled. Nothing is tried twice.
func (w *Writer) Step(h *history.History, now wire.Nanos) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	return w.taken, w.keep(w.step(h, now))
}

func (w *Writer) step(h *history.History, now wire.Nanos) error {
	w.taken = 0
	if w.dirty == 0 {
		w.since = now
	}
	if err := w.fill(h); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	h.MarkWritten(w.written)
	if !w.o.Strict {
		w.progress.publish()
	}
	if w.Due(now) {
		if err := w.sync(); err != nil {
			return err
		}
	}
	if w.dirty == 0 {
		w.progress.publish()
	}
	h.MarkDurable(w.durable)
	return w.prepareAhead()
}

// Due reports whether a Step now would sync, which takes its time.
func (w *Writer) Due(now wire.Nanos) bool {
	return w.dirty > 0 && (w.o.Strict || w.dirty >= maxUnsynced || now-w.since >= w.o.SyncEvery)
}

// fill moves records to the batch: the floor that is owed, what the history has,
// and the epochs between. It rolls at most once.
func (w *Writer) fill(h *history.History) error {
	if err := w.owe(); err != nil {
		return err
	}
	for rolled := false; ; {
		cut, pending := w.pendingCut()
		w.limit, w.full = ^uint64(0), false
		if pending {
			w.limit = cut.Cut
		}
		if err := h.Lend(w.seq, w.take); err != nil {
			return dead("follow", w.dir, errors.New("history evicted packets before they were written"))
		}
		switch {
		case w.broken != nil:
			return w.broken
		case w.full && rolled:
			return nil
		case w.full:
			if err := w.roll(); err != nil {
				return err
			}
			rolled = true
		case pending && w.seq > cut.Cut:
			if err := w.turn(h, cut); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// add takes one packet into the batch; false: no more this time.
func (w *Writer) add(p wire.Packet, progress []feed.Progress) bool {
	n := recordLen + len(progress)*progressLen + len(p)
	switch {
	case p.Epoch() != w.epoch || p.Next()-1 > w.limit || w.ended:
		return false // of an epoch that Cut has announced, or that it has cut off
	case len(w.batch) >= batchBytes:
		return false
	case p.First() != w.seq || p.Chain() != w.packets:
		w.broken = fmt.Errorf("%w: packet %d after %d", ErrChain, p.First(), w.seq-1)
		return false
	case int64(2*headerLen+n+slack) > w.o.SegmentBytes:
		w.broken = fmt.Errorf("%w: a segment of %d bytes cannot hold a packet of %d", ErrConfig, w.o.SegmentBytes, len(p))
		return false
	case !w.fits(n):
		w.full = true
		return false
	}
	w.store.note(p.First(), w.here())
	w.batch = appendRecord(w.batch, &w.chain, w.seg.id, typePacket, progress, p)
	w.fresh += int64(n)
	w.seq, w.packets = p.Next(), wire.ChainAfter(p)
	w.progress.take(progress)
	w.taken++
	return true
}

// here is where the next record goes.
func (w *Writer) here() place { return place{w.seg.id, w.off + int64(len(w.batch))} }

// fits reports whether a record of n bytes and the roll record fit the segment.
func (w *Writer) fits(n int) bool { return w.here().offset+int64(n)+slack <= w.seg.size }

// pendingCut is the oldest epoch that Cut announced and turn has not written.
func (w *Writer) pendingCut() (Cut, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.cuts) == 0 {
		return Cut{}, false
	}
	return w.cuts[0], true
}

// turn writes the epoch that begins at c.
func (w *Writer) turn(h *history.History, c Cut) error {
	st := State{Epoch: w.epoch, Last: w.seq - 1, Chain: w.packets}
	if err := st.admit(c); err != nil {
		return err
	}
	if err := w.writeEpoch(c); err != nil {
		return err
	}
	h.Rewind(c.Cut)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts = w.cuts[1:]
	return nil
}

func (w *Writer) writeEpoch(c Cut) error {
	if err := w.control(typeEpoch, c.append(w.scratch[:0])); err != nil {
		return err
	}
	w.store.cut(c.Cut, w.here().offset)
	w.epoch, w.seq, w.packets = c.Epoch, c.Cut+1, c.Chain
	w.written, w.durable = min(w.written, c.Cut), min(w.durable, c.Cut)
	return nil
}

// writeEnd is End: twice, so that the floor above the end is on disk too. Then no
// segment but this one is needed.
func (w *Writer) writeEnd(last, chain uint64) error {
	b := binary.LittleEndian.AppendUint64(w.scratch[:0], last)
	err := w.control(typeEnd, binary.LittleEndian.AppendUint64(b, chain))
	w.ended = true
	for range 2 {
		if err == nil {
			err = w.settle()
		}
	}
	if err == nil {
		w.giveBack()
	}
	return err
}

func (w *Writer) writeClose() error {
	err := w.settle()
	if err == nil {
		err = w.writeFloor(typeClose)
	}
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.sync()
	}
	return err
}

// settle makes everything durable.
func (w *Writer) settle() error {
	if err := w.owe(); err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.sync()
}

// control adds a record that is no packet, rolling where it does not fit.
func (w *Writer) control(typ uint8, body []byte) error {
	if err := w.roomFor(recordLen + len(body)); err != nil {
		return err
	}
	w.batch = appendRecord(w.batch, &w.chain, w.seg.id, typ, nil, body)
	w.fresh += int64(recordLen + len(body))
	return nil
}

func (w *Writer) roomFor(n int) error {
	if !w.fits(n) {
		return w.roll()
	}
	if len(w.batch) >= batchBytes {
		return w.flush()
	}
	return nil
}

// owe writes the floor of the last sync, if no record has it yet.
func (w *Writer) owe() error {
	if !w.owed {
		return nil
	}
	return w.writeFloor(typeCommit)
}

// writeFloor asks for no sync of its own: that would never end.
func (w *Writer) writeFloor(typ uint8) error {
	if err := w.roomFor(recordLen + floorLen); err != nil {
		return err
	}
	f := floor{w.o.Session, w.here(), w.floor, w.durable}
	w.batch = appendRecord(w.batch, &w.chain, w.seg.id, typ, nil, f.append(w.scratch[:0]))
	w.owed = false
	return nil
}

// flush writes the batch in one call.
func (w *Writer) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	n, err := w.seg.file.WriteAt(w.batch, w.off)
	if err == nil && n < len(w.batch) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return dead("write", w.seg.path, err)
	}
	w.off += int64(n)
	w.dirty, w.fresh = w.dirty+w.fresh, 0
	w.batch = w.batch[:0]
	w.written = w.seq - 1
	w.store.grow(w.seq, place{w.seg.id, w.off})
	return nil
}

func (w *Writer) sync() error {
	if err := w.seg.file.Sync(); err != nil {
		return dead("sync", w.seg.path, err)
	}
	w.durable, w.floor, w.owed, w.dirty = w.written, place{w.seg.id, w.off}, true, 0
	return nil
}

// roll ends the segment, durably, and begins the next one.
func (w *Writer) roll() error {
	w.store.seal(w.here().offset)
	body := binary.LittleEndian.AppendUint64(nil, w.seg.id+1) // scratch may hold what is to follow
	w.batch = appendRecord(w.batch, &w.chain, w.seg.id, typeRoll, nil, body)
	if w.next == nil { // before the roll record is written: it promises a file
		if err := w.prepare(w.seg.id + 1); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.sync(); err != nil {
		return err
	}
	w.seg.file.Close()
	return w.begin(w.seg.id + 1)
}

// begin makes segment id the one that is written.
func (w *Writer) begin(id uint64) error {
	if w.next == nil {
		if err := w.prepare(id); err != nil {
			return err
		}
	}
	w.seg, w.next, w.off = *w.next, nil, 0
	h := header{
		channel: w.o.Channel, epoch: w.epoch, segment: id, session: w.o.Session,
		first: w.seq, chain: w.packets, recordChain: w.chain,
	}
	w.batch = h.appendTo(w.batch)
	w.fresh += headerLen
	w.chain = h.start()
	return nil
}

// prepareAhead prepares the next segment when half of this one is used, so that
// rolling does not wait for the file system.
func (w *Writer) prepareAhead() error {
	if w.next != nil || w.off < w.seg.size/2 {
		return nil
	}
	return w.prepare(w.seg.id + 1)
}

// prepare makes an empty segment file that is there after a crash. One that an
// earlier writer had prepared is made empty again.
func (w *Writer) prepare(id uint64) error {
	path := filepath.Join(w.dir, segmentName(id))
	if id <= w.zero {
		return w.prewritten(id, path)
	}
	f, err := w.o.FS.Create(path)
	if err != nil {
		return dead("create", path, err)
	}
	w.next = &segment{file: f, path: path, id: id, size: w.o.SegmentBytes}
	if err := f.Truncate(0); err != nil {
		return dead("truncate", path, err)
	}
	if err := f.Preallocate(w.o.SegmentBytes); err != nil {
		return dead("preallocate", path, err)
	}
	if err := f.Sync(); err != nil {
		return dead("sync", path, err)
	}
	if err := w.o.FS.SyncDir(w.dir); err != nil {
		return dead("sync directory", w.dir, err)
	}
	return nil
}
