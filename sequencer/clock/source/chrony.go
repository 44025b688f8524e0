package source

import (
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"time"
)

// Tracking is chronyd's report on the host's clock, as `chronyc tracking` has it.
type Tracking struct {
	Refid          uint32
	Stratum        uint16
	Leap           uint16  // 0 normal, 1 insert, 2 leave out, 3 not synchronised
	Correction     float64 // s, of the host's clock that is still to be slewed
	Skew           float64 // ppm
	Residual       float64 // ppm
	RootDelay      float64 // s
	RootDispersion float64 // s
	Interval       float64 // s, between the last two updates
}

// Layout of chronyd's command protocol, version 6, as far as it is needed: requests
// are padded to the length of the answer, so that nobody's server amplifies.
const (
	commandVersion = 6
	commandRequest = 1
	commandReply   = 2
	trackingAsk    = 33
	trackingTell   = 5

	requestHead = 20
	replyHead   = 28
	trackingLen = replyHead + 76
)

// Track asks the chronyd whose command port is at address for its tracking report.
func Track(address string, timeout time.Duration) (Tracking, error) {
	conn, err := net.DialTimeout("udp", address, timeout)
	if err != nil {
		return Tracking{}, err
	}
	defer conn.Close()
	now := time.Now()
	if err := conn.SetDeadline(now.Add(timeout)); err != nil {
		return Tracking{}, err
	}
	sequence := uint32(now.UnixNano())
	if _, err := conn.Write(trackingRequest(sequence)); err != nil {
		return Tracking{}, err
	}
	var reply [512]byte
	n, err := conn.Read(reply[:])
	if err != nil {
		return Tracking{}, err
	}
	return parseTracking(reply[:n], sequence)
}

func trackingRequest(sequence uint32) []byte {
	b := make([]byte, max(requestHead, trackingLen))
	b[0], b[1] = commandVersion, commandRequest
	binary.BigEndian.PutUint16(b[4:], trackingAsk)
	binary.BigEndian.PutUint32(b[8:], sequence)
	return b
}

// parseTracking returns ErrReply for what is no answer to the request.
func parseTracking(b []byte, sequence uint32) (Tracking, error) {
	be := binary.BigEndian
	if len(b) < replyHead || b[0] != commandVersion || b[1] != commandReply || be.Uint32(b[16:]) != sequence {
		return Tracking{}, fmt.Errorf("%w: %d bytes from chronyd", ErrReply, len(b))
	}
	if status := be.Uint16(b[8:]); status != 0 || be.Uint16(b[6:]) != trackingTell || len(b) < trackingLen {
		return Tracking{}, fmt.Errorf("%w: chronyd answers with status %d", ErrReply, status)
	}
	d := b[replyHead:]
	float := func(at int) float64 { return chronyFloat(be.Uint32(d[at:])) }
	return Tracking{
		Refid: be.Uint32(d), Stratum: be.Uint16(d[24:]), Leap: be.Uint16(d[26:]),
		Correction: float(40), Residual: float(56), Skew: float(60),
		RootDelay: float(64), RootDispersion: float(68),
		Interval: float(72),
	}, nil
}

// chronyFloat is a signed exponent of 7 bits and a signed coefficient of 25.
func chronyFloat(x uint32) float64 {
	exponent, coefficient := int32(x)>>25, int32(x<<7)>>7
	return math.Ldexp(float64(coefficient), int(exponent)-25)
}

// Chronyd reads the host's clock with the bound that chronyd's tracking gives it:
// half the root delay, the root dispersion and what is still to be corrected. The
// counter is read before chronyd is asked, so time between widens the bound.
func Chronyd(c Counter, address string, timeout time.Duration) (Reading, error) {
	r := Reading{Counter: c.Now(), From: "chronyd"}
	t, err := Track(address, timeout)
	if err != nil {
		return r, err
	}
	return c.chronyd(r.Counter, &t)
}

// chronyd is the reading that a tracking report amounts to.
func (c Counter) chronyd(at int64, t *Tracking) (Reading, error) {
	none := Reading{Counter: at, From: "chronyd", Raw: Raw{Done: c.Now(), Chronyd: t}}
	if t.Leap == 3 || t.Stratum == 0 || t.Stratum >= 16 {
		return none, ErrUnsynced
	}
	bound := 1e9 * (t.RootDelay/2 + t.RootDispersion + math.Abs(t.Correction))
	if !(bound >= 0 && bound < 16e9) {
		return none, fmt.Errorf("%w: a bound of %g ns", ErrReply, bound)
	}
	r := host(c, at, bound)
	r.From, r.Raw.Chronyd = "chronyd, from "+Refid(t.Refid, uint8(t.Stratum)), t
	switch t.Leap {
	case 1:
		r.Leap = 1
	case 2:
		r.Leap = -1
	}
	return r, nil
}
