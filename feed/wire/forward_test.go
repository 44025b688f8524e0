package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// newer writes packets as a later release of this version may: see Growth in
// PROTOCOL.md.
type newer struct {
	header int  // length
	flags  byte // packet flags that this release does not know
	typ    Type // 0: sequenced
}

// packet makes a packet of payload as if it held count messages.
func (w newer) packet(payload []byte, count int) []byte {
	if w.typ == 0 {
		w.typ = TypeSequenced
	}
	h := testHeader(w.typ)
	h.Count = uint16(count)
	b := make([]byte, HeaderLen, w.header+len(payload))
	h.put(b, len(payload))
	b[offType] |= w.flags
	b[offHeaderLen] = byte(w.header)
	for i := HeaderLen; i < w.header; i++ {
		b = append(b, byte(i)) // fields to come
	}
	return resealed(append(b, payload...))
}

// grown makes a message longer and gives it flags that this release does not know.
func grown(msg []byte, more int, flags byte) []byte {
	msg = append(bytes.Clone(msg), bytes.Repeat([]byte{0xee}, more)...)
	le.PutUint16(msg, uint16(len(msg)))
	msg[offFlags] |= flags
	return msg
}

// unknown makes a message of a kind to come.
func unknown(kind Kind, body int) []byte {
	b := extend(nil, HeadLen+body)
	putHead(b, kind, 0xe0, head)
	return b
}

// Whatever a newer writer adds, this reader delivers all that it knows, skips the
// rest, and gives each message its sequence.
func TestNewerWriter(t *testing.T) {
	for _, headerLen := range []int{HeaderLen, 72, 73, 128, 255} {
		for _, more := range []int{0, 1, 8, 100} {
			for _, flags := range []byte{0, 0xe0} {
				t.Run(fmt.Sprint(headerLen, more, flags), func(t *testing.T) {
					newerWriter(t, newer{header: headerLen, flags: flags & 0xc0}, more, flags)
				})
			}
		}
	}
}

func newerWriter(t *testing.T, w newer, more int, flags byte) {
	var payload []byte
	for i, v := range vectors() { // a kind to come before each known message
		payload = append(payload, unknown(Kind(19+i*9), i%5*10)...)
		payload = append(payload, grown(v.msg.AppendTo(nil), more, flags)...)
	}
	p, err := Parse(append(w.packet(payload, 2*len(vectors())), 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	c, first := p.Cursor(), testHeader(0).Sequence
	for i, v := range vectors() {
		if !c.Next() || c.Kind() != Kind(19+i*9) || c.Kind().String() != "unknown" || c.Sequence() != first+uint64(2*i) {
			t.Fatalf("before %s: kind %v, sequence %d", v.name, c.Kind(), c.Sequence())
		}
		if !c.Next() || c.Sequence() != first+uint64(2*i+1) {
			t.Fatalf("%s: sequence %d", v.name, c.Sequence())
		}
		got := fresh(v.msg)
		if err := got.Decode(c.Message()); err != nil || !bytes.Equal(got.AppendTo(nil), v.msg.AppendTo(nil)) {
			t.Errorf("%s decodes as %+v, %v", v.name, got, err)
		}
	}
	if c.Next() {
		t.Error("one message too many")
	}
	if p.Next() != first+uint64(2*len(vectors())) || p.Stamp() != testHeader(0).Stamp || p.Chain() != testHeader(0).Chain {
		t.Errorf("header %+v", p.Header())
	}
}

// The chain covers what this reader does not know.
func TestNewerWriterChain(t *testing.T) {
	a := newer{header: 80}.packet(unknown(99, 20), 1)
	b := bytes.Clone(a)
	b[70] ^= 1
	if p, err := Parse(a); err != nil || ChainAfter(p) == ChainAfter(resealed(b)) {
		t.Errorf("equal chains, or %v", err)
	}
}

// A packet of a type to come is parsed, whatever its payload, and is neither
// sequenced nor a status.
func TestNewerPacketType(t *testing.T) {
	for typ := TypeSnapshot + 1; typ <= typeMask; typ++ {
		p, err := Parse(newer{header: 96, typ: typ}.packet([]byte("not messages"), 3))
		if err != nil || p.Type() != typ {
			t.Errorf("type %d: %v", typ, err)
			continue
		}
		if err := new(Status).Decode(p); err != ErrKind {
			t.Errorf("type %d has a status: %v", typ, err)
		}
	}
}

func TestNewerStatus(t *testing.T) {
	want := Status{Journal: 9, Durable: 1, Previous: 2, Cut: 3, CutChain: 4, Last: 5}
	old := Packet(want.AppendControl(nil, testHeader(TypeHeartbeat)))
	for _, more := range []int{1, 8, 200} {
		payload := append(bytes.Clone(old.Payload()), make([]byte, more)...)
		for _, typ := range []Type{TypeHeartbeat, TypeEpoch, TypeEnd} {
			p, err := Parse(newer{header: 200, typ: typ}.packet(payload, 0))
			if err != nil {
				t.Fatal(err)
			}
			var got Status
			if err := got.Decode(p); err != nil || got != want {
				t.Errorf("%d bytes more: %+v, %v", more, got, err)
			}
		}
	}
}
