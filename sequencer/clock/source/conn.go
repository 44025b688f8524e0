package source

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Offsets in an NTP packet.
const (
	offOrigin   = 24 // where the question's random bits come back
	offTransmit = 40
	ntpLen      = 48
)

// A stampedConn is a UDP connection for one question and its answer. It has the
// kernel stamp both, and keeps the stamps of the counter around them for where the
// kernel does not. It skips every datagram that does not repeat the question's
// random bits, or that no server can mean.
type stampedConn struct {
	*net.UDPConn
	counter  Counter
	cookie   [8]byte
	oob      [512]byte
	before   cross
	wrote    int64 // counter before the question was handed to the kernel
	read     int64 // counter after the answer was there
	sent     int64 // the kernel's UTC stamps, ns, 0 if it gave none
	received int64
	skipped  int // datagrams that answered no question of ours
}

const stampFlags = unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_RX_SOFTWARE |
	unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_TSONLY

func dial(counter Counter, local, remote string) (*stampedConn, error) {
	raddr, err := net.ResolveUDPAddr("udp", remote)
	if err != nil {
		return nil, err
	}
	var laddr *net.UDPAddr
	if local != "" {
		if laddr, err = net.ResolveUDPAddr("udp", net.JoinHostPort(local, "0")); err != nil {
			return nil, err
		}
	}
	c, err := net.DialUDP("udp", laddr, raddr)
	if err != nil {
		return nil, err
	}
	s := &stampedConn{UDPConn: c, counter: counter}
	s.control(func(fd int) {
		// Without the option the counter's own stamps are used, which are wider.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stampFlags)
	})
	return s, nil
}

func (c *stampedConn) control(f func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}

// Write sends the question.
func (c *stampedConn) Write(b []byte) (int, error) {
	if len(b) >= ntpLen {
		copy(c.cookie[:], b[offTransmit:])
	}
	c.before = c.counter.cross()
	c.wrote = c.counter.Now()
	return c.UDPConn.Write(b)
}

// Read waits for the answer to the question.
func (c *stampedConn) Read(b []byte) (int, error) {
	for {
		n, oobn, _, _, err := c.ReadMsgUDP(b, c.oob[:])
		if err != nil {
			return 0, err
		}
		c.read = c.counter.Now()
		if n < ntpLen || !bytes.Equal(b[offOrigin:offOrigin+8], c.cookie[:]) || !sane(b) {
			c.skipped++
			continue
		}
		c.received = stamp(c.oob[:oobn])
		c.sent = c.transmitted()
		return n, nil
	}
}

// sane reports whether the powers of two in an answer, of its poll interval and its
// precision in seconds, are such that a server can mean them. beevik/ntp shifts by
// whatever comes, and panics at -128.
func sane(b []byte) bool {
	poll, precision := int8(b[2]), int8(b[3])
	return poll >= -30 && poll <= 30 && precision >= -60 && precision <= 4
}

// transmitted takes the stamp of the question from the socket's error queue, 0 if
// there is none.
func (c *stampedConn) transmitted() int64 {
	var at int64
	c.control(func(fd int) {
		var oob [512]byte
		if _, oobn, _, _, err := unix.Recvmsg(fd, nil, oob[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT); err == nil {
			at = stamp(oob[:oobn])
		}
	})
	return at
}

// stamp finds the kernel's software stamp in control messages, ns UTC; 0 if none.
func stamp(oob []byte) int64 {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPING && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			if sec != 0 {
				return time.Unix(int64(sec), int64(nsec)).UnixNano()
			}
		}
	}
	return 0
}

// stamps brings the exchange to the counter: sent at or before the question left,
// received at or after the answer came.
func (c *stampedConn) stamps() (sent, received int64, kernel bool, err error) {
	x, ok := c.before.meet(c.counter.cross())
	if !ok {
		return 0, 0, false, ErrStepped
	}
	sent, received = c.wrote, c.read
	kernel = c.sent != 0 && c.received != 0
	if at := c.sent - x.High; c.sent != 0 && at > sent && at < received {
		sent = at
	}
	if at := c.received - x.Low; c.received != 0 && at < received && at >= sent {
		received = at
	}
	return sent, received, kernel, nil
}
