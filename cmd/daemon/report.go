package daemon

import (
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery/retransmit"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// Reporter is told what an operator should know. Its methods are called from the
// goroutine that called Run.
type Reporter interface {
	Started(Info)
	Status(Status)
	Clock(keeper.Event)  // the clock's state changed, or something is wrong with it
	Warn(problem string) // at once, when it happens
}

// Info is what was chosen at the start.
type Info struct {
	Session    string   `json:"session"`
	Epoch      uint32   `json:"epoch"`
	Previous   uint32   `json:"previous_epoch"`
	Cut        uint64   `json:"cut"`
	Chain      string   `json:"cut_chain"`
	Channel    uint16   `json:"channel"`
	Lines      []string `json:"lines"`
	Method     string   `json:"send_method"`
	Reason     string   `json:"send_reason"`
	Retransmit string   `json:"retransmit"`
	Journal    string   `json:"journal"`
	Durability string   `json:"durability"`
	Clock      string   `json:"clock"`
	Torn       string   `json:"torn,omitempty"` // what recovery cut off the journal
}

// Status is the daemon at one instant.
type Status struct {
	Now       wire.Nanos `json:"now"` // UTC
	Next      uint64     `json:"next"`
	Durable   uint64     `json:"durable"`
	Written   uint64     `json:"written"`
	Journal   string     `json:"journal"`
	Receivers int        `json:"receivers"` // connections of the retransmit service
	Requests  uint64     `json:"requests"`
	Repaired  uint64     `json:"repaired"` // messages sent over TCP
	Ended     bool       `json:"ended"`

	Goroutines int    `json:"goroutines"`
	Allocated  uint64 `json:"allocated_bytes"` // since the start, in use and garbage

	Clock *keeper.Status `json:"clock"`
}

// Summary is what a finished daemon did. Sequences are of the whole session.
type Summary struct {
	Session  string        `json:"session"`
	Epoch    uint32        `json:"epoch"`
	First    uint64        `json:"first"`
	Last     uint64        `json:"last"`
	Messages uint64        `json:"messages"` // published in this epoch
	Chain    string        `json:"chain"`    // after Last
	Durable  uint64        `json:"durable"`  // highest sequence that survives a crash
	Journal  string        `json:"journal"`  // state
	Ended    bool          `json:"ended"`    // the session, not only the process
	Packets  uint64        `json:"packets"`  // sequenced, each once
	Method   string        `json:"send_method"`
	Lines    []LineSummary `json:"lines"`
	Seconds  float64       `json:"seconds"` // from first to last packet
	Rate     float64       `json:"messages_per_second"`
	Allocs   float64       `json:"allocations_per_message"`
	Memory
	Repair    RepairSummary `json:"retransmit"`
	SendFails uint64        `json:"send_failures"`
}

// LineSummary is what went out on one line, control packets included.
type LineSummary struct {
	Line    string `json:"line"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Sends   uint64 `json:"sends"` // system calls
	Errors  uint64 `json:"errors"`
}

// RepairSummary is what the retransmit service did.
type RepairSummary struct {
	Connections uint64 `json:"connections"`
	Logins      uint64 `json:"logins"`
	Requests    uint64 `json:"requests"`
	Refused     uint64 `json:"refused"`
	Messages    uint64 `json:"messages"`
	Bytes       uint64 `json:"bytes"`
}

func repairSummary(s retransmit.Stats) RepairSummary {
	r := RepairSummary{Connections: s.Accepted, Logins: s.Logins, Requests: s.Requests, Messages: s.Messages, Bytes: s.Bytes}
	for _, n := range s.Refused {
		r.Refused += n
	}
	return r
}

func lineSummaries(stats []multicast.SenderStats) (ls []LineSummary) {
	for i, s := range stats {
		ls = append(ls, LineSummary{Line: string(rune('a' + i)), Packets: s.Packets, Bytes: s.Bytes, Sends: s.Sends, Errors: s.Failed})
	}
	return ls
}

// journalWord is a journal state as people read it.
func journalWord(s wire.JournalState) string {
	switch s {
	case wire.JournalAlive:
		return "alive"
	case wire.JournalDead:
		return "dead"
	case wire.JournalStrict:
		return "strict"
	}
	return "none"
}
