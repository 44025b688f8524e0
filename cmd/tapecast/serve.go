package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed"
)

// Where a channel is published and repaired unless it is told otherwise.
const (
	defaultLineA      = "239.255.42.1:30001"
	defaultLineB      = "239.255.42.2:30002"
	defaultRetransmit = "127.0.0.1:30003"
)

// serveDefaults is what serve does without a setting.
func serveDefaults() daemon.Config {
	c := daemon.Config{
		LineA:      netip.MustParseAddrPort(defaultLineA),
		LineB:      netip.MustParseAddrPort(defaultLineB),
		Retransmit: defaultRetransmit,
		Linger:     5 * time.Second,
		Status:     time.Second,
	}
	c.Complete()
	return c
}

func (a *app) serve() command {
	c, json := serveDefaults(), false
	return command{
		use:   "serve",
		short: "sequence a source, publish it over multicast and serve repairs",
		long: "Serve takes messages from a source, numbers and stamps them, publishes them on two\n" +
			"multicast lines, keeps them in a journal and serves repairs over TCP. Started again\n" +
			"on the same journal it continues the session under a new epoch.\n\n" +
			"Every packet says what its stamps are worth: a state and a bound. By default the clock\n" +
			"is the host's, as far as the kernel or chronyd vouch for it; where nothing does, every\n" +
			"packet says unsynchronised.",
		example: "  tapecast serve --source synth:1 --pace 50000/s --interface eth0 --journal /var/lib/tapecast\n" +
			"  tapecast serve --source itch:session.gz --pace 1x --end-at-eof --interface lo --journal /tmp/j",
		args:     noArguments,
		settings: append(serveSettings(&c), outputSettings(&c.Status, &json)...),
		shared:   []settings.Section{clockSection(&c.Clock)},
		run: func(ctx context.Context, _ []string) error {
			defer withoutCollection(serveGarbage, a.env)()
			defer daemon.MoreContexts(a.env)()
			s, err := daemon.Serve(ctx, c, &serveReporter{out: a.err, json: json})
			if s == nil {
				return err
			}
			return errors.Join(err, a.finish(&serveSummary{"serve", s}, json))
		},
	}
}

// outputSettings are those of every command that handles a live session.
func outputSettings(status *time.Duration, json *bool) []settings.Setting {
	return []settings.Setting{
		{Name: "status", Value: settings.Duration(status), Usage: "time between status lines on stderr; 0 is none"},
		{Name: "json", Value: settings.Bool(json), Usage: "write JSON objects, one a line; the last one of stdout is the summary"},
	}
}

func serveSettings(c *daemon.Config) []settings.Setting {
	pace := settings.Parsed(&c.Pace, "PACE", feed.ParsePace, feed.Pace.String)
	return []settings.Setting{
		{Name: "source", Value: settings.Text(&c.Source, "SOURCE"), Usage: "itch:FILE (also .gz, .zst), synth:SEED or unix:PATH; needed"},
		{Name: "pace", Value: pace, Usage: "speed of the source: 1x, 10x (times its own), max or 50000/s"},
		{Name: "count", Value: settings.Count(&c.Count, "N"), Usage: "end the source after so many messages; 0 is never"},
		{Name: "end-at-eof", Value: settings.Bool(&c.EndAtEOF), Usage: "end the session when the source ends"},
		{Name: "linger", Value: settings.Duration(&c.Linger), Usage: "how long to serve repairs after the end of the session, counted from the last request"},
		{Name: "await", Value: settings.Number(&c.Await, "N", 0, 1_000_000), Usage: "start the source once so many receivers have logged in"},

		{Name: "interface", Short: "i", Value: settings.Text(&c.Interface, "IF"), Usage: "network interface to publish on; needed"},
		{Name: "interface-b", Value: settings.Text(&c.InterfaceB, "IF"), Usage: "interface of line B, if another"},
		{Name: "line-a", Value: settings.Group(&c.LineA), Usage: "multicast group and port of line A"},
		{Name: "line-b", Value: settings.Group(&c.LineB), Usage: "and of line B"},
		{Name: "ttl", Value: settings.Number(&c.TTL, "N", 1, 255), Usage: "routers that packets may pass, plus one"},
		{Name: "no-loopback", Value: settings.Bool(&c.NoLoopback), Usage: "keep packets from receivers on this host"},
		{Name: "send", Value: settings.Choice(&c.Send, "auto", "gso", "mmsg", "single"), Usage: "how to send; auto takes the fastest that works"},
		{Name: "retransmit", Value: settings.Addr(&c.Retransmit), Usage: "where to serve repairs; port 0 is any free one"},

		{Name: "journal", Value: settings.Text(&c.Journal, "DIR"), Usage: "directory of the journal, or " + daemon.NoJournal + "; needed"},
		{Name: "durability", Value: settings.Choice(&c.Durability, string(daemon.Fast), string(daemon.Strict)), Usage: "fast: send before it is on disk; strict: only what a crash cannot lose"},
		{Name: "session", Value: settings.Text(&c.Session, "NAME"), Usage: "session, 1 to 8 of A-Z a-z 0-9 - _ . ; the journal's open one, or today's date"},
		{Name: "channel", Value: settings.Number(&c.Channel, "N", 1, 65535), Usage: "number of the channel"},
		{Name: "packet-size", Value: settings.Number(&c.PacketSize, "BYTES", 1, 65000), Usage: "largest packet"},
		{Name: "heartbeat", Value: settings.Duration(&c.Heartbeat), Usage: "longest silence on the lines"},
		{Name: "history", Value: settings.Size(&c.History), Usage: "memory for repairs; older packets come from the journal"},
		{Name: "segment", Value: settings.Size(&c.Segment), Usage: "size of one file of the journal"},
		{Name: "prewrite", Value: settings.Size(&c.Prewrite), Usage: "so much of the journal is made and filled with zeros at the start, which a disk then takes several times as fast; the next start keeps what is left"},
		{Name: "wait", Value: settings.Choice(&c.Wait, string(daemon.Block), string(daemon.Yield), string(daemon.Spin)), Usage: "what to do when there is nothing to do: spin takes a CPU for the least latency"},
	}
}

// serveSummary is what serve ends with.
type serveSummary struct {
	Command string `json:"command"`
	*daemon.Summary
}

func (s *serveSummary) rows(t *table) {
	t.row("session", fmt.Sprintf("%s, epoch %d%s", orNone(s.Session), s.Epoch, map[bool]string{true: ", ended"}[s.Ended]))
	t.row("messages", fmt.Sprintf("%s published, the session's are %s to %s", grouped(s.Messages), grouped(s.First), grouped(s.Last)))
	t.row("chain", s.Chain)
	t.row("published", fmt.Sprintf("%s packets in %.3f s (%s messages a second) by %s", grouped(s.Packets), s.Seconds, grouped(uint64(s.Rate)), s.Method))
	for _, l := range s.Lines {
		t.row("line "+l.Line, fmt.Sprintf("%s packets, %s, %s sends, %s errors", grouped(l.Packets), size(int64(l.Bytes)), grouped(l.Sends), grouped(l.Errors)))
	}
	t.row("journal", fmt.Sprintf("%s, durable to %s", s.Journal, grouped(s.Durable)))
	r := s.Repair
	t.row("repair", fmt.Sprintf("%s logins, %s requests, %s refused, %s messages, %s",
		grouped(r.Logins), grouped(r.Requests), grouped(r.Refused), grouped(r.Messages), size(int64(r.Bytes))))
}
