package keeper

import (
	"time"

	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/sequencer/clock/audit"
)

// Event is what happened to a clock, as the trail has it too.
type Event struct {
	UTC   int64  `json:"utc"`  // ns
	Kind  string `json:"kind"` // state, disruption, alarm, leap
	Text  string `json:"text"`
	State string `json:"state"` // since
	Bound int64  `json:"bound"` // ns, -1 unknown
}

// tellOf hands an event to the trail, and to whoever wants to know.
func (k *Keeper) tellOf(kind audit.Kind, text string) {
	k.put(audit.Record{Kind: kind, Text: text})
	if k.opt.OnEvent == nil {
		return
	}
	utc, c := k.force.Read(k.counter.Now())
	e := Event{UTC: int64(utc), Kind: string(kind), Text: text, State: StateName(c.State), Bound: int64(c.Bound)}
	if c.Bound == wire.BoundUnknown {
		e.Bound = -1
	}
	k.opt.OnEvent(e)
}

// put hands a record to the trail, if one is kept.
func (k *Keeper) put(r audit.Record) {
	if k.trail == nil {
		return
	}
	if r.UTC == 0 {
		r.UTC = int64(k.now())
	}
	k.trail.Put(r)
}

// now is the time for the trail: reading it must not count as a stamp.
func (k *Keeper) now() wire.Nanos {
	utc, _ := k.clock.Anchor().Read(k.clock.Counter())
	return utc
}

// write is the trail's loop: it ends after control has. A record that cannot be
// written waits; the status says why, and the trail counts what has no room.
func (k *Keeper) write() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			k.failed(k.trail.Step(k.now()))
		case <-k.ended:
			k.failed(k.trail.Close(k.now()))
			return
		}
	}
}

// failed keeps what cannot be written for the status to say, and tells of the first
// failure.
func (k *Keeper) failed(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	before := k.trouble.Swap(&text)
	if *before == "" && text != "" && k.opt.OnEvent != nil {
		k.opt.OnEvent(Event{UTC: int64(k.now()), Kind: string(audit.KindAlarm), Text: "cannot be written, lost coverage: " + text, State: k.status.Load().State, Bound: -1})
	}
}
