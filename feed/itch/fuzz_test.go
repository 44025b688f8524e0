package itch

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// Any message becomes one well-formed tapecast message, behind a definition where
// needed, and none that looks like another.
func FuzzDecoder(f *testing.F) {
	for _, c := range golden {
		f.Add(bytesOf(f, c.hex))
	}
	f.Add([]byte{})
	f.Add([]byte("A"))
	f.Fuzz(func(t *testing.T, m []byte) {
		if len(m) > wire.MaxOpaque {
			return
		}
		d := new(Decoder)
		out, done := d.Append(nil, m)
		if !done {
			if wire.CheckMessage(out) != nil || wire.KindOf(out) != wire.KindInstrumentDefinition {
				t.Fatalf("%x gives %x before it", m, out)
			}
			out, done = d.Append(out[:0], m)
		}
		if !done || wire.CheckMessage(out) != nil {
			t.Fatalf("%x gives %x", m, out)
		}
		if !understood(m) {
			if o := value(t, out, (*wire.Opaque).Decode); o.Format != wire.FormatITCH50Raw || !bytes.Equal(o.Data, m) {
				t.Fatalf("%x is lost in %x", m, out)
			}
			return
		}
		decoded(t, out)
	})
}

// Any file gives the same messages each time and then one error that stays.
func FuzzReader(f *testing.F) {
	file := goldenFile(f)
	f.Add(file)
	f.Add(file[:len(file)-3])
	f.Add(append(bytes.Clone(file), 0, 0))
	f.Add(gzipped(file))
	f.Add(zstded(f, file))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := NewReader(bytes.NewReader(file), "x")
		defer r.Close()
		h := uint64(0)
		n, ending := drain(t, r, &h)
		again := NewReader(bytes.NewReader(file), "x")
		defer again.Close()
		h2 := uint64(0)
		if n2, ending2 := drain(t, again, &h2); n2 != n || h2 != h || ending.Error() != ending2.Error() {
			t.Fatalf("%d messages, %v; then %d, %v", n, ending, n2, ending2)
		}
		var e *Error
		if ending != io.EOF && !errors.As(ending, &e) {
			t.Fatalf("ends with %v", ending)
		}
	})
}

// drain reads r to its end, or to a million messages: a compressed file may be a bomb.
func drain(t *testing.T, r *Reader, h *uint64) (n int, err error) {
	for ; n < 1e6; n++ {
		msg, err := r.Next()
		if err != nil {
			return n, err
		}
		if wire.CheckMessage(msg) != nil {
			t.Fatalf("message %d is %x", n, msg)
		}
		for _, c := range msg {
			*h = (*h ^ uint64(c)) * 0x100000001b3
		}
	}
	return n, io.EOF
}
