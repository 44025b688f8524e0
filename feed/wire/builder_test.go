package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// added is one message that a packet should hold.
type added struct {
	msg   []byte
	stamp Nanos
}

// checkBuilder drives a Builder by ops beside a list of what it took.
func checkBuilder(t *testing.T, size int, ops []byte) {
	t.Helper()
	var b Builder
	mem := bytes.Repeat([]byte{0xaa}, HeaderLen+size)
	b.Open(mem)
	h := testHeader(TypeSequenced)
	stamp, length, definitions := h.Stamp, HeaderLen, false
	var model []added
	for _, op := range ops {
		v := vectors()[int(op)%len(vectors())]
		msg := v.msg.AppendTo(nil)
		if op >= 128 { // the clock has moved, sometimes by far
			stamp += Nanos(1) << (op % 33)
		}
		need := len(msg)
		if len(model) > 0 && stamp != model[len(model)-1].stamp {
			need += stampLen
		}
		fits := length+need <= len(mem) && (len(model) == 0 || stamp-model[0].stamp < 1<<32)
		if got := b.Add(msg, stamp); got != fits {
			t.Fatalf("Add of %d bytes to %d of %d: %v", need, length, len(mem), got)
		}
		if fits {
			model = append(model, added{msg, stamp})
			length += need
			definitions = definitions || KindOf(msg) == KindInstrumentDefinition
		}
		if b.Len() != length || b.Count() != len(model) {
			t.Fatalf("%d messages in %d bytes, want %d in %d", b.Count(), b.Len(), len(model), length)
		}
	}
	if len(model) > 0 {
		p, chain := b.Close(h, stamp+5)
		checkBuilt(t, p, chain, h, model)
		if got := p.Flags()&FlagDefinitions != 0; got != definitions || len(p) != length {
			t.Fatalf("definitions flag %v, %d bytes", got, len(p))
		}
	}
}

func checkBuilt(t *testing.T, p Packet, chain uint64, h Header, model []added) {
	t.Helper()
	parsed, err := Parse(p)
	if err != nil || chain != ChainAfter(parsed) {
		t.Fatalf("chain %x, %v", chain, err)
	}
	if p.First() != h.Sequence || p.Next() != h.Sequence+uint64(len(model)) || p.Stamp() != model[0].stamp {
		t.Fatalf("header %+v", p.Header())
	}
	if last := model[len(model)-1].stamp; p.CloseStamp() < last && last-p.Stamp() < 1<<32-6 {
		t.Fatalf("closed at %d, before the last stamp %d", p.CloseStamp(), last)
	}
	c := parsed.Cursor()
	for i, want := range model {
		if !c.Next() || c.Stamp() != want.stamp || c.Sequence() != h.Sequence+uint64(i) {
			t.Fatalf("message %d: stamp %d, sequence %d, want stamp %d", i, c.Stamp(), c.Sequence(), want.stamp)
		}
		if c.Instrument() != le.Uint32(want.msg[offInstrument:]) || c.Source() != SourceOf(want.msg) || c.Kind() != KindOf(want.msg) {
			t.Fatalf("message %d: head %x", i, c.Message()[:HeadLen])
		}
		if !bytes.Equal(unstamped(c.Message()), want.msg) {
			t.Fatalf("message %d is\n%x, want\n%x", i, c.Message(), want.msg)
		}
	}
	if c.Next() {
		t.Fatal("one message too many")
	}
}

// unstamped takes the stamp out of msg, as it was before Add.
func unstamped(msg []byte) []byte {
	if msg[offFlags]&FlagStamp == 0 {
		return msg
	}
	out := append(bytes.Clone(msg[:HeadLen]), msg[HeadLen+stampLen:]...)
	out[offFlags] &^= FlagStamp
	le.PutUint16(out, uint16(len(out)))
	return out
}

func TestBuilder(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		ops := make([]byte, rng.IntN(100))
		for i := range ops {
			ops[i] = byte(rng.Uint32())
		}
		size := rng.IntN(DefaultPacket)
		if !t.Run("", func(t *testing.T) { checkBuilder(t, size, ops) }) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzBuilder(f *testing.F) {
	f.Add(uint16(DefaultPacket-HeaderLen), []byte{0, 1, 2, 3, 128, 129, 160, 200, 255})
	f.Add(uint16(0), []byte{5})
	f.Add(uint16(100), []byte{9, 137, 128, 0})
	f.Fuzz(func(t *testing.T, size uint16, ops []byte) {
		checkBuilder(t, int(size)%MaxPacket, ops)
	})
}

// However much memory a Builder gets, its packets are ones that Parse takes.
func TestBuilderBounds(t *testing.T) {
	var b Builder
	b.Open(make([]byte, 1<<20))
	msg := (&Opaque{Data: make([]byte, 1000)}).AppendTo(nil)
	for b.Add(msg, 1) {
	}
	p, _ := b.Close(testHeader(TypeSequenced), 1)
	if _, err := Parse(p); err != nil || len(p)+len(msg) <= MaxPacket {
		t.Errorf("%d bytes: %v", len(p), err)
	}
}

// Stamps that differ by more than 32 bits of ns do not share a packet, and a packet
// that was open for longer says that it was open for that long.
func TestBuilderTime(t *testing.T) {
	var b Builder
	b.Open(make([]byte, DefaultPacket))
	msg := (&OrderDelete{}).AppendTo(nil)
	if !b.Add(msg, 1000) || !b.Add(msg, 1000+1<<32-1) || b.Add(msg, 1000+1<<32) {
		t.Error("the offset's bound is not its width")
	}
	if p, _ := b.Close(testHeader(TypeSequenced), 1<<40); p.CloseStamp() != 1000+1<<32-1 {
		t.Errorf("closed at %d", p.CloseStamp())
	}
	b.Open(make([]byte, DefaultPacket))
	b.Add(msg, 1000)
	if p, _ := b.Close(testHeader(TypeSequenced), 999); p.CloseStamp() != 1000 {
		t.Errorf("closed at %d, before it began", p.CloseStamp())
	}
}

// A closed Builder takes nothing.
func TestBuilderClosed(t *testing.T) {
	var b Builder
	if b.Add((&OrderDelete{}).AppendTo(nil), 1) || b.Add((&OrderDelete{}).AppendTo(nil), 2) || b.Count() != 0 {
		t.Error("a message went nowhere")
	}
}

func TestSession(t *testing.T) {
	for _, name := range []string{"1", "20200130", "a-Z_0.9"} {
		s, err := ParseSession(name)
		if err != nil || s.String() != name {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
	for _, name := range []string{"", "123456789", "a b", "é", "a/b", "\x00"} {
		if s, err := ParseSession(name); err != ErrSession || s != 0 {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
	if got := Session(0xff0061).String(); got != "a??" {
		t.Errorf("bytes of no name: %q", got)
	}
}

func TestNanos(t *testing.T) {
	n := Nanos(1_580_394_600_123_456_789)
	if got := n.Time().Format("2006-01-02T15:04:05.000000000Z07:00"); got != "2020-01-30T14:30:00.123456789Z" {
		t.Error(got)
	}
	if got := Nanos(1500).Duration().String(); got != "1.5µs" {
		t.Error(got)
	}
}
