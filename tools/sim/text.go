package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/tapecast/tapecast/feed/wire"
)

// Options as text are name=value pairs, one for each field that is not as in a mild
// world: what a failing seed prints, what its regression test keeps, and what -world
// reads. A field of a group is named Group.Field, of a line Lines.0.Field.

// mild is a world in which nothing happens but a few messages.
func mild() Options {
	line := LineOptions{Latency: 50 * microsecond, Burst: 1}
	return Options{
		Durability: wire.JournalAlive, Receivers: 2, Inputs: 1, Messages: 200, Rate: 2000, Burst: 1, BodyMax: 32, End: true,
		Safety: 500 * millisecond, Packet: 1400, Segment: 64 << 10, History: 24 * 16 << 10, Slab: 16 << 10,
		SyncEvery: 10 * millisecond, Heartbeat: 50 * millisecond, IngestIdle: millisecond, DiskIdle: millisecond, Poll: millisecond,
		Window: 1 << 20, Grace: 100 * microsecond, LineSkew: 5 * millisecond, Attempts: 5, Outstanding: 64,
		AskTimeout: second, Patience: 30 * second,
		Limits: LimitOptions{
			Range: 1 << 20, Outstanding: 64, Requests: 10_000, Connections: 64,
			Login: 5 * second, Silence: 5 * second, Stall: 10 * second, Answer: 120 * second,
		},
		Lines: [2]LineOptions{line, line},
		TCP:   TCPOptions{Latency: 200 * microsecond, Buffer: 64 << 10, Piece: 64 << 10},
		Faults: FaultOptions{
			Paused: 10 * millisecond, Parted: 10 * millisecond, Downtime: 10 * millisecond, SlowFor: 10 * millisecond,
		},
	}
}

// setting is one field of Options.
type setting struct {
	name  string
	value reflect.Value
}

// settings are all fields of o, in order, to be read and set.
func settings(o *Options) (all []setting) {
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Array:
			for i := range v.Len() {
				walk(name+"."+strconv.Itoa(i), v.Index(i))
			}
		default:
			all = append(all, setting{name[1:], v})
		}
	}
	walk("", reflect.ValueOf(o).Elem())
	return all
}

// number is a setting as a number; true is 1.
func (s setting) number() int64 {
	switch {
	case s.value.Kind() == reflect.Bool && s.value.Bool():
		return 1
	case s.value.CanInt():
		return s.value.Int()
	case s.value.CanUint():
		return int64(s.value.Uint())
	}
	return 0
}

func (s setting) set(n int64) {
	switch {
	case s.value.Kind() == reflect.Bool:
		s.value.SetBool(n != 0)
	case s.value.CanInt():
		s.value.SetInt(n)
	case s.value.CanUint():
		s.value.SetUint(uint64(n))
	}
}

// String is o as text, one group a line.
func (o Options) String() string {
	m := mild()
	usual := settings(&m)
	var b strings.Builder
	group := ""
	for i, s := range settings(&o) {
		if s.number() == usual[i].number() {
			continue
		}
		g, _, ok := strings.Cut(s.name, ".")
		switch {
		case !ok && group == "" && b.Len() > 0, ok && g == group:
			b.WriteByte(' ')
		case b.Len() > 0:
			b.WriteByte('\n')
		}
		if group = g; !ok {
			group = ""
		}
		fmt.Fprintf(&b, "%s=%d", s.name, s.number())
	}
	return b.String()
}

// parseWorld reads a world as text: "seed N", options, and lines that begin with #.
func parseWorld(text string) (seed uint64, o Options, err error) {
	o = mild()
	all := settings(&o)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "seed "); ok {
			if seed, err = strconv.ParseUint(n, 10, 64); err != nil {
				return 0, o, err
			}
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if err := apply(all, word); err != nil {
				return 0, o, err
			}
		}
	}
	return seed, o, nil
}

// apply sets what word, name=value, says.
func apply(all []setting, word string) error {
	name, value, _ := strings.Cut(word, "=")
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("option %q: %w", word, err)
	}
	for _, s := range all {
		if s.name == name {
			s.set(n)
			return nil
		}
	}
	return fmt.Errorf("option %q: there is no %s", word, name)
}
