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

// openSource opens what c.Source names. acked says how far an input is journalled.
func openSource(c *Config, session wire.Session, acked func(feed.InputID) uint64) (feed.Source, error) {
	kind, rest, _ := strings.Cut(c.Source, ":")
	bad := func(problem, remedy string, err error) error {
		return &ConfigError{Key: "source", Value: c.Source, Problem: problem, Remedy: remedy, Err: err}
	}
	switch kind {
	case "itch":
		r, err := itch.Open(rest)
		if err != nil {
			return nil, bad("cannot be read", "give the path of a TotalView-ITCH 5.0 file, plain, .gz or .zst", err)
		}
		return feed.NewPaced(r, c.Pace, c.Count), nil
	case "synth":
		seed, err := strconv.ParseUint(rest, 10, 64)
		if err != nil {
			return nil, bad("has no seed", "give a number, as in synth:1", err)
		}
		return feed.NewPaced(synth.New(seed, 0), c.Pace, c.Count), nil
	case "unix":
		if c.Journal == NoJournal {
			return nil, bad("needs a journal", "an acknowledged message is a journalled one: name a journal directory", nil)
		}
		s, err := local.Listen(rest, session, acked)
		if err != nil {
			return nil, bad("cannot be opened", "", err)
		}
		return s, nil
	}
	return nil, bad("is of no known kind", "give itch:FILE, synth:SEED or unix:PATH", nil)
}
