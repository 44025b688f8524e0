package keeper

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// FileName is that of the clock's file in the directory of its trail.
const FileName = "clock.json"

// show is the file's loop: it writes every status that control tells. When control
// has ended the file goes.
func (k *Keeper) show() {
	for {
		select {
		case <-k.news:
			k.failed(k.unshown, k.save()) // whoever reads the file sees its age
		case <-k.ended:
			k.hide()
			return
		}
	}
}

// errShown says that two clocks would write one file.
var errShown = errors.New("another process shows its clock there")

// claim locks the clock's file for this process, by one beside it, since the file
// itself is replaced all the time.
func (k *Keeper) claim() error {
	for {
		f, err := os.OpenFile(k.cfg.File+".lock", os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			f.Close()
			return errShown
		}
		ours, err := f.Stat()
		there, gone := os.Stat(f.Name())
		if err == nil && gone == nil && os.SameFile(ours, there) {
			k.shown = f
			return nil
		}
		f.Close() // whoever had it removed it meanwhile
	}
}

// hide takes the clock's file away, if this process has one.
func (k *Keeper) hide() {
	if k.shown == nil {
		return
	}
	_ = os.Remove(k.cfg.File) // it may never have been
	_ = os.Remove(k.shown.Name())
	k.shown.Close()
}

// save replaces the file by the status.
func (k *Keeper) save() error {
	s := *k.status.Load()
	s.Written = time.Now()
	data, err := json.Marshal(&s)
	if err != nil {
		return err
	}
	beside := k.cfg.File + ".new"
	if err := os.WriteFile(beside, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(beside, k.cfg.File)
}

// ErrNoFile says that no clock shows itself in a file.
var ErrNoFile = errors.New("clock: no file that a running clock writes")

// LoadStatus reads the file that a running clock writes, or that of a trail's
// directory. Status.UTC tells how old it is.
func LoadStatus(name string) (*Status, error) {
	if st, err := os.Stat(name); err == nil && st.IsDir() {
		name = filepath.Join(name, FileName)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &Status{}
	if err := json.Unmarshal(data, s); err != nil || s.State == "" {
		return nil, errors.Join(ErrNoFile, err)
	}
	return s, nil
}
