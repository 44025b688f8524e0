package keeper

import (
	"github.com/tapecast/tapecast/sequencer/clock/estimate"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// preferred is the interval of the first source that gives one; nil leaves it to the
// servers.
func (k *Keeper) preferred(counter int64) (*estimate.Interval, string) {
	for _, s := range k.cfg.Sources {
		var i *estimate.Interval
		var from string
		switch s {
		case SourcePTP:
			i, from = k.askPTP(counter)
		case SourceHost:
			i, from = k.askHost()
		case SourceNTP:
			if _, ok := k.est.Last(); ok {
				return nil, ""
			}
		}
		if i != nil {
			return i, from
		}
	}
	return nil, ""
}

func (k *Keeper) askPTP(counter int64) (*estimate.Interval, string) {
	r, err := k.phc.Read()
	if err != nil {
		return nil, ""
	}
	middle, half := r.Low+(r.High-r.Low)/2, (r.High-r.Low)/2+1
	_, _ = k.phcSet.Add(estimate.Exchange{Sent: r.Counter, Received: r.Counter, T2: r.Counter + middle, T3: r.Counter + middle, Error: half})
	region, ok := k.phcSet.Region(max(counter, r.Counter))
	if !ok {
		return nil, ""
	}
	return k.scaled(region.Interval()), r.From
}

func (k *Keeper) askHost() (*estimate.Interval, string) {
	var r source.Reading
	err := source.ErrUnsynced
	if k.cfg.Chronyd != NoChronyd {
		r, err = source.Chronyd(k.counter, k.cfg.Chronyd, lookEvery)
	}
	if err != nil {
		r, err = source.Kernel(k.counter)
	}
	if err != nil {
		return nil, ""
	}
	return k.scaled(estimate.Interval{Counter: r.Counter, Low: r.Low, High: r.High, PhiLow: -r.Drift, PhiHigh: r.Drift, Fixed: true}), r.From
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
