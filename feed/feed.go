package feed

import "github.com/tapecast/tapecast/feed/wire"

// InputID is the index of an input at one sink, given by Register. It is never
// written to disk: the journal names inputs by Hash.
type InputID uint16

// MaxInputs bounds the inputs of one sink.
const MaxInputs = 1024

// Input names one message of one input. Seq is the input's own sequence, from 1,
// one more for each message. Seq 0 is unsequenced: always taken, never recognised
// when it comes again.
type Input struct {
	ID  InputID
	Seq uint64
}

// Progress says how far an input has come. Journal records carry it.
type Progress struct {
	Input InputID
	Hash  uint64 // of the input's name
	Seq   uint64 // the last one taken
}

// Sink takes messages in order. It is implemented by *sequencer.Sequencer and
// belongs to one goroutine.
type Sink interface {
	// Register makes an input known by its name, which is the same after a
	// restart, and says the last sequence taken from it: the input goes on at
	// last+1. It returns ErrTooManyInputs beyond MaxInputs.
	Register(name string) (id InputID, last uint64, err error)

	// Put takes one whole encoded message, lent until Put returns. Errors are
	// ErrDuplicate (taken before: go on), ErrInputGap, ErrFull (put it again
	// later), ErrEnded and wire.ErrMessage.
	Put(in Input, msg []byte) error
}

// Source gives messages to a sink when they are due. It is polled by the loop
// that owns the sink.
type Source interface {
	// Poll puts what is due at now, at most max messages, and returns how many it
	// put. It returns io.EOF when there will be no more.
	Poll(now wire.Nanos, sink Sink, max int) (n int, err error)

	// Due is the earliest time at which Poll may have something to put; not after
	// now means at once.
	Due(now wire.Nanos) wire.Nanos

	Close() error
}

// Reader reads the messages of a file-like source one by one.
type Reader interface {
	// Name is the input's name, the same after a restart.
	Name() string

	// Next returns the next encoded message, lent until the next call, or io.EOF.
	Next() (msg []byte, err error)

	Close() error
}

// Hash names an input in the journal: FNV-1a, 64 bits, of its name.
func Hash(name string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001b3
	}
	return h
}
