package keeper

import (
	"fmt"
	"strings"
	"sync/atomic"
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
			k.writing.Store(k.counter.Now())
			k.failed(k.unwritten, k.trail.Step(k.now()))
			k.writing.Store(0)
		case <-k.ended:
			k.over = k.trail.Close(k.now())
			k.failed(k.unwritten, k.over)
			return
		}
	}
}

// slowest is how long a disk may take for a block before that is told, ns.
const slowest = 10 * int64(time.Second)

// errHangs says that the trail's loop waits for the disk.
var errHangs = fmt.Errorf("the disk has not answered for %v", time.Duration(slowest))

// watchTrail has control tell of what the trail's loop cannot, because it hangs, and of
// records that are lost: once while that goes on.
func (k *Keeper) watchTrail(counter int64) {
	if k.trail == nil {
		return
	}
	var err error
	if since := k.writing.Load(); since != 0 && counter-since > slowest {
		err = errHangs
	}
	k.failed(k.hanging, err)
	lost := k.trail.Lost()
	if lost > k.gone && !k.losing {
		k.tellOf(audit.KindAlarm, lostText(lost))
	}
	k.losing, k.gone = lost > k.gone, lost
}

func lostText(n uint64) string { return fmt.Sprintf("the audit trail has lost %d records", n) }

// Err is what the trail could not take when it was closed, once the loops have ended.
func (k *Keeper) Err() error {
	if k.over == nil {
		return nil
	}
	return fmt.Errorf("the audit trail has no end: %w", k.over)
}

// EndWait is how long the loops may take to end: longer than any question, so that it is a
// disk that hangs if they do not.
const EndWait = time.Duration(slowest)

// Hung is the error of loops that have not ended in time, which are left to themselves: what
// waits for the disk of the trail may be lost.
func (k *Keeper) Hung() error {
	if k.trail == nil || k.trail.Waiting() == 0 {
		return fmt.Errorf("the clock's file is left behind: %w", errHangs)
	}
	return fmt.Errorf("the audit trail has no end: %w: %d records may be lost, and their time is not covered", errHangs, k.trail.Waiting())
}

// trouble is what one loop cannot write.
type trouble struct {
	where, harm string
	text        atomic.Pointer[string] // empty when it can
}

func newTrouble(where, harm string) *trouble {
	t := &trouble{where: where, harm: harm}
	t.text.Store(new(string))
	return t
}

// failed keeps what cannot be written for the status to say, and tells of the first
// failure.
func (k *Keeper) failed(of *trouble, err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("%s cannot be written, %s: %v", of.where, of.harm, err)
	}
	before := of.text.Swap(&text)
	if *before == "" && text != "" && k.opt.OnEvent != nil {
		k.opt.OnEvent(Event{UTC: int64(k.now()), Kind: string(audit.KindAlarm), Text: text, State: k.status.Load().State, Bound: -1})
	}
}

// troubles is what cannot be written now, empty when all can.
func (k *Keeper) troubles() string {
	var all []string
	for _, t := range [...]*trouble{k.unwritten, k.hanging, k.unshown} {
		if text := *t.text.Load(); text != "" {
			all = append(all, text)
		}
	}
	if n := k.lostRecords(); n > 0 {
		all = append(all, lostText(n))
	}
	return strings.Join(all, "; ")
}

// lostRecords is how many records the trail has dropped.
func (k *Keeper) lostRecords() uint64 {
	if k.trail == nil {
		return 0
	}
	return k.trail.Lost()
}
