package main

import (
	"fmt"
	"strings"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
)

// listenSummary is what listen ends with.
type listenSummary struct {
	Command  string `json:"command"`
	Session  string `json:"session"`
	Epoch    uint32 `json:"epoch"`
	First    uint64 `json:"first"`
	Last     uint64 `json:"last"`
	Messages uint64 `json:"messages"` // delivered and not orphaned
	Chain    string `json:"chain"`    // after Last; empty while a loss hides it
	Ended    bool   `json:"ended"`    // the session did, and all of it is here

	Delivered  uint64           `json:"delivered"`
	Repaired   uint64           `json:"repaired"`
	Duplicates uint64           `json:"duplicates"` // packets that brought nothing new; with two lines half of them
	Reordered  uint64           `json:"reordered"`  // packets behind a later one of their line
	Lost       []tally.Range    `json:"lost"`
	Orphaned   []tally.Range    `json:"orphaned"`
	LostCount  uint64           `json:"lost_messages"`
	Orphans    uint64           `json:"orphaned_messages"`
	Gaps       uint64           `json:"gaps"` // ranges missing on every line
	Requests   uint64           `json:"requests"`
	Retries    uint64           `json:"retries"`
	Kernel     uint64           `json:"kernel_drops"`
	Bad        uint64           `json:"bad_datagrams"`
	Discarded  uint64           `json:"dropped_on_purpose"` // datagrams, by --drop
	Packets    uint64           `json:"packets"`
	Receive    string           `json:"receive_method"`
	Lines      []lineSummary    `json:"lines"`
	Clock      clockSummary     `json:"clock"`
	Latency    *tally.Quantiles `json:"latency_ns"`

	Seconds   float64 `json:"seconds"` // from first to last delivery
	PerSecond float64 `json:"messages_per_second"`
	Allocs    float64 `json:"allocations_per_message"`
	daemon.Memory
}

// lineSummary is one line of it.
type lineSummary struct {
	Line       string `json:"line"`
	Packets    uint64 `json:"packets"`
	Messages   uint64 `json:"messages"`
	First      uint64 `json:"first"`   // packets that no other line had brought before
	Missing    uint64 `json:"missing"` // messages that the line never brought, though it brought later ones
	Duplicates uint64 `json:"duplicates"`
	Reordered  uint64 `json:"reordered"`
	Kernel     uint64 `json:"kernel_drops"`
	Refused    uint64 `json:"refused_frames"` // of a receive ring: what is no whole, undamaged datagram
}

func (s *listenSummary) rows(t *table) {
	t.row("session", fmt.Sprintf("%s, epoch %d", orNone(s.Session), s.Epoch))
	t.row("messages", fmt.Sprintf("%s, %s to %s", grouped(s.Messages), grouped(s.First), grouped(s.Last)))
	t.row("chain", orNone(s.Chain))
	t.row("delivered", fmt.Sprintf("%s, %s of them repaired, in %.3f s (%s a second)",
		grouped(s.Delivered), grouped(s.Repaired), s.Seconds, grouped(uint64(s.PerSecond))))
	t.row("lost", ranges(s.Lost, s.LostCount))
	t.row("orphaned", ranges(s.Orphaned, s.Orphans))
	t.row("repair", fmt.Sprintf("%s gaps, %s requests, %s of them again", grouped(s.Gaps), grouped(s.Requests), grouped(s.Retries)))
	t.row("packets", fmt.Sprintf("%s, %s duplicates, %s reordered, %s bad datagrams, %s dropped by the kernel",
		grouped(s.Packets), grouped(s.Duplicates), grouped(s.Reordered), grouped(s.Bad), grouped(s.Kernel)))
	for _, l := range s.Lines {
		t.row("line "+l.Line, fmt.Sprintf("%s packets, %s of them first, %s messages missing, %s dropped by the kernel, %s frames refused", grouped(l.Packets), grouped(l.First), grouped(l.Missing), grouped(l.Kernel), grouped(l.Refused)))
	}
	if s.Discarded > 0 {
		t.row("drill", plural(s.Discarded, "datagram")+" dropped on purpose")
	}
	s.Clock.rows(t)
	if q := s.Latency; q != nil {
		t.row("latency", fmt.Sprintf("min %s, p50 %s, p90 %s, p99 %s, p99.9 %s, max %s",
			micros(q.Min), micros(q.P50), micros(q.P90), micros(q.P99), micros(q.P999), micros(q.Max)))
		t.row("interval", intervalWords(q))
	}
}

func orNone(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// ranges names the first few ranges of a list.
func ranges(list []tally.Range, messages uint64) string {
	const most = 5
	if len(list) == 0 {
		return "nothing"
	}
	var parts []string
	for _, r := range list[:min(most, len(list))] {
		parts = append(parts, fmt.Sprintf("%s to %s (%s)", grouped(r.First), grouped(r.Last), r.Cause))
	}
	if len(list) > most {
		parts = append(parts, fmt.Sprintf("and %d more ranges", len(list)-most))
	}
	return fmt.Sprintf("%s: %s", plural(messages, "message"), strings.Join(parts, ", "))
}

func plural(n uint64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return grouped(n) + " " + word + "s"
}
