package keeper

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Config is everything that a disciplined clock can be told. The TOML keys that the
// comments name are those of the table [clock].
type Config struct {
	// Sources in order of preference: "ptp", "host", "ntp"; or "local" alone, the
	// host's clock without a promise.
	Sources []string // sources

	Profile string        // profile: "rts100", "rts1000", "us50ms": enter and exit
	Enter   time.Duration // enter: widest bound to become synchronised; 0: the profile's
	Exit    time.Duration // exit: wider than this is no promise; 0: the profile's
	OnLoss  string        // on-loss: without a promise "flag" every packet, or "stop"
	Wait    time.Duration // wait: for the first promise, before the first packet, where ntp or ptp may give one
	Hold    time.Duration // holdover: longest promise without a source
	Forward bool          // forward: time may step forward after a disruption

	Servers []Server      // servers, up to 9
	Faulty  int           // faulty: how many of the servers may lie; fewer than half
	Keys    string        // keys: file of the servers' keys, as chronyd's
	Poll    time.Duration // poll: between questions to a server, 1s to 1024s
	Timeout time.Duration // timeout: for an answer, at most MaxTimeout
	Local   string        // address: to ask from; empty: the route's

	Chronyd string // chronyd: command address for "host"; "none": the kernel's word alone
	PTP     PTP    // ptp-device, ptp-error, ptp-utc
	TAI     int    // tai: TAI - UTC, seconds; 0: the kernel's word, or PublishedTAI

	Audit string // audit: directory of the trail; empty: none is kept
	File  string // file: where the clock shows itself to this host; empty: nowhere, or audit/clock.json

	Reference time.Duration // reference: a server's error beyond its own word
	Drift     float64       // drift: the counter's largest frequency error, of 1
	Wander    float64       // wander: its largest change in a second
	WanderCap float64       // wander-cap: its largest change ever
}

// Server is one NTP server.
type Server struct {
	Address string // literal address and port
	Key     uint32 // number of its key; 0: none
}

// ahead is by how many seconds the hardware clock is ahead of UTC.
func (c *Config) ahead() int {
	if c.PTP.UTC {
		return 0
	}
	return c.TAI
}

// PTP is a hardware clock.
type PTP struct {
	Device string        // such as /dev/ptp0
	Error  time.Duration // the grandmaster's and the servo's, together
	UTC    bool          // the clock is on UTC, not on TAI
}

// Sentinels.
var (
	ErrConfig = errors.New("clock: configuration")
	ErrLost   = errors.New("clock: no promise on time, and on-loss is stop")
)

// Words of the configuration.
const (
	SourcePTP   = "ptp"
	SourceHost  = "host"
	SourceNTP   = "ntp"
	SourceLocal = "local"
	LossFlag    = "flag"
	LossStop    = "stop"
	NoChronyd   = "none"
)

// ConfigError is a value that cannot work. It is an ErrConfig.
type ConfigError struct {
	Key, Value, Problem string
	Err                 error // what the system said, or nil
}

