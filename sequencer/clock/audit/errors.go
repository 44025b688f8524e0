package audit

import (
	"errors"
	"fmt"
)

// Sentinels.
var (
	ErrDamaged = errors.New("audit: the trail is damaged")
	ErrNoTrail = errors.New("audit: no trail in this directory")
	ErrBusy    = errors.New("audit: another process keeps its trail in this directory")
	ErrHead    = errors.New("audit: the trail lacks the block that it is to be held against: its end was cut off, or it is another trail")
	ErrTerms   = errors.New("audit: terms that no report can have")
	ErrUnsound = errors.New("audit: a published bound does not follow from the trail")
)

// Damage is the first place that does not hold.
type Damage struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"` // of the block, or of what is too short to be one
	Block  int    `json:"block"`  // in the file, from 0
	After  int64  `json:"after"`  // UTC of the last good record, ns
	What   string `json:"what"`
}

// Error names the place.
func (d *Damage) Error() string {
	return fmt.Sprintf("%v: %s, block %d at offset %d: %s", ErrDamaged, d.File, d.Block, d.Offset, d.What)
}

// Unwrap makes every Damage an ErrDamaged.
func (d *Damage) Unwrap() error { return ErrDamaged }
