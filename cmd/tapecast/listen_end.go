package main

import (
	"errors"
	"fmt"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/tally"
	"github.com/tapecast/tapecast/recovery"
)

// end saves, flushes and prints the summary, after both loops. err is what ended
// them.
func (l *listener) end(err error, memory daemon.Memory) error {
	err = l.explain(err)
	if isUsage(err) && l.tally.Messages() == 0 {
		return err // there is nothing to sum up
	}
	if l.cfg.resume != "" {
		err = errors.Join(err, l.save())
	}
	if l.tape != nil {
		err = errors.Join(err, l.tape.flush())
	}
	l.merge(l.tally.Finish())
	s := l.summary(memory)
	return errors.Join(err, l.app.finish(s, l.cfg.json), lossError(s.LostCount))
}

// explain names the settings that the service did not agree with.
func (l *listener) explain(err error) error {
	switch {
	case errors.Is(err, recovery.ErrResume) && l.relay != nil:
		return fmt.Errorf("--journal=%s: %w, in another directory, or name the service of that session", l.cfg.journal, err)
	case errors.Is(err, recovery.ErrResume):
		return fmt.Errorf("--resume=%s: %w, by removing the file, or name the service of that session", l.cfg.resume, err)
	case errors.Is(err, recovery.ErrSession):
		return fmt.Errorf("--channel=%d --session=%q: %w; correct them, or ask another service than %v", l.cfg.channel, l.cfg.session, err, l.cfg.servers)
	}
	return err
}

// merge adds a histogram that the receive loop has given up.
func (l *listener) merge(from *tally.Latency) {
	select {
	case r := <-l.tally.Reports(): // nobody had fetched it
		l.latency.Merge(r.Latency)
	default:
	}
	l.latency.Merge(from)
}

func (l *listener) summary(memory daemon.Memory) *listenSummary {
	t, st, p := l.tally, l.sub.Stats(), l.sub.Position()
	s := &listenSummary{
		Command: "listen", Session: p.Session.String(), Epoch: p.Epoch, First: t.First, Last: p.Sequence,
		Messages: t.Kept(), Ended: t.State() == recovery.StateEnded,
		Delivered: t.Messages(), Repaired: st.Repaired, Duplicates: st.Redundant,
		Lost: list(t.Lost), Orphaned: list(t.Orphaned), LostCount: t.Lost.Messages, Orphans: t.Orphaned.Messages,
		Gaps: st.Gaps, Requests: st.Requests, Retries: st.Retries, Kernel: st.KernelDrops, Bad: st.Bad,
		Packets: st.Packets, Receive: l.cfg.receive.String(), Discarded: st.Discarded, Latency: l.latency.Quantiles(),
		Memory: memory, Seconds: (t.Latest - t.Begun).Duration().Seconds(),
	}
	s.Clock = summed(&t.Clocks)
	if p.Known {
		s.Chain = chainText(p.Chain)
	}
	if s.Seconds > 0 {
		s.PerSecond = float64(s.Delivered) / s.Seconds
	}
	if s.Delivered > 0 {
		s.Allocs = float64(memory.Mallocs) / float64(s.Delivered)
	}
	for i, x := range st.Lines {
		s.Reordered += x.Reordered
		s.Lines = append(s.Lines, lineSummary{
			Line: (recovery.LineA + recovery.Provenance(i)).String(), Packets: x.Packets, Messages: x.Messages, First: x.First, Missing: x.Missing,
			Duplicates: x.Duplicates, Reordered: x.Reordered, Kernel: st.Sockets[i].Drops, Refused: st.Sockets[i].RefusedFrames(),
		})
	}
	return s
}

// list is never null in JSON.
func list(r tally.Ranges) []tally.Range {
	if r.List == nil {
		return []tally.Range{}
	}
	return r.List
}
