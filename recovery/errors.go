package recovery

import "errors"

// Why a Subscriber gives up. A retransmit service that is down is none of these:
// the Subscriber tries again for as long as it is asked to.
var (
	ErrConfig   = errors.New("recovery: configuration")
	ErrDiverged = errors.New("recovery: live packets and repairs contradict each other; two sequencers publish one channel, or a server lies")
	ErrResume   = errors.New("recovery: the saved position is not of this session; start without it")
	ErrSession  = errors.New("recovery: the server serves another session or channel")
	ErrRefused  = errors.New("recovery: every retransmit service refuses this receiver")
)
