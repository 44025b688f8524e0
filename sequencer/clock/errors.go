package clock

import "errors"

// ErrOrder says that an anchor would let time fall for some reader.
var ErrOrder = errors.New("clock: the anchor does not follow the one in force")
