package wire

import (
	"bytes"
	"errors"
	"testing"
)

// anyParseError reports whether err is one that Parse documents.
func anyParseError(err error) bool {
	for _, e := range []error{ErrShort, ErrVersion, ErrType, ErrLength, ErrChecksum, ErrFraming} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func TestTruncatedPackets(t *testing.T) {
	for _, v := range packetVectors() {
		for n := range len(v.packet) {
			if _, err := Parse(v.packet[:n]); err != ErrShort && err != ErrLength {
				t.Errorf("%s cut to %d bytes: %v", v.name, n, err)
			}
		}
	}
}

// A flipped bit is never taken, wherever the packet lies in its datagram. The tag
// is not the checksum's business.
func TestFlippedBits(t *testing.T) {
	for _, v := range packetVectors() {
		datagram := append(bytes.Clone(v.packet), make([]byte, 100)...)
		end := v.packet.end()
		for bit := range 8 * len(datagram) {
			datagram[bit/8] ^= 1 << (bit % 8)
			for _, b := range [][]byte{datagram, datagram[:len(v.packet)]} {
				p, err := Parse(b)
				if bit/8 < end && !anyParseError(err) {
					t.Errorf("%s with bit %d flipped: %v", v.name, bit, err)
				}
				if bit/8 >= end && (err != nil || len(p) != len(v.packet)) {
					t.Errorf("%s with bit %d behind the payload flipped: %d bytes, %v", v.name, bit, len(p), err)
				}
			}
			datagram[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// resealed gives p a checksum that fits what was done to it.
func resealed(p Packet) Packet {
	le.PutUint32(p, p.sum())
	return p
}

// stampedIn is a packet of one message of n bytes that says it is stamped.
func stampedIn(n int) []byte {
	msg := unknown(99, n-HeadLen)
	msg[offFlags] |= FlagStamp
	return newer{header: HeaderLen}.packet(msg, 1)
}

func TestParseErrors(t *testing.T) {
	good := packetVectors()[1].packet
	changed := func(f func(p Packet)) []byte {
		p := bytes.Clone(good)
		f(p)
		return p
	}
	for _, tc := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"zeros", make([]byte, 100), ErrVersion},
		{"next version", changed(func(p Packet) { p[offVersion]++ }), ErrVersion},
		{"type 0", changed(func(p Packet) { p[offType] &^= typeMask }), ErrType},
		{"short header", changed(func(p Packet) { p[offHeaderLen] = HeaderLen - 1 }), ErrLength},
		{"long payload", changed(func(p Packet) { le.PutUint16(p[offPayloadLen:], 65000) }), ErrLength},
		{"checksum", changed(func(p Packet) { p[0]++ }), ErrChecksum},
		{"one message more", changed(func(p Packet) { p[offCount]++; resealed(p) }), ErrFraming},
		{"one message less", changed(func(p Packet) { p[offCount]--; resealed(p) }), ErrFraming},
		{"kind 0", changed(func(p Packet) { p[HeaderLen+offKind] = 0; resealed(p) }), ErrFraming},
		{"length 0", changed(func(p Packet) { p[HeaderLen], p[HeaderLen+1] = 0, 0; resealed(p) }), ErrFraming},
		{"no room for the stamp", stampedIn(HeadLen + stampLen - 1), ErrFraming},
		{"room for the stamp only", stampedIn(HeadLen + stampLen), nil},
		{"length beyond the payload", changed(func(p Packet) { p[HeaderLen+1] = 0x7f; resealed(p) }), ErrFraming},
	} {
		if p, err := Parse(tc.b); err != tc.want || (p != nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// A body cut short is refused at every byte that its flags promise.
func TestTruncatedMessages(t *testing.T) {
	for _, v := range vectors() {
		whole := v.msg.AppendTo(nil)
		for n := range len(whole) {
			if err := fresh(v.msg).Decode(whole[:n]); err != ErrMessage {
				t.Errorf("%s cut to %d of %d bytes: %v", v.name, n, len(whole), err)
			}
			if err := CheckMessage(whole[:n]); err != ErrMessage {
				t.Errorf("%s cut to %d bytes passes: %v", v.name, n, err)
			}
		}
		if CheckMessage(append(whole, 0)) == nil {
			t.Errorf("%s with a byte too many passes", v.name)
		}
		for _, m := range messages() {
			if KindOf(m.AppendTo(nil)) != KindOf(whole) && m.Decode(whole) != ErrKind {
				t.Errorf("%s decodes as %T", v.name, m)
			}
		}
	}
}

func TestCheckMessage(t *testing.T) {
	m := Opaque{Data: make([]byte, MaxOpaque)}
	b := m.AppendTo(nil)
	if len(b) != MaxMessage || CheckMessage(b) != nil {
		t.Errorf("the largest message has %d bytes: %v", len(b), CheckMessage(b))
	}
	b = append(b, 0)
	le.PutUint16(b, uint16(len(b)))
	if CheckMessage(b) == nil {
		t.Error("a message that does not fit a packet passes")
	}
	b = (&OrderDelete{}).AppendTo(nil)
	b[offFlags] |= FlagStamp
	if CheckMessage(b) == nil {
		t.Error("a stamped message passes")
	}
	b = (&OrderDelete{}).AppendTo(nil)
	b[offKind] = 0
	if CheckMessage(b) == nil {
		t.Error("kind 0 passes")
	}
}

func TestStatus(t *testing.T) {
	want := Status{Journal: JournalStrict, Durable: 1, Previous: 2, Cut: 3, CutChain: 4, Last: 5}
	for _, typ := range []Type{TypeHeartbeat, TypeEpoch, TypeEnd} {
		h := testHeader(typ)
		h.Count, h.Flags, h.CloseTime = 9, FlagTag, 9 // not a control packet's
		p, err := Parse(want.AppendControl([]byte("before"), h)[6:])
		if err != nil {
			t.Fatal(err)
		}
		var got Status
		if err := got.Decode(p); err != nil || got != want {
			t.Errorf("%v: %+v, %v", typ, got, err)
		}
		if p.Count() != 0 || p.Next() != h.Sequence || p.Flags() != 0 || p.CloseStamp() != h.Stamp {
			t.Errorf("header %+v", p.Header())
		}
	}
	var got Status
	if err := got.Decode(packetVectors()[0].packet); err != ErrKind {
		t.Errorf("status of a sequenced packet: %v", err)
	}
	short := bytes.Clone(Packet(want.AppendControl(nil, testHeader(TypeEnd))))
	le.PutUint16(short[offPayloadLen:], statusLen-1)
	p, err := Parse(resealed(short))
	if err != nil || got.Decode(p) != ErrMessage {
		t.Errorf("short status: %v", err)
	}
}
