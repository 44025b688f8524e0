package keeper

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/source"
)

// Status is what a kept clock and its sources are like. Times in ns.
type Status struct {
	UTC     int64          `json:"utc"`
	State   string         `json:"state"`
	Cause   string         `json:"cause"` // of the last change of state
	Source  string         `json:"source"`
	Missing string         `json:"missing,omitempty"` // why a source ahead of that gives nothing
	Bound   int64          `json:"bound"`             // -1: none is promised
	Offset  int64          `json:"offset"`            // the time told less the middle of its interval
	Host    int64          `json:"host"`              // the host's clock less the time told
	Rate    float64        `json:"rate_ppm"`          // of true time against the counter
	RateBy  float64        `json:"rate_error"`        // ppm
	TAI     int8           `json:"tai"`
	ID      uint32         `json:"clock_id"`
	Leap    bool           `json:"leap_ahead"`
	Alarm   string         `json:"alarm,omitempty"`
	Trouble string         `json:"trouble,omitempty"` // what trail and file cannot write, and why
	Lost    uint64         `json:"audit_lost"`        // records that the trail had to drop
	Servers []ServerStatus `json:"servers"`
	Shared  *Shared        `json:"anchor,omitempty"` // for receivers of this host
	Written time.Time      `json:"written"`          // by the host's clock, in a file
}

// ServerStatus is one server's part. Times in ns.
type ServerStatus struct {
	Address string `json:"address"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"` // why the last answer was not used
	Asked   uint64 `json:"asked"`
	Used    uint64 `json:"used"`
	Samples int    `json:"samples"` // held
	Offset  int64  `json:"offset"`  // of the last answer's middle against the time told
	Trip    int64  `json:"trip"`    // round trip of the last answer
	Error   int64  `json:"error"`   // by the server's own word
	Stratum uint8  `json:"stratum"`
	Kernel  bool   `json:"kernel_stamps"`
	Key     bool   `json:"authenticated"`
}

// Told is the time that the clock told.
func (s *Status) Told() wire.Nanos { return wire.Nanos(s.UTC) }

// Why is the cause of the state, with what is missing for a better one.
func (s *Status) Why() string {
	if s.Missing == "" {
		return s.Cause
	}
	return s.Cause + "; " + s.Missing
}

// Promised reports whether Bound holds.
func (s *Status) Promised() bool { return s.State == "synchronised" || s.State == "holdover" }

// Status is as of the last anchor.
func (k *Keeper) Status() *Status { return k.status.Load() }

// Text writes the status for a terminal.
func (s *Status) Text(w io.Writer) error {
	bound := "none"
	if s.Promised() {
		bound = us(s.Bound) + " us"
	}
	_, err := fmt.Fprintf(w, "%s  %s (%s)\nbound %s  offset %s us  host %s us  rate %.4f ppm within %.4f  TAI-UTC %d  clock %08x  source %s\n",
		utcText(s.UTC), s.State, s.Why(), bound, us(s.Offset), us(s.Host), s.Rate, s.RateBy, s.TAI, s.ID, s.Source)
	for _, problem := range [...]string{s.Alarm, s.Trouble} {
		if problem != "" && err == nil {
			_, err = fmt.Fprintf(w, "ALARM: %s\n", problem)
		}
	}
	for _, v := range s.Servers {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "  %-24s %-10s %3d samples  offset %s us  trip %s us  error %s us  stratum %d  %s\n",
			v.Address, v.Verdict, v.Samples, us(v.Offset), us(v.Trip), us(v.Error), v.Stratum, v.Reason)
	}
	return err
}

func us(ns int64) string { return fmt.Sprintf("%.1f", float64(ns)/1e3) }

func utcText(utc int64) string {
	return wire.Nanos(utc).Time().Format("2006-01-02T15:04:05.000000000Z")
}

// tell publishes the status.
func (k *Keeper) tell(counter int64) {
	now, c := k.force.Read(counter)
	host := time.Now()
	s := &Status{
		UTC: int64(now), State: StateName(c.State), Cause: k.est.Cause, Source: k.from,
		Missing: k.missing, Bound: k.force.Bound(counter), Offset: k.offset(), Host: host.UnixNano() - k.force.At(int64(host.Sub(k.clock.Base()))),
		TAI: c.TAI, ID: c.ID, Leap: k.est.Leaps.Ahead(), Alarm: joined(k.alarm, k.wrongTAI), Trouble: k.troubles(), Lost: k.lostRecords(),
	}
	if !s.Promised() {
		s.Bound = -1
	}
	if i, ok := k.est.Followed(); ok {
		s.Rate, s.RateBy = 1e6*(i.PhiLow+i.PhiHigh)/2, 1e6*(i.PhiHigh-i.PhiLow)/2
	}
	for i, v := range k.servers {
		l := v.last
		s.Servers = append(s.Servers, ServerStatus{
			Address: v.address, Verdict: k.est.Verdict(i).String(), Reason: v.reason, Asked: v.asked, Used: v.used,
			Samples: k.est.Samples(i), Trip: l.Received - l.Sent - (l.T3 - l.T2), Error: l.Error,
			Offset: k.serverOffset(l), Stratum: l.Stratum, Kernel: l.Kernel, Key: l.Authenticated,
		})
	}
	if k.cfg.File != "" {
		s.Shared = share(k.force, k.shift)
	}
	k.status.Store(s)
	select {
	case k.news <- struct{}{}:
	default: // the loop has not shown the last one yet, and will show this one
	}
}

// joined are the texts that are not empty.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}

// offset is the time told less the middle of the interval that it rests on.
func (k *Keeper) offset() int64 {
	if f := k.force; k.from != "" {
		return int64((f.Behind - f.Ahead) / 2)
	}
	return 0
}

func (k *Keeper) serverOffset(a source.Answer) int64 {
	if a.Received == 0 {
		return 0
	}
	sent, _ := k.force.Read(a.Sent)
	received, _ := k.force.Read(a.Received)
	return (a.T2 - int64(sent) + a.T3 - int64(received)) / 2
}
