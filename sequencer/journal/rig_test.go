package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/history"
	"github.com/tapecast/tapecast/sequencer/journal"
	"github.com/tapecast/tapecast/sequencer/journal/journaltest"
)

const channel = 7

func session(t testing.TB) wire.Session {
	s, err := wire.ParseSession("20240103")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rig is a sequencer's ingest and disk loops around one journal.
type rig struct {
	t    testing.TB
	fs   *journaltest.FS
	o    journal.Options
	st   *journal.State
	w    *journal.Writer
	h    *history.History
	now  wire.Nanos
	sent []wire.Packet // every packet committed in this process

	next, chain uint64
	epoch       uint32
	input       uint64 // sequence of input 1
}

// start recovers and opens the journal, as a process does, with the next epoch.
// Where it fails, w is nil.
func start(t testing.TB, o journal.Options, fs *journaltest.FS) (*rig, error) {
	o.FS, o.Channel, o.Session = fs, channel, session(t)
	if o.Dir == "" {
		o.Dir = "/j"
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 8 << 10
	}
	r := &rig{t: t, fs: fs, o: o, now: 1_000_000_000}
	var err error
	if r.st, err = journal.Recover(o); err != nil {
		return r, err
	}
	r.epoch, r.next, r.chain = r.st.Epoch+1, r.st.Last+1, r.st.Chain
	r.input = r.st.Inputs[feed.Hash("in")]
	r.w, err = journal.Open(o, r.st, journal.Cut{Epoch: r.epoch, Previous: r.st.Epoch, Cut: r.st.Last, Chain: r.st.Chain})
	if err != nil {
		return r, err
	}
	r.h, err = history.New(history.Config{
		Slab: 16 << 10, Bytes: 160 << 10, Durable: o.Strict, Older: r.w,
	}, r.next)
	return r, err
}

func mustStart(t testing.TB, o journal.Options, fs *journaltest.FS) *rig {
	t.Helper()
	r, err := start(t, o, fs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put commits one packet of n messages with size bytes of data each.
func (r *rig) put(n, size int) wire.Packet {
	r.t.Helper()
	b, err := r.h.Reserve()
	if err != nil {
		r.t.Fatalf("Reserve: %v", err)
	}
	p, chain := buildPacket(b, r.t, r.epoch, r.next, r.chain, n, size)
	r.next, r.chain = p.Next(), chain
	r.input += uint64(n)
	r.h.Commit(p, []feed.Progress{{Input: 1, Hash: feed.Hash("in"), Seq: r.input}})
	r.h.Unsent(1<<20, nil)
	r.sent = append(r.sent, bytes.Clone(p))
	return p
}

func buildPacket(buf []byte, t testing.TB, epoch uint32, next, chain uint64, n, size int) (wire.Packet, uint64) {
	var b wire.Builder
	b.Open(buf)
	stamp := wire.Nanos(next) * 1000
	for i := range n {
		data := make([]byte, size)
		for j := 0; j+8 <= size; j += 8 {
			binary.LittleEndian.PutUint64(data[j:], (next+uint64(i))*0x9e3779b97f4a7c15+uint64(epoch))
		}
		msg := (&wire.Opaque{Format: wire.FormatApplication, Data: data}).AppendTo(nil)
		if (next+uint64(i))%50 == 0 {
			msg = (&wire.InstrumentDefinition{Head: wire.Head{Instrument: uint32(next)}, Symbol: []byte("SYM")}).AppendTo(nil)
		}
		b.Add(msg, stamp+wire.Nanos(i))
	}
	return b.Close(wire.Header{
		Type: wire.TypeSequenced, Channel: channel, Session: session(t),
		Epoch: epoch, Sequence: next, Chain: chain,
	}, stamp+1000)
}

func (r *rig) step() (int, error) {
	r.now += 1_000_000
	return r.w.Step(r.h, r.now)
}

// settle steps until everything is written and synced.
func (r *rig) settle() {
	r.t.Helper()
	for i := 0; ; i++ {
		if _, err := r.step(); err != nil {
			r.t.Fatalf("Step: %v", err)
		}
		if r.h.Durable() == r.next-1 && i > 0 {
			return
		}
		r.now += journal.DefaultSync
	}
}

// run commits and settles n packets.
func (r *rig) run(n int) *rig {
	r.t.Helper()
	for range n {
		r.put(3, 60)
		r.settle()
	}
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.w.Close(); err != nil {
		r.t.Fatalf("Close: %v", err)
	}
}

// segment is the path of segment id.
func segment(id int) string {
	return "/j/20240103/" + string([]byte{'0', '0', '0', '0', '0', '0', '0' + byte(id/10), '0' + byte(id%10)}) + ".tcj"
}

// read returns all packets of the journal and how reading ended.
func read(t testing.TB, fs journal.FS) (ps []wire.Packet, err error) {
	rd, err := journal.NewReader(fs, "/j", session(t))
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	for {
		p, err := rd.Next()
		if err == io.EOF {
			return ps, nil
		}
		if err != nil {
			return ps, err
		}
		ps = append(ps, bytes.Clone(p))
	}
}

// samePrefix reports whether got is a prefix of want, packet by packet.
func samePrefix(got, want []wire.Packet) bool {
	if len(got) > len(want) {
		return false
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			return false
		}
	}
	return true
}

// copyAll reads [first, next) through copy, as the retransmit service does.
func copyAll(t testing.TB, copy func([]byte, uint64) (int, error), first, next uint64) (ps []wire.Packet) {
	t.Helper()
	dst := make([]byte, 4000)
	for seq := first; seq < next; {
		n, err := copy(dst, seq)
		if err != nil {
			t.Fatalf("Copy(%d): %v", seq, err)
		}
		for b := dst[:n]; len(b) > 0; {
			p, err := wire.Parse(b)
			if err != nil || p.First() > seq || p.Next() <= seq {
				t.Fatalf("Copy(%d): %v", seq, err)
			}
			ps = append(ps, bytes.Clone(p))
			seq, b = p.Next(), b[len(p):]
		}
	}
	return ps
}

func recoverState(t testing.TB, o journal.Options) *journal.State {
	t.Helper()
	st, err := journal.Recover(o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func asRot(err error) *journal.RotError {
	var rot *journal.RotError
	errors.As(err, &rot)
	return rot
}

var inputHash = feed.Hash("in")
