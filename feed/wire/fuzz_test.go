package wire

import (
	"bytes"
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzParse reads whatever comes as a receiver does: once as it is, and once with
// the header and the checksum made to fit, so that the rest is reached.
func FuzzParse(f *testing.F) {
	for _, v := range packetVectors() {
		f.Add([]byte(v.packet))
		f.Add([]byte(v.packet[:len(v.packet)-1]))
	}
	f.Add(newer{header: 200}.packet(unknown(99, 3), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		readPacket(t, b)
		if len(b) < HeaderLen {
			return
		}
		b = bytes.Clone(b)
		b[offVersion], b[offHeaderLen] = Version, max(b[offHeaderLen], HeaderLen)
		if end := Packet(b).end(); end <= len(b) {
			le.PutUint32(b, Packet(b).sum())
		}
		readPacket(t, b)
	})
}

func readPacket(t *testing.T, b []byte) {
	p, err := Parse(b)
	if err != nil {
		if p != nil || !anyParseError(err) {
			t.Fatalf("%x, %v", []byte(p), err)
		}
		return
	}
	if n, err := Peek(b); n != len(p) || err != nil {
		t.Fatalf("Peek: %d, %v; the packet has %d bytes", n, err, len(p))
	}
	if again, err := Parse(p); err != nil || !bytes.Equal(again, p) {
		t.Fatalf("the packet alone: %v", err)
	}
	ChainAfter(p)
	_ = p.Header()
	new(Status).Decode(p)
	n := 0
	c := p.Cursor()
	for ; c.Next(); n++ {
		readMessage(t, c.Message())
	}
	if typ := p.Type(); (typ == TypeSequenced || typ == TypeSnapshot) && n != p.Count() {
		t.Fatalf("%d messages, the header says %d", n, p.Count())
	}
}

// readMessage decodes msg as every kind. What decodes encodes to the same again.
func readMessage(t *testing.T, msg []byte) {
	for _, m := range messages() {
		err := m.Decode(msg)
		if err != nil {
			if err != ErrKind && err != ErrMessage {
				t.Fatalf("%T of %x: %v", m, msg, err)
			}
			continue
		}
		once := m.AppendTo(nil)
		again := fresh(m)
		if err := again.Decode(once); err != nil || !bytes.Equal(again.AppendTo(nil), once) {
			t.Fatalf("%T of %x: %v", m, msg, err)
		}
	}
}

// FuzzDecode decodes whatever comes as every kind.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.msg.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		readMessage(t, msg)
		for _, m := range messages() {
			if len(msg) < HeadLen {
				break
			}
			msg[offKind] = byte(KindOf(m.AppendTo(nil)))
			readMessage(t, msg)
		}
	})
}

// FuzzRoundTrip encodes every kind with all its fields from the fuzzer, and wants
// them back.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint32(1), uint64(2), []byte("some bytes to fill the fields of all kinds with, again and again"))
	f.Add(uint32(1<<32-1), uint64(MaxSource), bytes.Repeat([]byte{0xff}, 99))
	f.Add(uint32(0), uint64(0), []byte{0})
	f.Fuzz(func(t *testing.T, instrument uint32, source uint64, b []byte) {
		for _, m := range messages() {
			filler := filler{b: b}
			v := reflect.ValueOf(m).Elem()
			for i := range v.NumField() {
				filler.fill(v.Field(i))
			}
			v.FieldByName("Head").Set(reflect.ValueOf(Head{instrument, source & MaxSource}))
			normalise(m)
			roundTrip(t, m)
		}
	})
}

// normalise clears what a message leaves out, and cuts what it bounds.
func normalise(m message) {
	switch m := m.(type) {
	case *OrderAdd:
		m.Side &= 1
	case *Trade:
		m.Side &= 1
	case *OrderExecute:
		if !m.Priced {
			m.Price = 0
		}
	case *InstrumentDefinition:
		m.Symbol, m.Attributes = m.Symbol[:min(len(m.Symbol), 255)], m.Attributes[:min(len(m.Attributes), 1000)]
	case *Opaque:
		m.Data = m.Data[:min(len(m.Data), MaxOpaque)]
	}
}

// filler gives values from bytes, the same ones again and again.
type filler struct {
	b []byte
	i int
}

func (f *filler) next() (b byte) {
	if len(f.b) == 0 {
		return 0
	}
	b = f.b[f.i%len(f.b)]
	f.i++
	return b
}

func (f *filler) fill(v reflect.Value) {
	var n uint64
	width := min(int(f.next()), 8) // so that narrow numbers are as likely as wide ones
	for range width {
		n = n<<8 | uint64(f.next())
	}
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(n&1 == 1)
	case v.CanInt():
		v.SetInt(int64(n) << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
	case v.CanUint():
		v.SetUint(n << (64 - v.Type().Bits()) >> (64 - v.Type().Bits()))
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case v.Kind() == reflect.Slice:
		v.SetBytes(bytes.Repeat([]byte{f.next()}, int(n%2000)))
	}
}

func roundTrip(t *testing.T, m message) {
	t.Helper()
	prefix := []byte("before")
	b := m.AppendTo(bytes.Clone(prefix))
	if !bytes.HasPrefix(b, prefix) {
		t.Fatalf("%T wrote over what was there", m)
	}
	b = b[len(prefix):]
	if err := CheckMessage(b); err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	got := fresh(m)
	if err := got.Decode(b); err != nil || !reflect.DeepEqual(got, m) {
		t.Fatalf("%+v comes back as %+v, %v", m, got, err)
	}
	// The memory that AppendTo grows into may hold anything.
	dirty := bytes.Repeat([]byte{0xaa}, 2000)
	if !bytes.Equal(m.AppendTo(dirty[:0]), b) {
		t.Fatalf("%+v depends on the memory it is written to", m)
	}
}

// FuzzSession: a name that is taken comes back, and no session, whoever sent it, is
// a path of more than one step.
func FuzzSession(f *testing.F) {
	for _, name := range []string{"20240103", "a", "..", ".", "a/b", "", "123456789", "\x00a"} {
		f.Add(name, uint64(len(name))<<56|0x2e2e)
	}
	f.Fuzz(func(t *testing.T, name string, raw uint64) {
		s, err := ParseSession(name)
		if err == nil && s.String() != name {
			t.Errorf("%q became %q", name, s)
		}
		for _, s := range []Session{s, Session(raw)} {
			if dir := s.String(); dir != "" && (!filepath.IsLocal(dir) || dir != filepath.Base(dir) || dir == ".") {
				t.Errorf("session %#x names the directory %q", uint64(s), dir)
			}
		}
	})
}
