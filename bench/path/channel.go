package path

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/feed"
	"github.com/tapecast/tapecast/feed/wire"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
)

// Channel is what both ends of a channel must agree on.
type Channel struct {
	Groups     []netip.AddrPort `json:"groups"` // one or two
	Retransmit string           `json:"retransmit"`
}

// Channels gives channels of that many lines at one port, and the next ones.
func Channels(n, lines, port int) []Channel {
	cs := make([]Channel, n)
	for i := range cs {
		cs[i].Retransmit = fmt.Sprintf("127.0.0.1:%d", port+i)
		for line := range lines {
			group := netip.AddrFrom4([4]byte{239, 255, 83, byte(1 + 2*i + line)})
			cs[i].Groups = append(cs[i].Groups, netip.AddrPortFrom(group, uint16(port+2*i+line)))
		}
	}
	return cs
}

// Settings are those of one process: how it sends, receives, waits and journals.
type Settings struct {
	Interface string                  `json:"interface"`
	Receive   multicast.ReceiveMethod `json:"receive"`
	Apart     bool                    `json:"apart,omitempty"` // sockets without UDP_GRO
	Send      string                  `json:"send,omitempty"`  // "": auto
	Wait      daemon.Wait             `json:"wait"`
	Journal   string                  `json:"journal,omitempty"`  // directory; "": none
	History   int64                   `json:"history,omitempty"`  // bytes; 0: the daemon's default
	Prewrite  int64                   `json:"prewrite,omitempty"` // bytes of the journal that are written before
	CPU       int                     `json:"cpu"`                // of the loop; -1: not pinned
	Open      bool                    `json:"open,omitempty"`     // the session does not end with the source
	Status    time.Duration           `json:"status,omitempty"`   // between reports; 0: the daemon's default
	Linger    time.Duration           `json:"linger,omitempty"`   // after the end, since the last request; 0: 0.2 s
	TCP       bool                    `json:"tcp,omitempty"`      // follow the retransmit service, without the lines
}

// daemon opens a sequencer process that publishes source on c, as serve does.
func (s Settings) daemon(c Channel, source feed.Source, await int) (*daemon.Daemon, error) {
	daemon.MoreContexts(os.LookupEnv)
	d := daemon.Config{
		Feed: source, Await: await, EndAtEOF: !s.Open, Linger: linger(s.Linger),
		Interface: s.Interface, LineA: c.Groups[0], Send: s.Send, Retransmit: c.Retransmit,
		Journal: s.Journal, History: s.History, Prewrite: s.Prewrite, Wait: s.Wait, Status: s.Status,
	}
	if len(c.Groups) > 1 {
		d.LineB = c.Groups[1]
	}
	if s.Journal == "" {
		d.Journal = daemon.NoJournal
	}
	return daemon.Open(d)
}

func linger(d time.Duration) time.Duration {
	if d == 0 {
		return 200 * time.Millisecond
	}
	return d
}

// subscriber is the configuration of a receiver of c.
func (s Settings) subscriber(c Channel) multicast.Config {
	var wait multicast.Wait
	_ = wait.UnmarshalText([]byte(s.Wait)) // the daemon checks the same words
	return multicast.Config{
		Retransmit: []string{c.Retransmit}, Interface: s.Interface,
		Method: s.Receive, Wait: wait, Apart: s.Apart, TCP: s.TCP, Clock: now,
	}
}

// now is the time of a loop: the host's monotonic clock.
func now() wire.Nanos { return wire.Nanos(rig.Nanotime()) }

// losses counts what a subscriber did not get.
type losses struct {
	Lost     uint64 `json:"lost"`
	Repaired uint64 `json:"repaired"`
	Drops    uint64 `json:"kernel_drops"`
	Chain    string `json:"chain"` // at the end of the session
}

// event notes loss and end.
func (l *losses) event(e recovery.Event) {
	switch e.Kind {
	case recovery.EventLost:
		l.Lost += e.Last - e.First + 1
	case recovery.EventEnd:
		l.Chain = fmt.Sprintf("%016x", e.Chain)
	}
}
