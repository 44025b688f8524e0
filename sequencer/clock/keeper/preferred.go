package keeper

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/sequencer/clock/audit"
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
			if k.est.Quorum(counter) {
				return nil, ""
			}
			if len(k.cfg.Sources) > 1 {
				err = errQuorum
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

// Why a source gives nothing.
var (
	errFew      = errors.New("too few readings yet")
	errQuorum   = errors.New("no fresh quorum of servers")
	errAlone    = errors.New("no fresh quorum of NTP servers to confirm it")
	errLeap     = errors.New("too near to a leap second")
	errExcluded = errors.New("the NTP servers exclude it")
)

func (k *Keeper) askPTP(counter int64) (*estimate.Interval, string, error) {
	r, err := k.phc.Read()
	said := readingOf(r)
	var i *estimate.Interval
	if err == nil {
		if host, err := source.Kernel(k.counter); err == nil {
			k.heed(host) // what sets the kernel by the hardware clock tells it of leaps too
		}
		i, err = k.ptpInterval(max(counter, r.Counter), r, said)
	}
	k.putReading(said, err)
	if said.Restart {
		k.tellOf(audit.KindAlarm, r.From+" contradicts its earlier readings: it was stepped, or its rate jumped")
	}
	if err == nil {
		err = k.confirm(i, r.From)
	}
	if err != nil {
		return nil, "", err
	}
	return i, r.From, nil
}

// confirm wants the word of a fresh quorum of servers for what a hardware clock says: the
// device does not tell whether anything keeps it on time, nor of leap seconds. When they
// exclude it, its servo is dead, or more servers lie than may, and a promise by it ends.
func (k *Keeper) confirm(i *estimate.Interval, from string) error {
	if !k.est.Quorum(i.Counter) {
		return errAlone
	}
	was := k.doubted
	k.doubted = k.est.Excludes(*i)
	switch {
	case !k.doubted:
		return nil
	case was:
		return errExcluded
	}
	k.tellOf(audit.KindAlarm, "the NTP servers exclude "+from+": it is not followed")
	if k.from == from {
		k.est.Distrust()
	}
	return errExcluded
}

// ptpInterval is what a hardware clock's readings say at the counter reading. A clock on
// TAI knows no leaps, so that it is on our scale as it is. What becomes of r is noted in
// said.
func (k *Keeper) ptpInterval(counter int64, r source.Reading, said *audit.Reading) (*estimate.Interval, error) {
	i := &estimate.Interval{Counter: r.Counter, Low: r.Low, High: r.High}
	if k.cfg.PTP.UTC {
		if i = k.scaled(*i); i == nil {
			return nil, errLeap
		}
	}
	said.Shift = i.Low - r.Low
	middle, half := i.Low+(i.High-i.Low)/2, (i.High-i.Low)/2+1
	follows, err := k.phcSet.Add(estimate.Exchange{Sent: r.Counter, Received: r.Counter, T2: r.Counter + middle, T3: r.Counter + middle, Error: half})
	if err != nil {
		return nil, err
	}
	said.Used, said.Restart = true, !follows
	region, ok := k.phcSet.Region(counter)
	if !ok {
		return nil, errFew
	}
	return new(region.Interval()), nil
}

func (k *Keeper) askHost() (*estimate.Interval, string, error) {
	ask := k.opt.host
	if ask == nil {
		ask = func() (source.Reading, error) {
			return hostReading(k.counter, k.cfg.Chronyd, func(r source.Reading, err error) { k.putReading(readingOf(r), err) })
		}
	}
	r, err := ask()
	if err != nil {
		return nil, "", err
	}
	i, err := k.hostInterval(r)
	said := readingOf(r)
	if err == nil {
		said.Used, said.Shift = true, i.Low-r.Low
	}
	k.putReading(said, err)
	return i, r.From, err
}

// hostInterval is what the host's word on its clock amounts to.
func (k *Keeper) hostInterval(r source.Reading) (*estimate.Interval, error) {
	k.heed(r)
	i := k.scaled(estimate.Interval{Counter: r.Counter, Low: r.Low, High: r.High, PhiLow: -r.Drift, PhiHigh: r.Drift, Fixed: true})
	if i == nil {
		return nil, errLeap
	}
	return i, nil
}

// heed takes the host's word for a leap second at the end of the month.
func (k *Keeper) heed(r source.Reading) {
	if r.Leap != 0 {
		k.est.Leaps.Month(r.Counter+r.Low+(r.High-r.Low)/2, r.Leap > 0)
	}
}

// hostReading asks chronyd about the host's clock, or else the kernel. refused is told of
// a reading that says nothing.
func hostReading(c source.Counter, chronyd string, refused func(source.Reading, error)) (source.Reading, error) {
	why := "it is not asked"
	if chronyd != NoChronyd {
		r, err := source.Chronyd(c, chronyd, lookEvery)
		if err == nil {
			return r, nil
		}
		refused(r, err)
		why = reason(err)
	}
	r, err := source.Kernel(c)
	if err != nil {
		refused(r, err)
		return r, fmt.Errorf("neither chronyd (%s) nor the kernel (%w) vouches for the clock", why, err)
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
