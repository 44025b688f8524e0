package journal

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrDead: a write, sync or allocation failed. It is permanent: the kernel may
	// have dropped what it could not write, so trying again would prove nothing.
	ErrDead = errors.New("journal: dead")

	// ErrLocked: another process writes this session.
	ErrLocked = errors.New("journal: in use by another process")

	// ErrEpoch: the epoch does not rise, or its cut is not one of this journal.
	ErrEpoch = errors.New("journal: epoch does not continue this journal")

	// ErrEnded: the session has ended and takes no more packets.
	ErrEnded = errors.New("journal: the session has ended")

	// ErrForeign: the directory holds another session or channel.
	ErrForeign = errors.New("journal: belongs to another session or channel")

	// ErrStale: the journal changed between Recover and Open.
	ErrStale = errors.New("journal: changed since it was recovered; a new start reads it anew")

	// ErrVersion: the format is of another version, which is not damage.
	ErrVersion = errors.New("journal: unsupported format version")

	// ErrNone: there is no such session, or more than one can be meant.
	ErrNone = errors.New("journal: no session to read")

	// ErrChain: a packet of this epoch does not continue the journal's chain.
	ErrChain = errors.New("journal: packet does not continue the chain")

	// ErrConfig: Options cannot be used.
	ErrConfig = errors.New("journal: options cannot be used")
)

// RotError says that the disk lost or changed what it had promised to keep:
// damage below the durable floor. Nothing is ever truncated because of it.
type RotError struct {
	File     string // path
	Offset   int64  // of the damaged record, bytes
	Sequence uint64 // the first one that cannot be vouched for
	Reason   string
}

// Error names the place and the remedy.
func (e *RotError) Error() string {
	return fmt.Sprintf("journal: %s: offset %d: %s, in what was durable; sequence %d and later cannot be trusted: "+
		"restore the session's directory from another copy (a relay's journal), or move it away and start a new session; "+
		"`tapecast verify` names the damage", e.File, e.Offset, e.Reason, e.Sequence)
}

// Damage is a torn tail: what a crash left behind the last valid record. It was
// not known to be durable.
type Damage struct {
	File     string // path
	Offset   int64  // where the valid part ends, bytes
	Bytes    int64  // from there to the last byte that is not zero
	Sequence uint64 // the first one that may have been in it
	Reason   string
}

// dead makes the error that ends a Writer, from the call that failed.
func dead(call, path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %s %s: %w: free space on that file system, or move the journal, and start again", ErrDead, call, path, err)
	}
	return fmt.Errorf("%w: %s %s: %w", ErrDead, call, path, err)
}
