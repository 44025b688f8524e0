package keeper

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Text is the configuration as the table [clock] of a TOML file, without keys.
func (c *Config) Text() string {
	var b strings.Builder
	b.WriteString("[clock]\n")
	list := func(key string, items []string) {
		fmt.Fprintf(&b, "%s = [", key)
		for i, s := range items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quoted(s))
		}
		b.WriteString("]\n")
	}
	text := func(key, v string) {
		if v != "" {
			fmt.Fprintf(&b, "%s = %s\n", key, quoted(v))
		}
	}
	span := func(key string, v time.Duration) { text(key, v.String()) }
	var servers []string
	for _, s := range c.Servers {
		servers = append(servers, s.String())
	}
	list("sources", c.Sources)
	text("profile", c.Profile)
	span("enter", c.Enter)
	span("exit", c.Exit)
	text("on-loss", c.OnLoss)
	span("wait", c.Wait)
	span("holdover", c.Hold)
	fmt.Fprintf(&b, "forward = %v\n", c.Forward)
	if len(servers) > 0 {
		list("servers", servers)
	}
	fmt.Fprintf(&b, "faulty = %d\n", c.Faulty)
	text("keys", c.Keys)
	span("poll", c.Poll)
	span("timeout", c.Timeout)
	text("address", c.Local)
	fmt.Fprintf(&b, "chronyd = %s\n", quoted(c.Chronyd))
	text("ptp-device", c.PTP.Device)
	span("ptp-error", c.PTP.Error)
	fmt.Fprintf(&b, "ptp-utc = %v\n", c.PTP.UTC)
	fmt.Fprintf(&b, "tai = %d\n", c.TAI)
	text("audit", c.Audit)
	text("file", c.File)
	span("reference", c.Reference)
	fmt.Fprintf(&b, "drift = %g\nwander = %g\nwander-cap = %g\n", c.Drift, c.Wander, c.WanderCap)
	return b.String()
}

// quoted is a basic string of TOML, whose escapes are not Go's.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == '"' || r == '\\' {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// hash is that of the configuration with the kinds of the keys that it uses. Not with the
// keys: a trail is shown to others, who could try what they guess.
func (c *Config) hash(keys Keys) string {
	var b bytes.Buffer
	b.WriteString(c.Text())
	for _, s := range c.Servers {
		if k, ok := keys[s.Key]; ok {
			fmt.Fprintf(&b, "%d %s\n", s.Key, k.Kind)
		}
	}
	h := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(h[:])
}
