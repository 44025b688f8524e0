package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tapecast/tapecast/bench/rig"
)

// highest makes a candidate whose run is the first that does not fail, from the
// highest rate down: what the machine sustains for that long. The failed ones are
// told, not kept; when all fail the last one is.
func (b *bench) highest(name string, rates []float64, at func(rate float64) candidate) candidate {
	return candidate{name, func(ctx context.Context, r *rig.Run) error {
		var tried []string
		for _, rate := range rates {
			*r = rig.Run{Name: name, Turn: r.Turn}
			if err := at(rate).run(ctx, r); err != nil {
				r.Fail("%v", err)
			}
			r.Set("offered", rate)
			if r.Failed == "" || ctx.Err() != nil {
				break
			}
			tried = append(tried, fmt.Sprintf("%.2f M/s: %s", rate/1e6, r.Failed))
			fmt.Fprintf(os.Stderr, "        %-34s %s\n", name, tried[len(tried)-1])
		}
		r.Refused = tried
		return nil
	}}
}

// ladder is rates from the highest down, each so much of the one before.
func ladder(from, to, step float64) (rates []float64) {
	for r := from; r >= to; r *= step {
		rates = append(rates, r)
	}
	return rates
}
