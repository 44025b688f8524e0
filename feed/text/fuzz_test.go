package text

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/tapecast/tapecast/feed/wire"
)

// Whatever the bytes, each form is one line, of printable ASCII or valid JSON.
func FuzzPrinter(f *testing.F) {
	for _, c := range lines {
		f.Add(c.msg.AppendTo(nil), uint64(1), int64(stamp))
	}
	f.Add([]byte{}, uint64(1<<64-1), int64(-1<<63))
	f.Fuzz(func(t *testing.T, msg []byte, seq uint64, stamp int64) {
		p := NewPrinter()
		for range 2 { // the second time the instrument may be known
			line := p.AppendText(nil, seq, wire.Nanos(stamp), msg)
			checkLine(t, line)
			line = p.AppendJSON(nil, seq, wire.Nanos(stamp), msg)
			checkLine(t, line)
			var head struct {
				Seq    *uint64
				Stamp  *int64
				Kind   *string
				Symbol *string
			}
			if err := json.Unmarshal(line, &head); err != nil || head.Symbol == nil || *head.Seq != seq || *head.Stamp != stamp || *head.Kind == "" {
				t.Fatalf("%x: %v: %s", msg, err, line)
			}
		}
	})
}

func checkLine(t *testing.T, line []byte) {
	if i := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i != len(line)-1 {
		t.Fatalf("byte %d of %q", i, line)
	}
}
