package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
)

// table is rows for people: cells with tabs between, columns aligned.
type table struct{ b strings.Builder }

func (t *table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			t.b.WriteByte('\t')
		}
		fmt.Fprint(&t.b, c)
	}
	t.b.WriteByte('\n')
}

// writeTo writes the rows, the columns two spaces apart.
func (t *table) writeTo(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	io.WriteString(tw, t.b.String())
	return tw.Flush()
}

// summary is what a command ends with: an object for programs, rows for people.
type summary interface{ rows(t *table) }

// finish writes s as the last of stdout.
func (a *app) finish(s summary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.out).Encode(s)
	}
	var t table
	s.rows(&t)
	return t.writeTo(a.out)
}

// grouped writes n with commas between thousands.
func grouped[T ~int | ~int64 | ~uint64 | ~uint32 | ~uint16](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	start := len(s) % 3
	if start == 0 {
		start = 3
	}
	var b strings.Builder
	b.WriteString(s[:start])
	for ; start < len(s); start += 3 {
		b.WriteByte(',')
		b.WriteString(s[start : start+3])
	}
	return b.String()
}

// micros writes ns in µs, with as many decimals as are worth reading.
func micros(ns int64) string {
	us := float64(ns) / 1000
	decimals := 1
	if us >= 100 {
		decimals = 0
	}
	return strconv.FormatFloat(us, 'f', decimals, 64) + " µs"
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// instant writes a time in UTC with nine digits.
func instant(n wire.Nanos) string { return n.Time().Format("2006-01-02T15:04:05.000000000Z") }

// clockTime is for status lines.
func clockTime(t time.Time) string { return t.UTC().Format("15:04:05") }

// chainText is how a chain is written everywhere: 16 hex digits.
func chainText(chain uint64) string { return fmt.Sprintf("%016x", chain) }
