package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/tapecast/tapecast/feed/wire"
)

// Info is what the segment headers say of a session, without reading the rest.
type Info struct {
	Session  wire.Session
	Channel  uint16
	Epoch    uint32 // of the last segment begun
	First    uint64 // first sequence kept
	Segments int    // begun
	Bytes    int64  // of disk, preallocated ones too
}

// Sessions lists the journals in dir by name. A missing dir has none.
func Sessions(dir string) ([]Info, error) { return sessions(OS{}, dir) }

func sessions(fsys FS, dir string) ([]Info, error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	var all []Info
	for _, name := range names {
		session, err := wire.ParseSession(name)
		if err != nil {
			continue
		}
		info, err := describe(fsys, filepath.Join(dir, name), session)
		if err != nil {
			return nil, err
		}
		if info.Bytes > 0 {
			all = append(all, info)
		}
	}
	return all, nil
}

// describe reads the headers in dir; no bytes: it is no journal.
func describe(fsys FS, dir string, session wire.Session) (Info, error) {
	info := Info{Session: session}
	names, err := fsys.List(dir)
	if err != nil {
		return info, nil // a file, or not ours to read
	}
	r := segmentReader{fs: fsys, dir: dir}
	defer r.close()
	for _, name := range names {
		id := segmentID(name)
		if id == 0 {
			continue
		}
		if err := r.open(id); err != nil {
			return info, fmt.Errorf("journal: open %s: %w", r.path, err)
		}
		info.Bytes += r.size
		h, ok, err := r.header()
		if err != nil {
			return info, fmt.Errorf("journal: %s: %w", r.path, err)
		}
		if ok && h.session == session {
			info.add(h)
		}
	}
	return info, nil
}

func (i *Info) add(h header) {
	if i.Segments == 0 {
		i.Channel, i.First = h.channel, h.first
	}
	i.Segments++
	i.Epoch = max(i.Epoch, h.epoch)
}
