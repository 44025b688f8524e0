package source

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/beevik/ntp"
)

// NTPConfig is one server to ask.
type NTPConfig struct {
	Address   string        // literal address and port
	Local     string        // literal address to ask from; empty: the route's
	KeyID     uint32        // of the symmetric key
	Key       string        // hexadecimal; empty: no authentication
	KeyKind   string        // "aes128cmac", "aes256cmac", "sha256", "sha1"
	Timeout   time.Duration // for an answer; 0 is 1 s
	Reference time.Duration // what the server may be off UTC beyond what it says; its format rounds away 15 us
	Distance  time.Duration // largest error that a server may claim; 0 is 1 s
}

// An Answer is one good exchange. Times of ours are counter readings, the server's
// UTC, all in ns.
type Answer struct {
	Sent, Received int64
	T2, T3         int64
	Error          int64 // all that the server may be wrong
	RootDelay      int64
	RootDispersion int64
	Stratum        uint8
	Leap           int8 // +1 a second will be inserted, -1 left out
	Refid          uint32
	Poll           time.Duration // the least interval that the server asks for
	Kernel         bool          // stamped by the kernel at both ends of ours
	Authenticated  bool
	Skipped        int // datagrams that answered no question
}

// NTP asks one server. It belongs to one loop.
type NTP struct {
	cfg     NTPConfig
	counter Counter
	auth    ntp.AuthOptions
	denied  bool
}

// smearing lists servers that are known to smear leap seconds.
var smearing = [...]string{
	"216.239.35.0", "216.239.35.4", "216.239.35.8", "216.239.35.12",
	"2001:4860:4806::", "2001:4860:4806:4::", "2001:4860:4806:8::", "2001:4860:4806:c::",
	"169.254.169.123", "fd00:ec2::123",
	"129.134.28.123", "129.134.29.123", "129.134.25.123", "129.134.26.123", "129.134.27.123",
}

// smears reports whether a server's reference says that it smears: "GOOG" always, and
// 254.x.y.z, with which ntpd tells how far it has smeared, on the days around a leap second.
// That is no address of a server, but can be a part of the digest of one of IPv6.
func smears(refid uint32, stratum uint8, utc time.Time) bool {
	const goog, ntpd = 0x474f4f47, 254
	utc = utc.UTC()
	around := utc.Day() == 1 || utc.AddDate(0, 0, 1).Day() == 1
	return refid == goog || refid>>24 == ntpd && stratum > 1 && around
}

// NewNTP returns ErrAddress, ErrKey or ErrSmeared for a server that cannot be used.
func NewNTP(cfg NTPConfig, counter Counter) (*NTP, error) {
	at, err := netip.ParseAddrPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", ErrAddress, cfg.Address)
	}
	for _, s := range smearing {
		if netip.MustParseAddr(s) == at.Addr().Unmap() {
			return nil, fmt.Errorf("%w: %s", ErrSmeared, at.Addr())
		}
	}
	n := &NTP{cfg: cfg, counter: counter}
	if n.auth, err = authentication(cfg); err != nil {
		return nil, err
	}
	if n.cfg.Timeout == 0 {
		n.cfg.Timeout = time.Second
	}
	if n.cfg.Distance == 0 {
		n.cfg.Distance = time.Second
	}
	return n, nil
}

func authentication(cfg NTPConfig) (ntp.AuthOptions, error) {
	if cfg.Key == "" && cfg.KeyKind == "" {
		return ntp.AuthOptions{}, nil
	}
	kinds := map[string]ntp.AuthType{
		"aes128cmac": ntp.AuthAES128, "aes256cmac": ntp.AuthAES256, "sha256": ntp.AuthSHA256, "sha1": ntp.AuthSHA1,
	}
	kind, ok := kinds[cfg.KeyKind]
	if key, err := hex.DecodeString(cfg.Key); !ok || err != nil || len(key) == 0 {
		return ntp.AuthOptions{}, fmt.Errorf("%w: server %s, kind %q", ErrKey, cfg.Address, cfg.KeyKind)
	}
	return ntp.AuthOptions{Type: kind, Key: "HEX:" + cfg.Key, KeyID: cfg.KeyID}, nil
}

// Query asks once and waits for the answer. ErrDenied is for ever; ErrKiss asks for
// fewer questions; any other error is of this exchange alone.
func (n *NTP) Query() (Answer, error) {
	if n.denied {
		return Answer{}, ErrDenied
	}
	var conn *stampedConn
	r, err := ntp.QueryWithOptions(n.cfg.Address, ntp.QueryOptions{
		Timeout: n.cfg.Timeout, Auth: n.auth, LocalAddress: n.cfg.Local,
		Dialer: func(local, remote string) (net.Conn, error) {
			c, err := dial(n.counter, local, remote)
			conn = c
			return c, err
		},
	})
	if err != nil {
		return Answer{}, err
	}
	if err := n.judge(r); err != nil {
		return Answer{Skipped: conn.skipped}, err
	}
	return n.answer(r, conn)
}

// judge refuses what the server itself says is no use.
func (n *NTP) judge(r *ntp.Response) error {
	if r.Stratum == 0 {
		if r.KissCode == "DENY" || r.KissCode == "RSTR" {
			n.denied = true
			return ErrDenied
		}
		return fmt.Errorf("%w: %s", ErrKiss, r.KissCode)
	}
	if smears(r.ReferenceID, r.Stratum, r.Timestamps.ServerXmit) {
		return ErrSmeared
	}
	if err := r.Validate(); err != nil {
		if errors.Is(err, ntp.ErrAuthFailed) {
			return err
		}
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	if d := r.RootDelay/2 + r.RootDispersion; d > n.cfg.Distance {
		return fmt.Errorf("%w: %v", ErrDistant, d)
	}
	return nil
}

func (n *NTP) answer(r *ntp.Response, conn *stampedConn) (Answer, error) {
	sent, received, kernel, err := conn.stamps()
	if err != nil {
		return Answer{}, err
	}
	a := Answer{
		Sent: sent, Received: received,
		T2: r.Timestamps.ServerRecv.UnixNano(), T3: r.Timestamps.ServerXmit.UnixNano(),
		Error:     int64(r.RootDelay/2 + r.RootDispersion + r.Precision + n.cfg.Reference),
		RootDelay: int64(r.RootDelay), RootDispersion: int64(r.RootDispersion),
		Stratum: r.Stratum, Refid: r.ReferenceID, Poll: r.Poll,
		Kernel: kernel, Authenticated: n.auth.Type != ntp.AuthNone, Skipped: conn.skipped,
	}
	switch r.Leap {
	case ntp.LeapAddSecond:
		a.Leap = 1
	case ntp.LeapDelSecond:
		a.Leap = -1
	}
	switch {
	case !plausible(a.T2) || !plausible(a.T3):
		return Answer{Skipped: a.Skipped}, ErrRange
	case a.Received < a.Sent:
		return a, ErrNegative
	}
	return a, nil
}

// latest is the last UTC that a server may tell, ns: some days before the last one that
// the audit trail takes, in 2043.
const latest = 1<<61 - 30*86400e9

func plausible(utc int64) bool { return utc >= 0 && utc <= latest }

// Refid gives a reference as people write it.
func Refid(id uint32, stratum uint8) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], id)
	if stratum > 1 {
		return netip.AddrFrom4(b).String()
	}
	return strings.TrimRight(string(b[:]), "\x00")
}
