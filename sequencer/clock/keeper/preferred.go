package keeper

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// preferred is the interval of the first source that gives one; nil leaves it to the
// servers.
func (k *Keeper) preferred(counter int64) (*estimate.Interval, string) {
	k.missing = ""
	for _, s := range k.cfg.Sources {
		var i *estimate.Interval
		var from string
		var err error
		switch s {
		case SourcePTP:
			i, from, err = k.askPTP(counter)
		case SourceHost:
			i, from, err = k.askHost()
		case SourceNTP:
			if _, ok := k.est.Last(); ok {
				return nil, ""
			}
		}
		if i != nil {
			return i, from
		}
		if err != nil && k.missing == "" {
			k.missing = s + ": " + err.Error()
		}
	}
	return nil, ""
}

// errFew says that a clock was not read often enough yet.
var errFew = errors.New("too few readings yet")

func (k *Keeper) askPTP(counter int64) (*estimate.Interval, string, error) {
	r, err := k.phc.Read()
	if err != nil {
		return nil, "", err
	}
	middle, half := r.Low+(r.High-r.Low)/2, (r.High-r.Low)/2+1
	_, _ = k.phcSet.Add(estimate.Exchange{Sent: r.Counter, Received: r.Counter, T2: r.Counter + middle, T3: r.Counter + middle, Error: half})
	region, ok := k.phcSet.Region(max(counter, r.Counter))
	if !ok {
		return nil, "", errFew
	}
	return k.scaled(region.Interval()), r.From, nil
}

func (k *Keeper) askHost() (*estimate.Interval, string, error) {
	r, err := hostReading(k.counter, k.cfg.Chronyd)
	if err != nil {
		return nil, "", err
	}
	return k.scaled(estimate.Interval{Counter: r.Counter, Low: r.Low, High: r.High, PhiLow: -r.Drift, PhiHigh: r.Drift, Fixed: true}), r.From, nil
}

// hostReading asks chronyd about the host's clock, or else the kernel.
func hostReading(c source.Counter, chronyd string) (source.Reading, error) {
	if chronyd != NoChronyd {
		r, err := source.Chronyd(c, chronyd, lookEvery)
		if err == nil {
			return r, nil
		}
	}
	r, err := source.Kernel(c)
	if err != nil {
		return r, fmt.Errorf("neither chronyd nor the kernel vouches for the clock (%w)", err)
	}
	return r, nil
}

// scaled brings an interval of UTC to the scale without leaps, nil near a leap.
func (k *Keeper) scaled(i estimate.Interval) *estimate.Interval {
	low, ok := k.est.Leaps.Scale(i.Low + i.Counter)
	if !ok {
		return nil
	}
	shift := low - i.Low - i.Counter
	i.Low, i.High = i.Low+shift, i.High+shift
	return &i
}
