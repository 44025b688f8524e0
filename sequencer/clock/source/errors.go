package source

import "errors"

// Sentinels.
var (
	ErrAddress  = errors.New("source: want the literal address of a server and a port, such as 192.0.2.1:123")
	ErrKey      = errors.New("source: no such kind of key, or not hexadecimal")
	ErrSmeared  = errors.New("source: the server smears leap seconds: it is not UTC")
	ErrKiss     = errors.New("source: the server refuses to answer (kiss of death)")
	ErrDenied   = errors.New("source: the server denies access: it is not asked again")
	ErrUnsynced = errors.New("source: it is not synchronised itself")
	ErrDistant  = errors.New("source: the server's own error is over the limit")
	ErrStepped  = errors.New("source: the host's clock was stepped during the exchange")
	ErrNegative = errors.New("source: the answer came before the question left")
	ErrRange    = errors.New("source: the server's time is before 1970 or after 2042")
	ErrReply    = errors.New("source: an answer that cannot be read")
	ErrNoClock  = errors.New("source: not a PTP hardware clock, or no samples")
)
