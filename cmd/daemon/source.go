package daemon

import (
	"strconv"
	"strings"

	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/itch"
	"github.com/tapecast/tapecast/feed/local"
	"github.com/tapecast/tapecast/feed/synth"
	"github.com/tapecast/tapecast/feed/wire"
)

// openSource opens what c.Source names, unless it is a socket, which wants to know
// the session: then it returns nil.
func openSource(c *Config) (feed.Source, error) {
	kind, rest, _ := strings.Cut(c.Source, ":")
	switch kind {
	case "itch":
		r, err := itch.Open(rest)
		if err != nil {
			return nil, badSource(c, "cannot be read", "give the path of a TotalView-ITCH 5.0 file, plain, .gz or .zst", err)
		}
		return feed.NewPaced(r, c.Pace, c.Count), nil
	case "synth":
		seed, err := strconv.ParseUint(rest, 10, 64)
		if err != nil {
			return nil, badSource(c, "has no seed", "give a number, as in synth:1", nil)
		}
		return feed.NewPaced(synth.New(seed, 0), c.Pace, c.Count), nil
	case "unix":
		if c.Journal == NoJournal {
			return nil, badSource(c, "needs a journal", "an acknowledged message is a journalled one: name a journal directory", nil)
		}
		return nil, nil
	}
	return nil, badSource(c, "is of no known kind", "give itch:FILE, synth:SEED or unix:PATH", nil)
}

func badSource(c *Config, problem, remedy string, err error) error {
	return &ConfigError{Key: "source", Value: c.Source, Problem: problem, Remedy: remedy, Err: err}
}

// listenSource makes the socket that c.Source names. acked says how far an input is
// journalled.
func listenSource(c *Config, session wire.Session, acked func(feed.InputID) uint64) (feed.Source, error) {
	s, err := local.Listen(strings.TrimPrefix(c.Source, "unix:"), session, acked)
	if err != nil {
		return nil, badSource(c, "cannot be opened", "", err)
	}
	return s, nil
}
