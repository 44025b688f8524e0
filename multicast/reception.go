package multicast

import (
	"encoding/binary"
	"fmt"

	"github.com/tapecast/tapecast/feed/wire"
)

// Byte orders: the network's, and this host's, which the kernel speaks.
var (
	be     = binary.BigEndian    //tidy:allow byte order, a constant in all but name
	native = binary.NativeEndian //tidy:allow byte order, a constant in all but name
)

// ReceiveMethod is how datagrams are taken from the kernel.
type ReceiveMethod uint8

// Receive methods. The package comment compares them.
const (
	ReceiveSockets ReceiveMethod = iota // UDP sockets: everywhere, without rights
	ReceiveRing                         // an AF_PACKET ring in shared memory: no system call; CAP_NET_RAW, IPv4, Ethernet or loopback
)

var receiveNames = [...]string{"sockets", "ring"}

// String gives "sockets" or "ring".
func (m ReceiveMethod) String() string {
	if int(m) < len(receiveNames) {
		return receiveNames[m]
	}
	return fmt.Sprintf("ReceiveMethod(%d)", uint8(m))
}

// MarshalText gives m's name.
func (m ReceiveMethod) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the name of a receive method. The error wraps ErrMethod.
func (m *ReceiveMethod) UnmarshalText(b []byte) error {
	for i, name := range receiveNames {
		if name == string(b) {
			*m = ReceiveMethod(i)
			return nil
		}
	}
	return fmt.Errorf("%w %q: use sockets or ring", ErrMethod, b)
}

// A reception is one line's way in: a Receiver or a Ring. Another method, such as
// AF_XDP, is one more of these.
type reception interface {
	Receive(now wire.Nanos, to Datagrams) (int, error)
	pending() bool // false: Receive has nothing. It costs no system call
	Drops() (uint64, error)
	Stats() ReceiverStats
	Warning() string
	Close() error
	descriptor() int // readable when Receive has something
}

// open opens the way in that m says.
func (m ReceiveMethod) open(c ReceiverConfig) (reception, error) {
	switch m {
	case ReceiveSockets:
		return asReception(NewReceiver(c))
	case ReceiveRing:
		return asReception(NewRing(c))
	}
	return nil, fmt.Errorf("multicast: %w: %v", ErrMethod, m)
}

// asReception keeps a nil pointer from becoming an interface that is not nil.
func asReception[R reception](r R, err error) (reception, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}
