package feed

import (
	"encoding/json"
	"flag"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

func TestParsePace(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"max", "max"},
		{"1x", "1x"},
		{"10x", "10x"},
		{"0.5x", "0.5x"},
		{"0.50x", "0.5x"},
		{"0.000001x", "0.000001x"},
		{"50000/s", "50000/s"},
		{"0.1/s", "0.1/s"},
		{"1000000000/s", "1000000000/s"},
	} {
		p, err := ParsePace(c.in)
		if err != nil || p.String() != c.out {
			t.Errorf("ParsePace(%q) = %q, %v; want %q", c.in, p, err, c.out)
		}
	}
}

func TestParsePaceRefuses(t *testing.T) {
	for _, c := range []struct{ in, say string }{
		{"", "want max"},
		{"fast", "want max"},
		{"10", "want max"},
		{"MAX", "want max"},
		{"x", "is not a number"},
		{"/s", "is not a number"},
		{"-1x", "is not a number"},
		{"1e3x", "is not a number"},
		{".5x", "is not a number"},
		{"5.x", "is not a number"},
		{"1.0000001x", "at most 6 decimals"},
		{"0x", "more than 0"},
		{"0.0/s", "more than 0"},
		{"1000000001/s", "at most 1000000000"},
		{"99999999999999999999999x", "at most 1000000000"},
	} {
		p, err := ParsePace(c.in)
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("ParsePace(%q) = %v, %v; want an error saying %q", c.in, p, err, c.say)
		}
	}
}

func TestPaceAsFlagAndText(t *testing.T) {
	p := Pace{}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.TextVar(&p, "pace", Pace{}, "")
	if err := fs.Parse([]string{"-pace", "2.5x"}); err != nil || p.String() != "2.5x" {
		t.Errorf("flag gave %v, %v", p, err)
	}
	if err := fs.Parse([]string{"-pace", "2.5y"}); err == nil || p.String() != "2.5x" {
		t.Errorf("bad flag gave %v, %v", p, err)
	}
	if b, err := json.Marshal(p); err != nil || string(b) != `"2.5x"` {
		t.Errorf("json gave %s, %v", b, err)
	}
}

func TestPaceAfter(t *testing.T) {
	for _, c := range []struct {
		pace           string
		elapsed, count uint64
		want           wire.Nanos
	}{
		{"max", 1e9, 7, 0},
		{"1x", 1e9 + 1, 7, 1e9 + 1},
		{"0.5x", 1e9, 7, 2e9},
		{"10x", 1e9, 7, 1e8},
		{"50000/s", 5, 50001, 1e9 + 20000},
		{"3/s", 0, 10, 3333333333},
		{"3/s", 0, 3e9, 1e18}, // a thousand million seconds later still exact
		{"0.000001x", wire.MaxSource, 0, never},
		{"0.000001/s", 0, math.MaxUint64, never},
	} {
		p, err := ParsePace(c.pace)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.after(c.elapsed, c.count); got != c.want {
			t.Errorf("%s after %d ns, %d messages: %d, want %d", p, c.elapsed, c.count, got, c.want)
		}
	}
}

func FuzzParsePace(f *testing.F) {
	for _, s := range []string{"max", "1x", "0.5x", "10x", "50000/s", "0.000001/s", "1.5.5x", "x", "", "1000000001x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePace(s)
		if err != nil {
			if p != (Pace{}) || !strings.Contains(err.Error(), "pace ") {
				t.Fatalf("ParsePace(%q) = %v, %q", s, p, err)
			}
			return
		}
		if q, err := ParsePace(p.String()); err != nil || q != p {
			t.Fatalf("%q gives %v, which gives %v, %v", s, p, q, err)
		}
		for a, b := uint64(0), uint64(1); b != 0; a, b = b, b<<1 {
			if p.after(a, a) > p.after(b, b) || p.after(b, b) > never {
				t.Fatalf("%v goes back between %d and %d", p, a, b)
			}
		}
	})
}
