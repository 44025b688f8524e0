package path

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery/retransmit"
)

// Relay says what to receive, keep and serve to programs behind it, as
// `listen --journal DIR --serve ADDR` does.
type Relay struct {
	Listen
	Serve string `json:"serve"` // ADDR:PORT
}

func relay(ctx context.Context, part *rig.Part) (any, error) {
	var a Relay
	if err := part.Args(&a); err != nil {
		return nil, err
	}
	rig.NoCollection()
	daemon.MoreContexts(os.LookupEnv)
	l := &listener{Listen: a.Listen, part: part, h: rig.NewHistogram()}
	var s *multicast.Subscription
	r, err := daemon.OpenRelay(daemon.RelayConfig{
		Journal: a.Journal, Serve: a.Serve, Linger: time.Second,
		Channel: func() retransmit.Channel { return s.Welcome().Channel },
	}, l)
	if err != nil {
		return nil, err
	}
	if s, err = multicast.Open(l.subscriber(l.Channel), r); err == nil {
		err = l.listen(ctx, s)
	}
	if err := errors.Join(err, r.Close(ctx)); err != nil {
		return nil, err
	}
	return l.result(s), nil
}
