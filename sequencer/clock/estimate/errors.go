package estimate

import "errors"

// Sentinels.
var (
	ErrConfig    = errors.New("estimate: configuration cannot be kept")
	ErrServer    = errors.New("estimate: no such server")
	ErrOrder     = errors.New("estimate: exchange not after the last one of its server")
	ErrCausality = errors.New("estimate: the answer was there before it was sent")
)
