package wire

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// The tests below read PROTOCOL.md and hold the constants and the encoders against
// its tables.

// section returns the lines of PROTOCOL.md from a heading to the next one.
func section(t *testing.T, heading string) []string {
	t.Helper()
	b, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		if strings.TrimLeft(line, "# ") == heading && strings.HasPrefix(line, "#") {
			return untilHeading(lines[i+1:])
		}
	}
	t.Fatalf("PROTOCOL.md has no heading %q", heading)
	return nil
}

func untilHeading(lines []string) []string {
	for i, line := range lines {
		if strings.HasPrefix(line, "#") {
			return lines[:i]
		}
	}
	return lines
}

// row is one row of a table, by column.
type row map[string]string

func (r row) int(t *testing.T, column string) int {
	t.Helper()
	n, err := strconv.ParseInt(r[column], 0, 64)
	if err != nil {
		t.Fatalf("%q in row %v: %v", column, r, err)
	}
	return int(n)
}

// table returns the rows of the n-th table below a heading.
func table(t *testing.T, heading string, n int) (rows []row) {
	t.Helper()
	var columns []string
	tables := 0
	for _, line := range section(t, heading) {
		if !strings.HasPrefix(line, "|") {
			columns = nil
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if columns == nil {
			columns = cells
			tables++
			continue
		}
		if tables == n+1 && !strings.HasPrefix(line, "|-") {
			rows = append(rows, rowOf(columns, cells))
		}
	}
	if len(rows) == 0 {
		t.Fatalf("PROTOCOL.md has no table %d under %q", n, heading)
	}
	return rows
}

func rowOf(columns, cells []string) row {
	r := row{}
	for i, c := range cells {
		r[columns[i]] = c
	}
	return r
}

// span is where a field lies, in bytes.
type span struct{ offset, size int }

func (s span) String() string { return fmt.Sprintf("[%d:%d]", s.offset, s.offset+s.size) }

// checkTiling wants the rows to follow each other without a hole, up to end.
func checkTiling(t *testing.T, rows []row, end int) {
	t.Helper()
	at := 0
	for _, r := range rows {
		if got := r.int(t, "offset"); got != at {
			t.Errorf("%s is at %d, but what is before it ends at %d", r["field"], got, at)
		}
		if r["size"] != "" {
			at += r.int(t, "size")
		}
	}
	if last := rows[len(rows)-1]; last["meaning"] != "end" || at != end {
		t.Errorf("the table ends at %d, want %d: %v", at, end, last)
	}
}

// checkOffsets wants a row for every constant and a constant for every row.
func checkOffsets(t *testing.T, rows []row, want map[string]span) {
	t.Helper()
	for _, r := range rows[:len(rows)-1] {
		got := span{r.int(t, "offset"), r.int(t, "size")}
		if got != want[r["field"]] {
			t.Errorf("%s: document %v, code %v", r["field"], got, want[r["field"]])
		}
		delete(want, r["field"])
	}
	if len(want) > 0 {
		t.Errorf("not in the document: %v", want)
	}
}

func TestDocumentPacket(t *testing.T) {
	rows := table(t, "Packet", 0)
	checkTiling(t, rows, HeaderLen)
	checkOffsets(t, rows, map[string]span{
		"checksum": {offChecksum, 4}, "version": {offVersion, 1}, "type": {offType, 1},
		"header length": {offHeaderLen, 1}, "key id": {offKeyID, 1}, "channel": {offChannel, 2},
		"count": {offCount, 2}, "payload length": {offPayloadLen, 2}, "clock state": {offClockState, 1},
		"tai": {offTAI, 1}, "session": {offSession, 8}, "epoch": {offEpoch, 4}, "clock id": {offClockID, 4},
		"sequence": {offSequence, 8}, "stamp": {offStamp, 8}, "close time": {offCloseTime, 4},
		"bound": {offBound, 4}, "chain": {offChain, 8},
	})
}

// Every header field lands in the bytes that the document gives it.
func TestDocumentPacketFields(t *testing.T) {
	set := map[string]func(*Header){
		"type": func(h *Header) { h.Type, h.Flags = 0xf, 0xf0 }, "key id": func(h *Header) { h.KeyID = 0xff },
		"channel": func(h *Header) { h.Channel = 0xffff }, "count": func(h *Header) { h.Count = 0xffff },
		"clock state": func(h *Header) { h.Clock.State = 0xff }, "tai": func(h *Header) { h.Clock.TAI = -1 },
		"session": func(h *Header) { h.Session = 1<<64 - 1 }, "epoch": func(h *Header) { h.Epoch = 1<<32 - 1 },
		"clock id": func(h *Header) { h.Clock.ID = 1<<32 - 1 }, "sequence": func(h *Header) { h.Sequence = 1<<64 - 1 },
		"stamp": func(h *Header) { h.Stamp = -1 }, "close time": func(h *Header) { h.CloseTime = 1<<32 - 1 },
		"bound": func(h *Header) { h.Clock.Bound = 1<<32 - 1 }, "chain": func(h *Header) { h.Chain = 1<<64 - 1 },
	}
	base, probe := make([]byte, HeaderLen), make([]byte, HeaderLen)
	new(Header).put(base, 0)
	for _, r := range table(t, "Packet", 0) {
		f, ok := set[r["field"]]
		if !ok {
			continue
		}
		var h Header
		f(&h)
		h.put(probe, 0)
		checkDiff(t, r["field"], base, probe, span{r.int(t, "offset"), r.int(t, "size")})
		if got := Packet(probe).Header(); got != h {
			t.Errorf("%s: read back as %+v", r["field"], got)
		}
		delete(set, r["field"])
	}
	if len(set) > 0 {
		t.Errorf("not in the document: %v", set)
	}
}

// checkDiff wants base and probe to differ in every byte of want and in no other.
func checkDiff(t *testing.T, name string, base, probe []byte, want span) {
	t.Helper()
	if len(base) != len(probe) {
		t.Errorf("%s: %d bytes become %d", name, len(base), len(probe))
		return
	}
	for i := range base {
		inside := i >= want.offset && i < want.offset+want.size
		if (base[i] != probe[i]) != inside {
			t.Errorf("%s: document %v, but byte %d of\n%x\n%x", name, want, i, base, probe)
			return
		}
	}
}

func TestDocumentStatus(t *testing.T) {
	rows := table(t, "Status", 0)
	checkTiling(t, rows, statusLen)
	var base Status
	for _, r := range rows[:len(rows)-1] {
		if r["field"] == "" {
			continue
		}
		probe := base
		setOnes(t, reflect.ValueOf(&probe).Elem(), r, true)
		checkDiff(t, r["field"],
			Packet(base.AppendControl(nil, Header{Type: TypeEnd})).Payload(),
			Packet(probe.AppendControl(nil, Header{Type: TypeEnd})).Payload(),
			span{r.int(t, "offset"), r.int(t, "size")})
	}
}

func TestDocumentHead(t *testing.T) {
	rows := table(t, "Messages", 0)
	checkTiling(t, rows, HeadLen)
	checkOffsets(t, rows, map[string]span{
		"length": {offLength, 2}, "kind": {offKind, 1}, "flags": {offFlags, 1},
		"instrument": {offInstrument, 4}, "source": {offSource, 6},
	})
}

// checkValues compares the numbers of a table with constants by name.
func checkValues(t *testing.T, rows []row, key, name string, want map[string]int) {
	t.Helper()
	for _, r := range rows {
		if got, ok := want[r[name]]; !ok || got != r.int(t, key) {
			t.Errorf("%s: document %s, code %d", r[name], r[key], got)
		}
		delete(want, r[name])
	}
	if len(want) > 0 {
		t.Errorf("not in the document: %v", want)
	}
}

func TestDocumentNumbers(t *testing.T) {
	checkValues(t, table(t, "Types", 0), "type", "name", map[string]int{
		"sequenced": int(TypeSequenced), "heartbeat": int(TypeHeartbeat), "epoch": int(TypeEpoch),
		"end": int(TypeEnd), "snapshot": int(TypeSnapshot),
	})
	checkValues(t, table(t, "Packet flags", 0), "flag", "name", map[string]int{
		"definitions": FlagDefinitions, "tag": FlagTag,
	})
	checkValues(t, table(t, "Clock", 0), "state", "name", map[string]int{
		"unsynchronised": int(ClockUnsynchronised), "synchronised": int(ClockSynchronised),
		"holdover": int(ClockHoldover), "disrupted": int(ClockDisrupted),
	})
	checkValues(t, table(t, "Messages", 1), "flag", "name", map[string]int{
		"stamp": FlagStamp, "wide": FlagWide, "sell": FlagSell, "a": FlagA, "b": FlagB,
	})
	checkValues(t, table(t, "Sizes", 0), "bytes", "what", map[string]int{
		"packet header": HeaderLen, "status": statusLen, "tag": TagLen, "message head": HeadLen,
		"stamp": stampLen, "largest packet, default": DefaultPacket, "largest packet": MaxPacket,
		"largest message": MaxMessage, "largest opaque data": MaxOpaque,
	})
	for _, r := range table(t, "Chain", 0) {
		want := map[string]uint64{"A": mixA, "B": mixB, "C": mixC, "D": mixD}[r["constant"]]
		if got, err := strconv.ParseUint(r["value"], 0, 64); err != nil || got != want {
			t.Errorf("constant %s: document %s, code %#x", r["constant"], r["value"], want)
		}
	}
}

func TestDocumentKinds(t *testing.T) {
	used := map[Kind]bool{}
	for _, m := range messages() {
		used[KindOf(m.AppendTo(nil))] = true
	}
	rows := table(t, "Kinds", 0)
	for i, r := range rows {
		k := Kind(r.int(t, "kind"))
		if int(k) != i+1 || k.String() != r["name"] || used[k] == (r[""] == "reserved") {
			t.Errorf("row %v: code has %v, in use %v", r, k, used[k])
		}
	}
	if next := Kind(len(rows) + 1); next.String() != "unknown" || Kind(0).String() != "unknown" || Kind(255).String() != "unknown" {
		t.Errorf("kind %d is %v, and not in the document", next, next)
	}
}

// sizeOf is the size of a type in the body tables; n × u8 is 3 in the probes.
func sizeOf(t *testing.T, typ string, wide bool) int {
	t.Helper()
	if wide && (typ == "price" || typ == "qty") {
		return 8
	}
	n, ok := map[string]int{
		"u8": 1, "i8": 1, "u16": 2, "u32": 4, "u64": 8, "4 × u8": 4, "price": 4, "qty": 4, "n × u8": 3,
	}[typ]
	if !ok {
		t.Fatalf("type %q", typ)
	}
	return n
}

// fieldOf finds the struct field of a row: "qty exponent" is QtyExponent.
func fieldOf(m reflect.Value, r row) reflect.Value {
	name := ""
	for _, word := range strings.Fields(r["field"]) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return m.FieldByName(name)
}

// setOnes sets the field of r to all ones, as many as its width holds.
func setOnes(t *testing.T, m reflect.Value, r row, wide bool) {
	t.Helper()
	f := fieldOf(m, r)
	switch {
	case !f.IsValid():
		t.Fatalf("no field for %v", r)
	case f.Kind() == reflect.Slice:
		f.SetBytes([]byte{0xff, 0xff, 0xff})
	case f.Kind() == reflect.Array:
		f.Set(reflect.ValueOf([4]byte{0xff, 0xff, 0xff, 0xff}))
	case f.CanInt():
		f.SetInt(-1)
	case r["type"] == "qty" && !wide:
		f.SetUint(1<<32 - 1)
	default:
		f.SetUint(1<<(8*f.Type().Size()) - 1)
	}
}

// optional gives all optional fields of m, variable ones 3 bytes, and prices and
// quantities that need their width.
func optional(t *testing.T, m reflect.Value, rows []row, wide bool) {
	for _, r := range rows {
		f := fieldOf(m, r)
		switch {
		case r["type"] == "n × u8":
			f.SetBytes(make([]byte, 3))
		case wide && r["type"] == "price":
			f.SetInt(1 << 40)
		case wide && r["type"] == "qty":
			f.SetUint(1 << 40)
		case r["meaning"] == "with flag a" && r["type"] == "4 × u8":
			f.Set(reflect.ValueOf([4]byte{1, 1, 1, 1}))
		case r["meaning"] == "with flag a" && r["type"] == "u64":
			f.SetUint(1)
		}
		if r["meaning"] == "with flag a" && r["type"] == "price" {
			m.FieldByName("Priced").SetBool(true)
		}
	}
}

// Every field of every kind lands in the bytes that the document gives it, and no
// byte of a body is without a row.
func TestDocumentBodies(t *testing.T) {
	for _, m := range messages() {
		kind := KindOf(m.AppendTo(nil)).String()
		t.Run(kind, func(t *testing.T) {
			rows := table(t, kind, 0)
			for column, wide := range map[string]bool{"offset": false, "wide": true} {
				checkBody(t, m, rows, column, wide)
			}
		})
	}
}

func checkBody(t *testing.T, m message, rows []row, column string, wide bool) {
	base := fresh(m)
	optional(t, reflect.ValueOf(base).Elem(), rows, wide)
	b := base.AppendTo(nil)
	at := 0
	for _, r := range rows {
		size := sizeOf(t, r["type"], wide)
		if r[column] != "" && r.int(t, column) != at {
			t.Errorf("%s: %s %s, but what is before it ends at %d", r["field"], column, r[column], at)
		}
		where := span{HeadLen + at, size}
		at += size
		if r["field"] == "zero" || strings.HasSuffix(r["field"], "length") {
			continue
		}
		probe := fresh(m)
		optional(t, reflect.ValueOf(probe).Elem(), rows, wide)
		setOnes(t, reflect.ValueOf(probe).Elem(), r, wide)
		checkDiff(t, r["field"], b, probe.AppendTo(nil), where)
	}
	if len(b) != HeadLen+at {
		t.Errorf("the table ends at %d, a body has %d bytes", at, len(b)-HeadLen)
	}
}

// The worked example of the chain is a vector, step by step what the code does.
func TestDocumentChain(t *testing.T) {
	var text string
	fence := false
	for _, line := range section(t, "Chain") {
		if strings.HasPrefix(line, "```") {
			fence = !fence
		} else if fence {
			text += strings.ReplaceAll(line, " ", "")
		}
	}
	golden := goldens(t, "packets.txt")["sequenced"]
	p, err := Parse(unhex(t, text))
	if err != nil || !bytes.Equal(p, unhex(t, golden[1])) {
		t.Fatalf("%q is not the vector: %v", text, err)
	}
	steps := table(t, "Chain", 1)
	if got := steps[len(steps)-1]["value"]; got != fmt.Sprintf("%#016x", ChainAfter(p)) {
		t.Errorf("chain after: document %s, code %#016x", got, ChainAfter(p))
	}
	h0 := p.Chain() ^ uint64(len(p))*mixA
	if got := steps[0]["value"]; got != fmt.Sprintf("%#016x", h0) {
		t.Errorf("h0: document %s, code %#016x", got, h0)
	}
}
