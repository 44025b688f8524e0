package local

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// frames is one of each.
func frames() map[string][]byte {
	msg := message(3)
	return map[string][]byte{
		"hello":   appendHello(nil, "a-z_0.9"),
		"welcome": appendWelcome(nil, welcome{session, 12, 11}),
		"put":     append(appendPut(nil, 13, len(msg)), msg...),
		"ack":     appendAck(nil, 13),
		"refusal": appendRefusal(nil, &Refusal{CodeGap, "why"}),
	}
}

// parse reads one frame of any type the way both ends do.
func parse(b []byte) (n int, err error) {
	t, body, n, err := next(b)
	if err != nil || n == 0 {
		return n, err
	}
	switch t {
	case frameHello:
		if _, r := parseHello(body); r != nil {
			err = r
		}
	case frameWelcome:
		_, err = parseWelcome(body)
	case framePut:
		var msgs []byte
		_, msgs, err = parsePut(body)
		for err == nil && len(msgs) > 0 {
			size := messageLen(msgs)
			if size == 0 {
				err = errFrame
			}
			msgs = msgs[size:]
		}
	case frameAck:
		_, err = parseAck(body)
	case frameRefusal:
		_, err = parseRefusal(body)
	default:
		err = errFrame
	}
	return n, err
}

func TestFrameTables(t *testing.T) {
	for name, want := range map[string]string{
		"hello":   "\x0a\x00\x00\x00\x01" + "\x01\x07a-z_0.9",
		"welcome": "\x19\x00\x00\x00\x02" + "1\x00\x00\x00\x00\x00\x00\x00" + "\x0c\x00\x00\x00\x00\x00\x00\x00" + "\x0b\x00\x00\x00\x00\x00\x00\x00",
		"put":     "\x26\x00\x00\x00\x03" + "\x0d\x00\x00\x00\x00\x00\x00\x00" + string(message(3)),
		"ack":     "\x09\x00\x00\x00\x04" + "\x0d\x00\x00\x00\x00\x00\x00\x00",
		"refusal": "\x05\x00\x00\x00\x05" + "\x06why",
	} {
		if got := frames()[name]; string(got) != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// A frame cut short is either awaited, or refused when its length says it is whole.
func TestFrameTruncations(t *testing.T) {
	for name, f := range frames() {
		if n, err := parse(f); n != len(f) || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		for cut := range len(f) {
			if n, err := parse(f[:cut]); n != 0 || err != nil {
				t.Errorf("%s cut to %d: %d, %v", name, cut, n, err)
			}
			if cut < lenSize || name == "refusal" && cut > frameHead {
				continue // the text of a refusal is what is left of the frame
			}
			short := bytes.Clone(f[:cut])
			binary.LittleEndian.PutUint32(short, uint32(cut-lenSize))
			if _, err := parse(short); err == nil {
				t.Errorf("%s of %d bytes that says it is whole was taken", name, cut)
			}
		}
	}
}

// What a newer peer adds at the end of a frame is ignored.
func TestFrameGrowth(t *testing.T) {
	for name, f := range frames() {
		if name == "put" || name == "refusal" {
			continue
		}
		long := append(bytes.Clone(f), "more"...)
		binary.LittleEndian.PutUint32(long, uint32(len(long)-lenSize))
		if n, err := parse(long); n != len(long) || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

func TestFrameLengths(t *testing.T) {
	for _, size := range []uint32{0, maxFrame - lenSize + 1, 1 << 31, 1<<32 - 1} {
		if _, _, _, err := next(binary.LittleEndian.AppendUint32(nil, size)); err != errFrame {
			t.Errorf("length %d: %v", size, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for _, b := range frames() {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parse(b)
		if n < 0 || n > len(b) {
			t.Fatalf("a frame of %d bytes in %d", n, len(b))
		}
		if n == 0 || err != nil {
			return
		}
		if again, err := parse(b[:n]); again != n || err != nil {
			t.Fatalf("the frame alone: %d, %v", again, err)
		}
	})
}

func FuzzQueue(f *testing.F) {
	f.Add(uint64(0), []byte{0, 1, 2, 3, 200, 255, 7, 7, 7})
	f.Add(uint64(41), bytes.Repeat([]byte{0, 8, 16, 255, 1, 2}, 50))
	f.Fuzz(func(t *testing.T, last uint64, ops []byte) {
		if last >= 1<<62 {
			return
		}
		checkQueue(t, last, ops)
	})
}

// checkQueue runs a queue beside a slice of the messages that are not acknowledged.
func checkQueue(t *testing.T, last uint64, ops []byte) {
	q := newQueue(last + 1)
	var model []uint64 // sequences
	sent := 0          // of the model
	for i, op := range ops {
		switch k := int(op >> 2); op & 3 {
		case 0:
			for range k + 1 {
				model = append(model, q.push(message(q.next)))
			}
		case 1:
			k = min(k, sent)
			if k > 0 {
				q.acknowledge(model[k-1])
			}
			model, sent = model[k:], sent-k
		case 2:
			sent = min(k, sent)
			q.rewind(q.first - 1 + uint64(sent))
		case 3:
			sent += checkPut(t, q.appendPut(nil), model[sent:])
		}
		if uint64(len(model)) != q.next-q.first || uint64(sent) != q.unit-q.first {
			t.Fatalf("operation %d: holds %d to %d, sent below %d; want %v, %d sent", i, q.first, q.next, q.unit, model, sent)
		}
	}
}

// checkPut wants a put to begin with the first of want and returns how many it has.
func checkPut(t *testing.T, b []byte, want []uint64) (n int) {
	if len(b) == 0 {
		if len(want) > 0 {
			t.Fatalf("nothing to send of %d", len(want))
		}
		return 0
	}
	_, body, size, err := next(b)
	first, msgs, perr := parsePut(body)
	if size != len(b) || err != nil || perr != nil || first != want[0] {
		t.Fatalf("put of %d bytes, first %d: %v, %v", size, first, err, perr)
	}
	for ; len(msgs) > 0; n++ {
		size := messageLen(msgs)
		if size == 0 || payloadOf(msgs[:size]) != want[n] {
			t.Fatalf("message %d of the put is not %d", n, want[n])
		}
		msgs = msgs[size:]
	}
	return n
}
