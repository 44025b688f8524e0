package path

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"golang.org/x/sys/unix"
)

// Restart says which journal to go on with.
type Restart struct {
	Settings
	Channel Channel `json:"channel"`
	Cold    bool    `json:"cold"` // its files are not in the page cache
}

// Restarted is what came of it.
type Restarted struct {
	Messages uint64  `json:"messages"` // that the journal held
	Opened   float64 `json:"opened"`   // s until the daemon was open
	First    float64 `json:"first"`    // s until the first packet was sent
	Memory   int64   `json:"memory"`
}

// one is a source of one message.
type one struct {
	writer
	put  bool
	at   int64  // when the message was sent
	stop func() // the daemon
}

// Poll implements feed.Source: it is called again once the message is out.
func (o *one) Poll(_ wire.Nanos, sink feed.Sink, _ int) (int, error) {
	if o.put {
		o.at = rig.Nanotime()
		o.stop()
		return 0, io.EOF
	}
	o.put = true
	id, _, err := sink.Register("again")
	if err != nil {
		return 0, err
	}
	return 1, sink.Put(feed.Input{ID: id}, o.message(hello, 0))
}

// Due implements feed.Source.
func (o *one) Due(now wire.Nanos) wire.Nanos { return now }

// Close implements feed.Source.
func (o *one) Close() error { return nil }

func restart(ctx context.Context, part *rig.Part) (any, error) {
	var a Restart
	if err := part.Args(&a); err != nil {
		return nil, err
	}
	if a.Cold {
		if err := forget(a.Journal); err != nil {
			return nil, err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	o := &one{writer: newWriter(MinSize), stop: stop}
	began := rig.Nanotime()
	d, err := a.daemon(a.Channel, o, 0)
	if err != nil {
		return nil, err
	}
	opened := rig.Nanotime()
	var r reporter
	s, err := d.Run(ctx, &r)
	if err != nil {
		return nil, err
	}
	return Restarted{
		Messages: s.Last - s.Messages, Opened: float64(opened-began) / 1e9,
		First: float64(o.at-began) / 1e9, Memory: rig.PeakMemory(),
	}, nil
}

// forget takes the files below dir out of the page cache.
func forget(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}