// Error gives key, value and remedy in one line.
func (e *ConfigError) Error() string {
	s := fmt.Sprintf("%s %q: %s", e.Key, e.Value, e.Problem)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives ErrConfig, and what the system said.
func (e *ConfigError) Unwrap() []error { return []error{ErrConfig, e.Err} }

// profiles are bounds to enter and to leave the synchronised state.
func profiles() map[string][2]time.Duration {
	return map[string][2]time.Duration{
		"rts100":  {50 * time.Microsecond, 100 * time.Microsecond},
		"rts1000": {500 * time.Microsecond, time.Millisecond},
		"us50ms":  {10 * time.Millisecond, 50 * time.Millisecond},
	}
}

// Profiles names the profiles.
func Profiles() []string { return []string{"rts100", "rts1000", "us50ms"} }

// Default follows the host's clock as far as the kernel or chronyd vouch for it.
func Default() Config {
	e := estimate.Default(1, 0)
	return Config{
		Sources: []string{SourceHost}, Profile: "us50ms", OnLoss: LossFlag, Wait: 5 * time.Second, Hold: time.Hour,
		Poll: 16 * time.Second, Timeout: time.Second, Chronyd: "127.0.0.1:323",
		Reference: Rounded, Drift: e.Drift, Wander: e.Wander, WanderCap: e.WanderCap,
	}
}

// PublishedTAI is TAI - UTC since 2017, seconds.
const PublishedTAI = 37

// Rounded is what a server's own word can lack because it is rounded down: NTP has root
// delay and root dispersion in steps of 15.26 us, and half the one and all of the other
// count. ntpd rounds down, chronyd up.
const Rounded = 23 * time.Microsecond

// Undisciplined reports whether the host's clock is taken at its word.
func (c *Config) Undisciplined() bool { return slices.Contains(c.Sources, SourceLocal) }

// Validate completes what the profile gives, and returns a *ConfigError that names the
// key, the value and the remedy. Nothing is opened.
func (c *Config) Validate() error {
	if err := c.sources(); err != nil {
		return err
	}
	p, ok := profiles()[c.Profile]
	if !ok {
		return c.bad("profile", c.Profile, "want rts100, rts1000 or us50ms")
	}
	if c.Enter == 0 {
		c.Enter = p[0]
	}
	if c.Exit == 0 {
		c.Exit = p[1]
	}
	if err := c.numbers(); err != nil || c.Undisciplined() {
		return err
	}
	return c.estimates()
}

func (c *Config) numbers() error {
	switch {
	case c.Enter < 0 || c.Exit < c.Enter || c.Exit > 4*time.Second:
		return c.bad("exit", c.Exit, fmt.Sprintf("want at least enter, %v, and at most 4s, which is what a packet can say", c.Enter))
	case c.OnLoss != LossFlag && c.OnLoss != LossStop:
		return c.bad("on-loss", c.OnLoss, "want flag or stop")
	case c.Undisciplined() && c.OnLoss == LossStop:
		return c.bad("on-loss", c.OnLoss, "local never promises anything: name a source, or flag every packet")
	case c.Poll < time.Second || c.Poll > 1024*time.Second:
		return c.bad("poll", c.Poll, "want 1s to 1024s")
	case c.Timeout <= 0 || c.Timeout > min(c.Poll, MaxTimeout):
		return c.bad("timeout", c.Timeout, fmt.Sprintf("want more than 0, and at most the poll interval and %v", MaxTimeout))
	case c.TAI != 0 && !plausibleTAI(c.TAI):
		return c.bad("tai", c.TAI, "want TAI - UTC in seconds, 37 since 2017, or 0 for the kernel's word")
	case c.Reference < 0:
		return c.bad("reference", c.Reference, "want 0 or more")
	case c.Hold <= 0:
		return c.bad("holdover", c.Hold, "want more than 0")
	case c.Drift <= 0 || c.Drift > 1e-3:
		return c.bad("drift", c.Drift, "want more than 0 and at most 1e-3")
	case c.Wander <= 0 || c.WanderCap <= 0 || c.WanderCap > 2*c.Drift:
		return c.bad("wander-cap", c.WanderCap, "want it and wander above 0, and it at most twice the drift")
	}
	return nil
}

func (c *Config) bad(key string, value any, remedy string) error {
	return &ConfigError{Key: key, Value: fmt.Sprint(value), Problem: remedy}
}

func (c *Config) sources() error {
	if len(c.Sources) == 0 {
		return c.bad("sources", "", "want some of ptp, host, ntp, or local typed out")
	}
	for i, s := range c.Sources {
		list := strings.Join(c.Sources, ",")
		switch {
		case !slices.Contains([]string{SourcePTP, SourceHost, SourceNTP, SourceLocal}, s) || slices.Contains(c.Sources[:i], s):
			return c.bad("sources", list, "want ptp, host and ntp once each, or local alone")
		case s == SourceLocal && len(c.Sources) > 1:
			return c.bad("sources", list, "local promises nothing: it stands alone or not at all")
		case s == SourceNTP && len(c.Servers) == 0:
			return c.bad("sources", list, "ntp needs servers: list them, such as servers = [\"192.0.2.1:123\"]")
		case s == SourcePTP && (c.PTP.Device == "" || c.PTP.Error <= 0):
			return c.bad("ptp-device", c.PTP.Device, "want the device, such as /dev/ptp0, and ptp-error, the largest error of its time")
		}
	}
	return c.servers()
}

func (c *Config) servers() error {
	n := len(c.Servers)
	switch {
	case n > estimate.MaxServers:
		return c.bad("servers", n, fmt.Sprintf("want at most %d", estimate.MaxServers))
	case c.Faulty < 0 || n > 0 && 2*c.Faulty >= n || n == 0 && c.Faulty > 0:
		return c.bad("faulty", c.Faulty, fmt.Sprintf("of %d servers fewer than half may lie", n))
	case n == 0 && slices.Contains(c.Sources, SourcePTP):
		return c.bad("servers", "", "ptp needs servers beside it, for the device does not tell when its servo has died or a leap second passed: list them, such as servers = [\"192.0.2.1:123\"]")
	case n > 0 && c.Undisciplined():
		return c.bad("servers", c.Servers[0].Address, "local asks nobody: name ntp among the sources, or leave the servers out")
	}
	for i, s := range c.Servers {
		switch {
		case slices.ContainsFunc(c.Servers[:i], func(o Server) bool { return o.Address == s.Address }):
			return c.bad("servers", s.Address, "is listed twice: one server has one vote")
		case s.Key != 0 && c.Keys == "":
			return c.bad("keys", "", fmt.Sprintf("server %s needs key %d: name the file that has it", s.Address, s.Key))
		}
	}
	return nil
}

// ParseServer reads "192.0.2.1:123" or "192.0.2.1:123 key 7".
func ParseServer(s string) (Server, error) {
	address, key, keyed := strings.Cut(strings.TrimSpace(s), " key ")
	at, err := netip.ParseAddrPort(strings.TrimSpace(address))
	if err != nil || at.Port() == 0 {
		return Server{}, errors.New("want the literal address and port of a server, such as 192.0.2.1:123 or 192.0.2.1:123 key 7")
	}
	v := Server{Address: at.String()}
	if keyed {
		n, err := strconv.ParseUint(strings.TrimSpace(key), 10, 32)
		if err != nil || n == 0 {
			return Server{}, errors.New("want the number of a key, from 1, such as 192.0.2.1:123 key 7")
		}
		v.Key = uint32(n)
	}
	return v, nil
}

// String is what ParseServer reads.
func (s Server) String() string {
	if s.Key == 0 {
		return s.Address
	}
	return fmt.Sprintf("%s key %d", s.Address, s.Key)
}

// estimates checks what the estimator would refuse.
func (c *Config) estimates() error {
	e, t := c.estimate(), c.track()
	if err := errors.Join(e.Validate(), t.Validate()); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

func (c *Config) estimate() estimate.Config {
	e := estimate.Default(max(len(c.Servers), 1), c.Faulty)
	e.Drift, e.Wander, e.WanderCap = c.Drift, c.Wander, c.WanderCap
	return e
}

// MaxTimeout is the longest wait for an answer: the end waits for questions under way.
const MaxTimeout = 5 * time.Second

// Period is the time from anchor to anchor, and Lead how long before its beginning
// one is published.
const (
	Period = time.Second
	Lead   = 50 * time.Millisecond
)

func (c *Config) track() estimate.TrackerConfig {
	return estimate.TrackerConfig{
		Enter: int64(c.Enter), Exit: int64(c.Exit), Slew: 500e-6, Settle: int64(16 * time.Second),
		Period: int64(Period), Lead: int64(Lead), Holdover: int64(c.Hold), Forward: c.Forward,
		Wander: c.Wander, WanderCap: c.WanderCap,
	}
}
