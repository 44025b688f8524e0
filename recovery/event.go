package recovery

import "github.com/tapecast/tapecast/feed/wire"

// EventKind says what an Event tells. 0 is invalid.
type EventKind uint8

// Event kinds, and the fields of Event that each uses.
const (
	EventLost     EventKind = 1 // First..Last will not come, because of Cause; what follows is Last+1
	EventOrphaned EventKind = 2 // First..Last, delivered before, are no part of the session: forget them
	EventEpoch    EventKind = 3 // what follows is of Epoch, whose cut is Last, with the chain Chain there. Not sent for the first epoch
	EventState    EventKind = 4 // the receiver is now in State, because of Cause
	EventEnd      EventKind = 5 // the session ended at Last, whose chain is Chain
	EventAlert    EventKind = 6 // Cause at First..Last: nothing is lost yet, somebody should look
)

// String gives the word that tools print.
func (k EventKind) String() string {
	return word(int(k), "unknown", "lost", "orphaned", "epoch", "state", "end", "alert")
}

// State is what a receiver is doing.
type State uint8

// States. The package comment has the diagram.
const (
	StateJoining   State = 1 // nothing delivered yet; one that resumes: no server has told yet where it goes on
	StateLive      State = 2 // delivering as packets arrive
	StateRepairing State = 3 // messages are missing and asked for, or about to be
	StateStale     State = 4 // something was lost, or the feed is silent
	StateEnded     State = 5 // all was delivered or declared
)

// String gives the word that tools print.
func (s State) String() string {
	return word(int(s), "unknown", "joining", "live", "repairing", "stale", "ended")
}

// Cause says why something was lost, or changed.
type Cause uint8

// Causes. 0 is none.
const (
	CauseUnavailable Cause = 1 // every server that answered says that it is gone
	CauseAttempts    Cause = 2 // asked for as often as Config.Attempts allows
	CauseNoServer    Cause = 3 // no retransmit service is configured, none answers, or none gets so far
	CauseSilent      Cause = 4 // nothing heard for three heartbeat intervals
	CauseMismatch    Cause = 5 // a packet's chain is not ours
	CauseEpoch       Cause = 6 // a packet of a higher epoch came before its announcement
	CauseJournal     Cause = 7 // the sequencer's journal is dead
	CauseLoss        Cause = 8 // state: something was lost before
)

// String gives the words that tools print.
func (c Cause) String() string {
	return word(int(c), "", "unavailable", "attempts exhausted", "no server",
		"silent", "chain mismatch", "unannounced epoch", "journal dead", "loss")
}

func word(i int, words ...string) string {
	if i < len(words) {
		return words[i]
	}
	return words[0]
}

// Event is something that happened between two deliveries.
type Event struct {
	Kind  EventKind
	First uint64 // sequences, both inclusive
	Last  uint64
	Cause Cause
	Epoch uint32
	State State
	Chain uint64
	Now   wire.Nanos // the loop's time, ns, monotonic
}
