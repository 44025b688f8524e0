package estimate

import "errors"

// Sentinels.
var (
	ErrConfig    = errors.New("estimate: configuration cannot be kept")
	ErrServer    = errors.New("estimate: no such server")
	ErrOrder     = errors.New("estimate: exchange not after the last one of its server")
	ErrVoid      = errors.New("estimate: asked before the counter was disrupted")
	ErrCausality = errors.New("estimate: the answer was there before it was sent")
)
