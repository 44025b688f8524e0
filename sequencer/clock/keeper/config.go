package keeper

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/tapecast/tapecast/sequencer/clock/estimate"
)

// Duration is a time.Duration that TOML writes as "16s" or "100us".
type Duration time.Duration

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// MarshalText writes it likewise.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Config is everything that a disciplined clock can be told: the table [clock].
type Config struct {
	// Sources in order of preference: "ptp", "host", "ntp"; or "local" alone, the
	// host's clock without a promise.
	Sources []string `toml:"sources"`

	Profile string   `toml:"profile"`  // "rts100", "rts1000", "us50ms": enter and exit
	Enter   Duration `toml:"enter"`    // widest bound to become synchronised; 0: the profile's
	Exit    Duration `toml:"exit"`     // wider than this is no promise; 0: the profile's
	OnLoss  string   `toml:"on-loss"`  // when the promise is lost: "flag" every packet, or "stop"
	Faulty  int      `toml:"faulty"`   // how many of the servers may lie; fewer than half
	Poll    Duration `toml:"poll"`     // between questions to a server, 1s to 1024s; default 16s
	Timeout Duration `toml:"timeout"`  // for an answer; default 1s
	Local   string   `toml:"local"`    // address to ask from; empty: the route's
	Server  []Server `toml:"server"`   // up to 9
	Chronyd string   `toml:"chronyd"`  // command address for "host"; default 127.0.0.1:323; "none": the kernel's word alone
	PTP     PTP      `toml:"ptp"`      // for "ptp"
	TAI     int      `toml:"tai"`      // TAI - UTC; default 37, since 2017
	Forward bool     `toml:"forward"`  // time may step forward after a disruption
	Hold    Duration `toml:"holdover"` // longest without a source; default 1h
	Audit   string   `toml:"audit"`    // directory of the trail; empty: none is kept

	Reference Duration `toml:"reference"`  // a server's error beyond its own word; default 16us, the rounding of its format
	Drift     float64  `toml:"drift"`      // the counter's largest frequency error; default 100e-6
	Wander    float64  `toml:"wander"`     // its largest change in a second; default 5e-9
	WanderCap float64  `toml:"wander-cap"` // its largest change ever; default 1e-6
}

// Server is one NTP server: a [[clock.server]].
type Server struct {
	Address string `toml:"address"`            // literal address and port
	KeyID   uint32 `toml:"key-id,omitempty"`   // of its symmetric key
	KeyKind string `toml:"key-kind,omitempty"` // "aes128cmac" and others; empty: no key
	Key     string `toml:"key,omitempty"`      // hexadecimal
}

// PTP is a hardware clock.
type PTP struct {
	Device string   `toml:"device"` // such as /dev/ptp0
	Error  Duration `toml:"error"`  // the grandmaster's and the servo's, together
	UTC    bool     `toml:"utc"`    // the clock is on UTC, not on TAI
}

// Sentinels.
var (
	ErrConfig = errors.New("clock: configuration")
	ErrLost   = errors.New("clock: the promise on time is lost, and on-loss is stop")
)

// profiles are bounds to enter and to leave the synchronised state, ns.
var profiles = map[string][2]Duration{
	"rts100":  {50_000, 100_000},
	"rts1000": {500_000, 1_000_000},
	"us50ms":  {10_000_000, 50_000_000},
}

// Default is the configuration that a file or flags change.
func Default() Config {
	e := estimate.Default(1, 0)
	return Config{
		Sources: []string{"local"}, Profile: "us50ms", OnLoss: "flag",
		Poll: Duration(16 * time.Second), Timeout: Duration(time.Second), Chronyd: "127.0.0.1:323",
		TAI: 37, Hold: Duration(time.Hour), Reference: 16_000,
		Drift: e.Drift, Wander: e.Wander, WanderCap: e.WanderCap,
	}
}

// Undisciplined reports whether the host's clock is taken at its word.
func (c *Config) Undisciplined() bool { return len(c.Sources) == 1 && c.Sources[0] == "local" }

// Validate completes what the profile gives, and returns an ErrConfig that names the
// key, the value and the remedy. Nothing is opened.
func (c *Config) Validate() error {
	if err := c.sources(); err != nil {
		return err
	}
	p, ok := profiles[c.Profile]
	switch {
	case !ok:
		return c.bad("profile", c.Profile, "want rts100, rts1000 or us50ms")
	case c.OnLoss != "flag" && c.OnLoss != "stop":
		return c.bad("on-loss", c.OnLoss, "want flag or stop")
	case c.Poll < Duration(time.Second) || c.Poll > Duration(1024*time.Second):
		return c.bad("poll", time.Duration(c.Poll), "want 1s to 1024s")
	case c.Timeout <= 0 || c.Timeout > c.Poll:
		return c.bad("timeout", time.Duration(c.Timeout), "want more than 0 and at most the poll interval")
	case c.TAI < 10 || c.TAI > 100:
		return c.bad("tai", c.TAI, "want TAI - UTC in seconds, 37 since 2017")
	case c.Reference < 0:
		return c.bad("reference", time.Duration(c.Reference), "want 0 or more")
	}
	if c.Enter == 0 {
		c.Enter = p[0]
	}
	if c.Exit == 0 {
		c.Exit = p[1]
	}
	if c.Undisciplined() {
		return nil
	}
	return c.estimates()
}

func (c *Config) bad(key string, value any, remedy string) error {
	return fmt.Errorf("%w: %s = %v: %s", ErrConfig, key, value, remedy)
}

func (c *Config) sources() error {
	if len(c.Sources) == 0 {
		return c.bad("sources", "[]", `want some of "ptp", "host", "ntp", or "local" typed out`)
	}
	for i, s := range c.Sources {
		switch {
		case !slices.Contains([]string{"ptp", "host", "ntp", "local"}, s) || slices.Contains(c.Sources[:i], s):
			return c.bad("sources", c.Sources, `want "ptp", "host" and "ntp" once each, or "local" alone`)
		case s == "local" && len(c.Sources) > 1:
			return c.bad("sources", c.Sources, "local promises nothing: it stands alone or not at all")
		case s == "ntp" && len(c.Server) == 0:
			return c.bad("sources", c.Sources, "ntp needs servers: add [[clock.server]] tables")
		case s == "ptp" && (c.PTP.Device == "" || c.PTP.Error <= 0):
			return c.bad("ptp", c.PTP, "want the device, and its largest error")
		}
	}
	return nil
}

// estimates checks what the estimator would refuse.
func (c *Config) estimates() error {
	e := c.estimate()
	if err := e.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	t := c.track()
	if err := t.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

func (c *Config) estimate() estimate.Config {
	e := estimate.Default(max(len(c.Server), 1), c.Faulty)
	e.Drift, e.Wander, e.WanderCap = c.Drift, c.Wander, c.WanderCap
	return e
}

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

// public is the configuration as TOML without keys, and the hash of it with them.
func (c *Config) public() (text, sum string, err error) {
	var whole, open bytes.Buffer
	if err := toml.NewEncoder(&whole).Encode(c); err != nil {
		return "", "", err
	}
	bare := *c
	bare.Server = slices.Clone(c.Server)
	for i := range bare.Server {
		if bare.Server[i].Key != "" {
			bare.Server[i].Key = "secret"
		}
	}
	if err := toml.NewEncoder(&open).Encode(bare); err != nil {
		return "", "", err
	}
	h := sha256.Sum256(whole.Bytes())
	return open.String(), hex.EncodeToString(h[:]), nil
}
