package estimate

import (
	"math/rand/v2"
	"testing"
)

func pace(seed uint64) *Pace { return NewPace(16e9, rand.New(rand.NewPCG(seed, 0))) }

// TestPace: a burst, a random phase, then intervals just under the poll.
func TestPace(t *testing.T) {
	phases := map[int64]bool{}
	for seed := range uint64(20) {
		p := pace(seed)
		if f := p.First(); f < 0 || f >= BurstEvery {
			t.Errorf("seed %d: first after %d ns", seed, f)
		}
		for i := range Burst - 1 {
			if w, ok := p.Next(Failed, 0); !ok || w != BurstEvery {
				t.Errorf("seed %d: question %d of the burst after %d ns", seed, i+2, w)
			}
		}
		phase, _ := p.Next(Answered, 0)
		if phase < 1 || phase > 16e9 {
			t.Errorf("seed %d: a phase of %d ns", seed, phase)
		}
		phases[phase/1e9] = true
		for range 50 {
			if w, ok := p.Next(Answered, 0); !ok || w > 16e9 || w < 15e9 {
				t.Errorf("seed %d: next after %d ns", seed, w)
			}
		}
	}
	if len(phases) < 8 {
		t.Errorf("20 clients start in only %d different seconds", len(phases))
	}
}

// TestPaceBacksOff: what a server asks for is done.
func TestPaceBacksOff(t *testing.T) {
	p := pace(1)
	if w, _ := p.Next(Throttled, 0); w != 32e9 {
		t.Errorf("after RATE in the burst the next question comes after %d ns", w)
	}
	if w, _ := p.Next(Answered, 0); w < 30e9 {
		t.Errorf("after RATE and an answer: %d ns", w)
	}
	if p.Hurry() {
		t.Error("a server that wants fewer questions gets an extra one")
	}
	if w, _ := p.Next(Answered, 64e9); w < 60e9 || w > 64e9 {
		t.Errorf("the answer asks for 64 s, the next question comes after %d ns", w)
	}
	for range 20 {
		p.Next(Throttled, 0)
	}
	if w, ok := p.Next(Throttled, 0); w != SlowestPoll || !ok {
		t.Errorf("after much RATE: %d ns", w)
	}
	if _, ok := p.Next(Denied, 0); ok {
		t.Error("asked again after DENY")
	}
}

// TestPaceHurries: one extra question between two regular ones.
func TestPaceHurries(t *testing.T) {
	p := pace(2)
	for range Burst + 1 {
		p.Next(Answered, 0)
	}
	for range 3 {
		if !p.Hurry() {
			t.Fatal("no extra question")
		}
		for range 5 {
			p.Next(Answered, 0)
			if p.Hurry() {
				p.Next(Answered, 0)
				if p.Hurry() {
					t.Fatal("a second extra question before a regular one")
				}
				break
			}
		}
		p.Next(Answered, 0)
	}
}
