package itch

import (
	"bytes"
	"io"
	"testing"
)

// endless repeats a file for ever.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.b[e.at:])
	e.at = (e.at + n) % len(e.b)
	return n, nil
}

func TestAllocs(t *testing.T) {
	file := goldenFile(t)
	r := NewReader(&endless{b: file}, "x")
	fields := make([]Field, 0, 16)
	luld := append([]byte{'J'}, make([]byte, 24)...)
	hot := map[string]func(){
		"Next": func() {
			for range golden {
				if _, err := r.Next(); err != nil {
					t.Fatal(err)
				}
			}
		},
		"Fields": func() {
			if _, ok := Fields(fields, 1, luld); !ok {
				t.Fatal("not known")
			}
		},
	}
	for name, f := range hot {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	file := bytes.Repeat(goldenFile(b), 100)
	b.SetBytes(int64(len(file) / 100 / len(golden)))
	b.ReportAllocs()
	r := NewReader(&endless{b: file}, "x")
	for b.Loop() {
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSession reads a real session, over and over.
func BenchmarkSession(b *testing.B) {
	path := sessionFile(b)
	messages := 0
	for b.Loop() {
		r, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		for _, err = r.Next(); err == nil; _, err = r.Next() {
			messages++
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
}
