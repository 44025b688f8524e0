package multicast

import "fmt"

// Method is how a publisher hands packets to the kernel.
type Method uint8

// Send methods, from the plainest to the fastest. MethodAuto takes the fastest
// that works on every line.
const (
	MethodAuto   Method = iota
	MethodSingle        // one system call for each packet
	MethodMMsg          // sendmmsg: one for up to 64 packets
	MethodGSO           // UDP_SEGMENT: up to 64 packets, or 64 KB, are one datagram to most of the kernel
)

var methodNames = [...]string{"auto", "single", "mmsg", "gso"}

// String gives "auto", "single", "mmsg" or "gso".
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}

// MarshalText gives m's name.
func (m Method) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the name of a method. The error wraps ErrMethod.
func (m *Method) UnmarshalText(b []byte) error {
	for i, name := range methodNames {
		if name == string(b) {
			*m = Method(i)
			return nil
		}
	}
	return fmt.Errorf("%w %q: use auto, gso, mmsg or single", ErrMethod, b)
}
