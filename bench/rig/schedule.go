package rig

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Schedule says when messages are to be sent, in ns after the start. Message 0 is
// the first.
type Schedule interface {
	// Due is how many messages are to be sent up to elapsed, which must not go back.
	Due(elapsed int64) uint64
	// At is when message k is to be sent.
	At(k uint64) int64
}

// even is a schedule of messages at one distance.
type even struct{ rate, distance float64 } // messages in a ns, ns

// Even is a schedule of rate messages a second, evenly spaced.
func Even(rate float64) Schedule { return even{rate / 1e9, 1e9 / rate} }

// Due implements Schedule.
func (e even) Due(elapsed int64) uint64 {
	if elapsed < 0 {
		return 0
	}
	return uint64(float64(elapsed)*e.rate) + 1
}

// At implements Schedule.
func (e even) At(k uint64) int64 { return int64(float64(k) * e.distance) }

// Bursts is a schedule with the gaps of a recorded feed, over and over.
type Bursts struct {
	at    []int64 // rising, the first is 0
	span  int64   // ns of one round
	round int64
	next  int
}

// NewBursts makes a schedule of arrival times in ns, stretched to a mean of rate
// messages a second. There must be two times at least.
func NewBursts(arrivals []int64, rate float64) (*Bursts, error) {
	n := len(arrivals)
	if n < 2 || arrivals[n-1] <= arrivals[0] {
		return nil, errors.New("bursts: fewer than two arrival times")
	}
	b := &Bursts{at: make([]int64, n), span: int64(float64(n) / rate * 1e9)}
	scale := float64(b.span) / float64(arrivals[n-1]-arrivals[0])
	for i, t := range arrivals {
		b.at[i] = int64(float64(t-arrivals[0]) * scale)
	}
	return b, nil
}

// Due implements Schedule.
func (b *Bursts) Due(elapsed int64) uint64 {
	for b.round*b.span+b.at[b.next] <= elapsed {
		if b.next++; b.next == len(b.at) {
			b.next, b.round = 0, b.round+1
		}
	}
	return uint64(b.round)*uint64(len(b.at)) + uint64(b.next)
}

// At implements Schedule.
func (b *Bursts) At(k uint64) int64 {
	n := uint64(len(b.at))
	return int64(k/n)*b.span + b.at[k%n]
}

// Arrivals reads a file, plain or .gz, whose lines begin with a time in ns.
func Arrivals(path string) ([]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return arrivals(r)
}

func arrivals(r io.Reader) (all []int64, err error) {
	lines := bufio.NewReaderSize(r, 1<<16)
	for begin := true; err != io.EOF; {
		var line []byte
		line, err = lines.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, err
		}
		word, _, _ := strings.Cut(string(line[:min(len(line), 32)]), " ")
		if t, bad := strconv.ParseInt(strings.TrimSpace(word), 10, 64); bad == nil && begin {
			all = append(all, t)
		}
		begin = err == nil // else a long line goes on
	}
	slices.Sort(all)
	return all, nil
}

// Load is what a sender offers: so many messages a second for so long.
type Load struct {
	Rate    float64 `json:"rate"`             // messages a second
	Seconds float64 `json:"seconds"`          // warm-up included
	Warmup  float64 `json:"warmup"`           // seconds at the start that are not counted
	Bursts  string  `json:"bursts,omitempty"` // file of arrival times; evenly spaced without
}

// Count is the number of messages.
func (l Load) Count() uint64 { return uint64(l.Rate * l.Seconds) }

// Warm is how many of them are not counted.
func (l Load) Warm() uint64 { return uint64(l.Rate * l.Warmup) }

// Schedule gives the times.
func (l Load) Schedule() (Schedule, error) {
	if l.Bursts == "" {
		return Even(l.Rate), nil
	}
	all, err := Arrivals(l.Bursts)
	if err != nil {
		return nil, err
	}
	return NewBursts(all, l.Rate)
}
