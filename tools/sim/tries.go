package main

import (
	"slices"

	"github.com/tapecast/tapecast/feed/wire"
)

// tries counts, apart from the production code, what one process of a receiver asked
// for, and what of that was answered with nothing: it gives up no earlier than its
// settings promise, and asks no more often.
type tries struct {
	attempts int    // of the settings
	asked    []span // a follow to the last sequence that there can be
	vain     []vain
	epoch    uint32 // all of vain are of: what an epoch leaves missing is asked for anew
	refused  uint64 // packets whose chain was not ours: so is what they were held for
}

// span is a range of sequences, both inclusive.
type span struct{ first, last uint64 }

// vain is a range whose answer ended without anything that can be used, and when.
type vain struct {
	span
	at wire.Nanos
}

// retryPause is what a receiver waits at the least before it asks the same again: an
// eighth of recovery.Config.RetryMin, which is the default here.
const retryPause = 50 * millisecond / 8

// asks is what a receiver is about to ask for, at its time now.
func (t *tries) asks(r *receiver, a span, now wire.Nanos) {
	t.asked = append(t.asked, a)
	if a.last == ^uint64(0) {
		return
	}
	t.refresh(r)
	var same []span
	for _, x := range t.vain {
		if d := now - x.at; d < retryPause && x.first <= a.last && a.first <= x.last {
			r.w.fail("I13 bounded requests: %s asks for %d..%d again, %v after an answer that brought nothing", r.label, a.first, a.last, d.Duration())
		}
		same = append(same, x.span)
	}
	if _, n := depth(same, a); n >= t.attempts {
		r.w.fail("I13 bounded requests: %s asks for %d..%d again, of which %d answers brought nothing; it promises %d attempts", r.label, a.first, a.last, n, t.attempts)
	}
}

// useless takes answers that brought nothing.
func (t *tries) useless(r *receiver, all []vain) {
	for _, x := range all {
		r.w.cover("answer of no use")
		t.refresh(r)
		t.vain = append(t.vain, x)
	}
}

// refresh forgets the answers of no use where what is missing is counted anew.
func (t *tries) refresh(r *receiver) {
	if e, n := r.sub.Position().Epoch, r.sub.Stats().Mismatch; e != t.epoch || n != t.refused {
		t.vain, t.epoch, t.refused = t.vain[:0], e, n
	}
}

// depth is in how many of spans the sequences of a are, at the least and at the most.
func depth(spans []span, a span) (least, most int) {
	places := []uint64{a.first}
	for _, s := range spans {
		for _, at := range [...]uint64{s.first, s.last + 1} {
			if a.first < at && at <= a.last {
				places = append(places, at)
			}
		}
	}
	slices.Sort(places)
	for i, at := range slices.Compact(places) {
		n := 0
		for _, s := range spans {
			n += btoi(s.first <= at && at <= s.last)
		}
		if most = max(most, n); i == 0 {
			least = n
		}
		least = min(least, n)
	}
	return least, most
}
