package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/recovery"
)

// savedPosition is a recovery.Position as a file holds it.
type savedPosition struct {
	Session  string `json:"session"`
	Epoch    uint32 `json:"epoch"`
	Sequence uint64 `json:"sequence"`
	Chain    string `json:"chain"` // 16 hex digits; empty when a loss hid it
}

// loadPosition reads the file that savePosition wrote; nil if there is none yet.
func loadPosition(name string) (*recovery.Position, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &settings.Error{Place: "--resume=" + name, Problem: err.Error()}
	}
	p, err := decodePosition(data)
	if err != nil {
		return nil, &settings.Error{Place: "--resume=" + name,
			Problem: fmt.Sprintf("holds no saved position (%v); remove it to start anew", err)}
	}
	return p, nil
}

func decodePosition(data []byte) (*recovery.Position, error) {
	var s savedPosition
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	session, err := wire.ParseSession(s.Session)
	if err != nil {
		return nil, err
	}
	p := &recovery.Position{Session: session, Epoch: s.Epoch, Sequence: s.Sequence, Known: s.Chain != ""}
	if p.Known {
		p.Chain, err = strconv.ParseUint(s.Chain, 16, 64)
	}
	return p, err
}

func encodePosition(p recovery.Position) []byte {
	s := savedPosition{Session: p.Session.String(), Epoch: p.Epoch, Sequence: p.Sequence}
	if p.Known {
		s.Chain = chainText(p.Chain)
	}
	data, _ := json.Marshal(s) // strings and numbers only: cannot fail
	return append(data, '\n')
}

// savePosition replaces the file whole: whoever reads it, after a crash too, finds
// the old position or the new one.
func savePosition(name string, p recovery.Position) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing, once it was renamed
	_, err = f.Write(encodePosition(p))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
