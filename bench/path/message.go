package path

import (
	"encoding/binary"

	"github.com/tapecast/tapecast/feed/wire"
)

// MinSize is the shortest message, in bytes: it must hold its number and its time.
const MinSize = wire.HeadLen + 4 + dataLen

const (
	dataLen = 16 // bytes of an opaque message that are read: number, time
	hello   = 0  // the number of the message that says nothing
)

// A writer encodes the messages of a benchmark: opaque ones, by the same call that
// every source makes.
type writer struct {
	m    wire.Opaque
	buf  []byte
	data []byte
}

func newWriter(size int) writer {
	w := writer{buf: make([]byte, 0, size), data: make([]byte, size-wire.HeadLen-4)}
	w.m = wire.Opaque{Format: wire.FormatApplication, Data: w.data}
	return w
}

// message is lent until the next call. at is when it is to be sent, ns, monotonic.
func (w *writer) message(number uint64, at int64) []byte {
	binary.LittleEndian.PutUint64(w.data, number)
	binary.LittleEndian.PutUint64(w.data[8:], uint64(at))
	w.m.Instrument, w.m.Source = uint32(number)&1023, uint64(at)&wire.MaxSource
	w.buf = w.m.AppendTo(w.buf[:0])
	return w.buf
}

// A reader decodes them.
type reader struct{ m wire.Opaque }

// message gives number and time of msg; ok is false if it is none of ours.
func (r *reader) message(msg []byte) (number uint64, at int64, ok bool) {
	if r.m.Decode(msg) != nil || len(r.m.Data) < dataLen {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(r.m.Data), int64(binary.LittleEndian.Uint64(r.m.Data[8:])), true
}
