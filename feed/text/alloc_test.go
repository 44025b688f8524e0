package text

import (
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

func TestAllocs(t *testing.T) {
	p, dst := NewPrinter(), make([]byte, 0, 8192)
	for _, c := range lines {
		msg := c.msg.AppendTo(nil)
		p.Learn(msg)
		for name, f := range map[string]func(){
			"AppendText": func() { p.AppendText(dst, 9, stamp, msg) },
			"AppendJSON": func() { p.AppendJSON(dst, 9, stamp, msg) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s of %T: %v allocations", name, c.msg, n)
			}
		}
	}
}

func BenchmarkAppendText(b *testing.B) { benchmark(b, (*Printer).AppendText) }
func BenchmarkAppendJSON(b *testing.B) { benchmark(b, (*Printer).AppendJSON) }

type form func(p *Printer, dst []byte, seq uint64, stamp wire.Nanos, msg []byte) []byte

func benchmark(b *testing.B, f form) {
	p, dst := NewPrinter(), make([]byte, 0, 8192)
	p.Learn(definition.AppendTo(nil))
	msg := (&wire.OrderAdd{Head: at, Order: 123456789, Price: 3211400, Qty: 100}).AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		dst = f(p, dst[:0], 123456, stamp, msg)
	}
}
