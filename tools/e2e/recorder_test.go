package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// recorderEnv makes this test binary a recorder: FILE, SERVER.
const recorderEnv = "TAPECAST_E2E_RECORDER"

// A recorder is a program that subscribes and resumes exactly: it appends all that
// it is given to one file, each packet or event in one write, and takes its position
// from that file when it starts again. What a kill tore off the file's end it has
// not seen.
//
//	u8 kind | u32 length | body
//	'P' u64 first new sequence, packet    'O' u64 first, u64 last orphaned
//	'E' u32 epoch, u64 cut, u64 chain     'L' u64 first, u64 last lost
type recorder struct {
	f   *os.File
	buf []byte
}

// startRecorder runs this binary as a recorder.
func startRecorder(t *testing.T, name, file, server string) *proc {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), recorderEnv+"="+file, "TAPECAST_E2E_SERVER="+server)
	return launch(t, name, cmd)
}

// record is main of a recorder.
func record(file, server string) error {
	b, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	tape, err := readTape(b)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
	if err == nil {
		err = f.Truncate(tape.whole)
	}
	if err == nil {
		_, err = f.Seek(tape.whole, 0)
	}
	if err != nil {
		return err
	}
	c := multicast.Config{Retransmit: []string{server}, Interface: "lo", Resume: tape.position()}
	return multicast.Subscribe(context.Background(), c, &recorder{f: f})
}

// write appends one entry or ends the process: it would lose something.
func (r *recorder) write(kind byte, parts ...[]byte) {
	body := bytes.Join(parts, nil)
	r.buf = append(r.buf[:0], kind)
	r.buf = binary.LittleEndian.AppendUint32(r.buf, uint32(len(body)))
	r.buf = append(r.buf, body...)
	if _, err := r.f.Write(r.buf); err != nil {
		panic(err)
	}
}

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// Packet implements recovery.Handler.
func (r *recorder) Packet(d recovery.Delivery) {
	if d.Type() == wire.TypeSequenced {
		r.write('P', u64(d.First()+uint64(d.Skip)), d.Packet)
	}
}

// Event implements recovery.Handler.
func (r *recorder) Event(e recovery.Event) {
	switch e.Kind {
	case recovery.EventOrphaned:
		r.write('O', u64(e.First), u64(e.Last))
	case recovery.EventLost:
		r.write('L', u64(e.First), u64(e.Last))
	case recovery.EventEpoch:
		r.write('E', binary.LittleEndian.AppendUint32(nil, e.Epoch), u64(e.Last), u64(e.Chain))
	}
}

// recorded is one message of a tape.
type recorded struct {
	seq   uint64
	bytes []byte
}

// taped is what a recorder's file says.
type taped struct {
	whole    int64 // bytes of whole entries
	packets  []wire.Packet
	messages []recorded // what stands: orphans are taken away
	orphans  int
	lost     int
	epoch    *recovery.Position // from an epoch's event, where no packet followed
}

// readTape checks the file as it goes: every message once and in order, orphans
// exactly at the end of what there was. Its slices alias b.
func readTape(b []byte) (*taped, error) {
	t := &taped{}
	for len(b) >= 5 {
		n := int(binary.LittleEndian.Uint32(b[1:]))
		if len(b) < 5+n {
			break
		}
		if err := t.take(b[0], b[5:5+n]); err != nil {
			return nil, fmt.Errorf("at byte %d: %w", t.whole, err)
		}
		b = b[5+n:]
		t.whole += int64(5 + n)
	}
	return t, nil
}

// last is the last sequence that stands.
func (t *taped) last() uint64 { return uint64(len(t.messages)) }

func (t *taped) take(kind byte, body []byte) error {
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(body[i:]) }
	switch kind {
	case 'P':
		return t.packet(u(0), wire.Packet(body[8:]))
	case 'O':
		if u(8) != t.last() || u(0) > u(8) || u(0) == 0 {
			return fmt.Errorf("%d to %d are orphaned, the last is %d", u(0), u(8), t.last())
		}
		t.orphans += int(u(8) - u(0) + 1)
		t.messages = t.messages[:u(0)-1]
		for n := len(t.packets); n > 0 && t.packets[n-1].Next() > u(0); n-- {
			t.packets = t.packets[:n-1]
		}
	case 'L':
		t.lost += int(u(8) - u(0) + 1)
	case 'E':
		if u(4) != t.last() {
			return fmt.Errorf("an epoch with cut %d behind %d", u(4), t.last())
		}
		t.epoch = &recovery.Position{Epoch: binary.LittleEndian.Uint32(body), Sequence: u(4), Chain: u(12), Known: true}
	}
	return nil
}

func (t *taped) packet(first uint64, p wire.Packet) error {
	if first != t.last()+1 {
		return fmt.Errorf("sequence %d follows %d", first, t.last())
	}
	t.packets, t.epoch = append(t.packets, p), nil
	c := p.Cursor()
	for c.Next() {
		if c.Sequence() >= first {
			t.messages = append(t.messages, recorded{c.Sequence(), c.Message()})
		}
	}
	return nil
}

// position is where the recorder goes on; nil at the start.
func (t *taped) position() *recovery.Position {
	if len(t.packets) == 0 {
		return nil
	}
	p := t.packets[len(t.packets)-1]
	at := recovery.Position{Session: p.Session(), Epoch: p.Epoch(), Sequence: p.Next() - 1, Chain: wire.ChainAfter(p), Known: true}
	if e := t.epoch; e != nil {
		at.Epoch, at.Sequence, at.Chain = e.Epoch, e.Sequence, e.Chain
	}
	return &at
}
