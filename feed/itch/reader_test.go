package itch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
)

var _ feed.Reader = (*Reader)(nil)

// framed puts the length before each message.
func framed(msgs ...[]byte) []byte {
	var b []byte
	for _, m := range msgs {
		b = append(b, byte(len(m)>>8), byte(len(m)))
		b = append(b, m...)
	}
	return b
}

// goldenFile is all golden messages, the stock directory message second.
func goldenFile(t testing.TB) []byte {
	var msgs [][]byte
	for _, c := range golden {
		msgs = append(msgs, bytesOf(t, c.hex))
	}
	return framed(msgs...)
}

// all reads r to its end, and returns copies of the messages and how it ended.
func all(r *Reader) (msgs [][]byte, err error) {
	for {
		msg, err := r.Next()
		if err != nil {
			return msgs, err
		}
		msgs = append(msgs, bytes.Clone(msg))
	}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(b, nil)
}

func TestOpen(t *testing.T) {
	plain := goldenFile(t)
	want, err := all(NewReader(bytes.NewReader(plain), "x"))
	if err != io.EOF || len(want) != len(golden) {
		t.Fatalf("%d messages, %v", len(want), err)
	}
	skippable := append([]byte("\x50\x2a\x4d\x18\x01\x00\x00\x00x"), zstded(t, plain)...)
	files := map[string][]byte{
		"day.bin": plain, "day.bin.gz": gzipped(plain), "day.bin.zst": zstded(t, plain),
		"plain.gz": plain, "zstd.gz": zstded(t, plain), "two.gz": append(gzipped(plain[:100]), gzipped(plain[100:])...),
		"skippable.zst": skippable, "marked.bin": append(bytes.Clone(plain), 0, 0),
	}
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			base, _, _ := strings.Cut(name, ".gz")
			base, _, _ = strings.Cut(base, ".zst")
			if r.Name() != "itch:"+base {
				t.Errorf("Name is %q", r.Name())
			}
			got, err := all(r)
			if err != io.EOF || !equal(got, want) {
				t.Errorf("%d messages, %v; want %d", len(got), err, len(want))
			}
			if err := errors.Join(r.Close(), r.Close()); err != nil {
				t.Error(err)
			}
			if _, err := r.Next(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

func equal(a, b [][]byte) bool {
	return bytes.Equal(bytes.Join(a, nil), bytes.Join(b, nil)) && len(a) == len(b)
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.gz")
	if err := os.WriteFile(damaged, []byte("\x1f\x8b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none"), dir, damaged} {
		if r, err := Open(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%q) = %v, %v", path, r, err)
		}
	}
}

// Wherever a file is cut, what comes before is delivered, and the error says where.
func TestTruncated(t *testing.T) {
	plain := goldenFile(t)
	want, _ := all(NewReader(bytes.NewReader(plain), "x"))
	starts := map[int]int{} // offset -> messages before it
	for at, n := 0, 0; at <= len(plain); n++ {
		starts[at] = n
		if at == len(plain) {
			break
		}
		at += 2 + int(plain[at])<<8 + int(plain[at+1])
	}
	last := 0
	for cut := range len(plain) {
		got, err := all(NewReader(bytes.NewReader(plain[:cut]), "x.bin"))
		if _, whole := starts[cut]; whole {
			last = cut
			if err != io.EOF || len(got) != starts[cut] {
				t.Fatalf("cut at %d: %d messages, %v", cut, len(got), err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrTruncated) || e.File != "x.bin" ||
			e.Offset != int64(last) || e.Message != uint64(starts[last]+1) || !equal(got, want[:starts[last]]) {
			t.Fatalf("cut at %d: %d messages, %v", cut, len(got), err)
		}
	}
}

func TestTruncatedCompressed(t *testing.T) {
	plain := bytes.Repeat(goldenFile(t), 2000)
	for name, packed := range map[string][]byte{"gzip": gzipped(plain), "zstd": zstded(t, plain)} {
		got, err := all(NewReader(bytes.NewReader(packed[:len(packed)-5]), "x"))
		if !errors.Is(err, ErrTruncated) || len(got) < 1000 || !strings.Contains(err.Error(), "(decompressed)") {
			t.Errorf("%s: %d messages, %v", name, len(got), err)
		}
		packed[len(packed)/2] ^= 0xff
		if _, err := all(NewReader(bytes.NewReader(packed), "x")); err == io.EOF {
			t.Errorf("%s: damage goes unseen", name)
		}
	}
}

func TestBadLengths(t *testing.T) {
	plain := goldenFile(t)
	cases := map[string]struct {
		tail []byte
		want error
	}{
		"zero":      {[]byte{0, 0, 0}, ErrZeroLength},
		"too long":  {framed(make([]byte, wire.MaxOpaque+1)), ErrTooLong},
		"cut":       {[]byte{0xff}, ErrTruncated},
		"cut after": {[]byte{0, 5}, ErrTruncated},
	}
	for name, c := range cases {
		r := NewReader(bytes.NewReader(append(bytes.Clone(plain), c.tail...)), "x")
		got, err := all(r)
		var e *Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Offset != int64(len(plain)) ||
			e.Message != uint64(len(golden)+1) || len(got) != len(golden) {
			t.Errorf("%s: %d messages, %v", name, len(got), err)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("%s: then %v", name, again)
		}
	}
	longest := framed(bytes.Repeat([]byte{'z'}, wire.MaxOpaque))
	if got, err := all(NewReader(bytes.NewReader(longest), "x")); err != io.EOF || len(got) != 2 {
		t.Errorf("longest: %d messages, %v", len(got), err)
	}
}

// A zstd file cannot ask for any amount of memory.
func TestWindow(t *testing.T) {
	frame := []byte("\x28\xb5\x2f\xfd\x00\x90") // a window of 2^28 bytes
	_, err := all(NewReader(bytes.NewReader(frame), "x"))
	if !errors.Is(err, zstd.ErrWindowSizeExceeded) || !strings.Contains(err.Error(), "zstd -d") {
		t.Error(err)
	}
}

// A failing read is reported as itself, after what it gave.
func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	in := io.MultiReader(bytes.NewReader(goldenFile(t)), &failing{broken})
	got, err := all(NewReader(in, "x"))
	if !errors.Is(err, broken) || len(got) != len(golden) {
		t.Errorf("%d messages, %v", len(got), err)
	}
	if _, err := NewReader(&failing{broken}, "x").Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A locate is declared before it is named, once, and again under another symbol.
func TestDefinitions(t *testing.T) {
	del := bytesOf(t, golden[9].hex)
	add := bytesOf(t, golden[3].hex)
	other := bytes.Replace(add, []byte("ZVZZT"), []byte("ZXZZT"), 1)
	nameless := bytes.Replace(add, []byte("ZVZZT"), []byte("     "), 1)
	raw := bytesOf(t, "7a 0009 0102 0a0b0c0d0e0f")
	file := framed(del, del, add, add, nameless, other, bytesOf(t, golden[1].hex), add, raw, bytesOf(t, golden[0].hex))
	want := []string{"def 7 ", "order_delete", "order_delete", "def 7 ZVZZT", "order_add", "order_add", "order_add",
		"def 7 ZXZZT", "order_add", "def 7 ZVZZT with attributes", "order_add", "def 9 ", "opaque", "trading_status"}
	msgs, err := all(NewReader(bytes.NewReader(file), "x"))
	if err != io.EOF {
		t.Fatal(err)
	}
	var got []string
	for _, msg := range msgs {
		got = append(got, describe(t, msg))
	}
	if g, w := strings.Join(got, "; "), strings.Join(want, "; "); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func describe(t *testing.T, msg []byte) string {
	if wire.KindOf(msg) != wire.KindInstrumentDefinition {
		return wire.KindOf(msg).String()
	}
	def := value(t, msg, (*wire.InstrumentDefinition).Decode)
	if def.Source != goldenTime || def.PriceExponent != -4 || def.QtyExponent != 0 || def.Class != wire.ClassEquity {
		t.Errorf("definition %+v", def)
	}
	s := "def " + string('0'+rune(def.Instrument)) + " " + string(def.Symbol)
	if len(def.Attributes) > 0 {
		s += " with attributes"
	}
	return s
}
