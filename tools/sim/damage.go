package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

// kill is the death of the process: files stay as they are, its lock goes.
func (d *disk) kill() {
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}

// power cuts the power: what was not synced is there, torn or gone.
func (d *disk) power() {
	d.kill()
	d.off = false
	if d.w.o.Disk.Tear {
		d.w.cover("power cut, torn")
		before := d.fs
		d.fs = d.fs.Crash(d.rand.next())
		if d.rand.chance(d.w.o.Disk.Stale) {
			d.recycle(before)
		}
	} else {
		d.w.cover("power cut, nothing torn")
		d.fs = d.fs.Kill()
	}
	if d.isBad() && d.lost == nil { // the record that says so may be gone
		d.fs.Flip(d.rotten, d.bit)
		d.below = d.mustTell(d.segments(), d.rotten, d.bit)
		d.fs.Flip(d.rotten, d.bit)
	}
}

// recycle puts what was there before, in another file, into sectors that were lost:
// blocks that the file system used again. Not into the first of a file: the header of
// another segment there is like a file in another's place, which must be told as rot.
func (d *disk) recycle(before *journaltest.FS) {
	files := slices.DeleteFunc(d.fs.Files(), func(f string) bool { return !strings.HasSuffix(f, ".tcj") })
	for _, f := range files {
		was, is := before.Bytes(f), d.fs.Bytes(f)
		old := before.Bytes(files[d.rand.n(len(files))])
		changed := false
		for at := journaltest.Sector; at+journaltest.Sector <= min(len(was), len(is), len(old)); at += journaltest.Sector {
			s := is[at:][:journaltest.Sector]
			if slices.Max(s) != 0 || slices.Equal(s, was[at:][:journaltest.Sector]) || d.rand.n(2) == 0 {
				continue // it survived, or what was durable before it does
			}
			d.w.cover("stale sector")
			changed = true
			copy(s, old[at:])
		}
		if changed {
			d.fs.Put(f, is)
		}
	}
}

// segments are the files of the journal, in order.
func (d *disk) segments() (all []string) {
	for _, f := range d.fs.Files() {
		if strings.HasSuffix(f, ".tcj") && len(d.fs.Bytes(f)) > 0 {
			all = append(all, f)
		}
	}
	slices.Sort(all)
	return all
}

// rot flips a bit of some segment. In one that is being written it is a bit that is
// durable: of the others nobody can tell whether they rotted or were never written.
func (d *disk) rot(inUse bool) {
	segments := d.segments()
	if len(segments) == 0 || d.rotten != "" {
		return
	}
	file := segments[d.rand.n(len(segments))]
	b := d.fs.Bytes(file)
	if !inUse && d.rand.n(4) == 0 && d.mustTell(segments, file, 1<<60) { // not the last one: who wipes a journal leaves nothing to tell
		d.w.cover("segment lost")
		d.rotten, d.lost, d.below, d.bit = file, b, true, 0
		d.fs.Remove(file)
		return
	}
	used := len(b)
	for used > 1 && b[used-1] == 0 {
		used--
	}
	bit := int64(d.rand.n(8 * used))
	below := d.mustTell(segments, file, bit)
	if inUse && !below {
		return
	}
	d.w.cover("bit rot")
	d.rotten, d.bit, d.below = file, bit, below
	d.fs.Flip(d.rotten, d.bit)
	d.bad, d.healed = b[d.bit/8]^1<<(d.bit%8), false
}

// soothe ends all faults: what is rotten is restored.
func (d *disk) soothe() {
	d.safe, d.full = true, false
	if d.rotten != "" {
		d.restore()
	}
}

// mustTell reports whether the bit to be flipped lies below what the journal's own
// records say to be durable, which are read here apart from the production code, or below
// what they have to say.
func (d *disk) mustTell(segments []string, file string, bit int64) bool {
	const header, head, commit, closed = 80, 20, 2, 5
	var last string // segment begun
	var floor int64 // in it
	for _, f := range segments {
		b := d.fs.Bytes(f)
		if len(b) < header || crcOf(b[:header-4]) != binary.LittleEndian.Uint32(b[header-4:]) {
			continue
		}
		last, floor = f, 0
		id := binary.LittleEndian.Uint64(b[16:])
		for at := header; at+head <= len(b); {
			n := int(binary.LittleEndian.Uint32(b[at+12:]))
			if n < head || at+n > len(b) || crcOf(b[at+12:at+n]) != binary.LittleEndian.Uint32(b[at+8:]) {
				break
			}
			body := b[at+head:]
			if t := b[at+16]; (t == commit || t == closed) && binary.LittleEndian.Uint64(body[24:]) == id {
				floor = int64(binary.LittleEndian.Uint64(body[32:]))
			}
			at += n
		}
	}
	return file < last || file == last && bit/8 < max(floor, d.settled(file))
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// written notices that the rotten byte is written over by b, or cut off. A start that
// writes again what it read there would put its name to the rot.
func (d *disk) written(path string, from, to int64, b []byte) {
	if path != d.rotten || d.lost != nil || d.bit/8 < from || to <= d.bit/8 {
		return
	}
	was := d.fs.Bytes(path)
	if d.isBad() && b != nil && to <= int64(len(was)) && bytes.Equal(b, was[from:to]) {
		d.w.fail("I7 rot: bit %d of %s is written again as it is", d.bit, path)
	}
	d.healed = true
}

// changed takes the error of a start that found the journal to be another than the
// one recovered. It is rot, which the next start tells.
func (d *disk) changed(err error) {
	if d.rotten == "" {
		d.w.fail("I7 no rot: what is told was not: %v", err)
	}
	d.w.coverError(err)
}

// restore is the operator who copies the damaged file back from elsewhere.
func (d *disk) restore() {
	switch {
	case d.lost != nil:
		d.fs.Put(d.rotten, d.lost)
	case d.isBad():
		d.fs.Flip(d.rotten, d.bit)
	}
	d.rotten, d.lost = "", nil
}

// isBad reports whether the flipped bit is still there.
func (d *disk) isBad() bool {
	if d.rotten == "" || d.lost != nil {
		return d.lost != nil
	}
	b := d.fs.Bytes(d.rotten)
	return int64(len(b)) > d.bit/8 && b[d.bit/8] == d.bad
}

// recover reads a journal. Rot must be told, or be where nothing was promised; the
// operator then restores the file.
func (d *disk) recover(o journal.Options) (*journal.State, error) {
	st, err := journal.Recover(o)
	defer d.begin()
	var rot *journal.RotError
	switch {
	case errors.As(err, &rot) && d.rotten == "":
		d.w.fail("I7 no rot: what is told was not: %v", err)
		return nil, err
	case errors.As(err, &rot):
		d.w.cover("journal: " + rot.Reason)
		d.w.cover("rot told")
		d.w.tell("operator", "%v", err)
		d.restore()
		return d.recover(o)
	case err != nil:
		return nil, err
	case d.below && d.isBad():
		d.w.fail("I7 rot: bit %d of %s is below the floor, and nobody says so: torn %v", d.bit, d.rotten, st.Torn)
		return nil, err
	case d.rotten != "" && st.Torn != nil: // behind the last floor it is like a torn tail
		d.w.cover("rot in the tail")
		d.restore()
		return d.recover(o)
	}
	if st.Torn != nil {
		d.w.cover("journal: " + st.Torn.Reason)
		d.w.cover("torn tail cut")
		d.w.tell("operator", "torn: %v", st.Torn)
	}
	if st.Clean {
		d.w.cover("clean close found")
	}
	return st, nil
}
