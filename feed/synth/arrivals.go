package synth

import "github.com/tapecast/tapecast/feed/wire"

// Source time, in nanoseconds.
const (
	opening      = (9*60 + 30) * 60 * 1_000_000_000 // 09:30, when the market begins
	busiestMean  = 2_000                            // mean gap at the open
	quietestMean = 40_000                           // mean gap later
	calming      = 250_000                          // ns after the open in which the mean gap grows by 1
)

// Bursts: one message in burstOdds starts one, of shortestBurst messages, or twice
// as many half of the time, again and again up to longestBurst doublings.
const (
	burstOdds     = 512
	shortestBurst = 16
	longestBurst  = 8
	burstGap      = 16  // least ns between two messages of a burst
	burstSpread   = 128 // ns more, at random
)

// arrivals says when messages come: at random, most densely at the open, with
// bursts in which the market runs after one instrument.
type arrivals struct {
	now   uint64 // source time of the message before, ns since midnight
	open  uint64 // when trading began; 0 before
	burst int    // messages left in it; 0 none
	focus int    // index of the burst's instrument
	up    bool   // where the burst takes its price
}

// next moves now to the next message's time, by one random number.
func (a *arrivals) next(r uint64) {
	switch {
	case a.burst > 0:
		a.burst--
		a.now += burstGap + r%burstSpread
	case a.open == 0:
		a.now += exponential(r, busiestMean/2)
	default:
		a.now += exponential(r, min(busiestMean+(a.now-a.open)/calming, quietestMean))
	}
	a.now = min(a.now, wire.MaxSource)
}

// excite starts a burst in an instrument, now and then.
func (a *arrivals) excite(r uint64, instrument int) {
	if a.burst > 0 || r%burstOdds != 0 {
		return
	}
	a.burst = shortestBurst << halvings(r>>16, longestBurst)
	a.focus, a.up = instrument, r>>32&1 == 0
}
