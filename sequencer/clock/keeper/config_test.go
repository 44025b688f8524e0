package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	at := func(addresses ...string) (list []Server) {
		for _, a := range addresses {
			list = append(list, Server{Address: a})
		}
		return list
	}
	ntp := func(c *Config) {
		c.Sources, c.Servers, c.Faulty = []string{SourceNTP}, at("192.0.2.1:123", "192.0.2.2:123", "192.0.2.3:123"), 1
	}
	for _, c := range []struct {
		name   string
		change func(c *Config)
		want   string // the key that is named, empty for a configuration that works
	}{
		{"default", func(*Config) {}, ""},
		{"ntp", ntp, ""},
		{"host with auditors", func(c *Config) { ntp(c); c.Sources = []string{SourceHost} }, ""},
		{"local", func(c *Config) { c.Sources = []string{SourceLocal} }, ""},
		{"no source", func(c *Config) { c.Sources = nil }, "sources"},
		{"another source", func(c *Config) { c.Sources = []string{"gps"} }, "sources"},
		{"a source twice", func(c *Config) { c.Sources = []string{SourceHost, SourceHost} }, "sources"},
		{"local among others", func(c *Config) { c.Sources = []string{SourceHost, SourceLocal} }, "sources"},
		{"ntp without servers", func(c *Config) { c.Sources = []string{SourceNTP} }, "sources"},
		{"ptp without a device", func(c *Config) { c.Sources = []string{SourcePTP} }, "ptp-device"},
		{"ptp without an error", func(c *Config) { c.Sources, c.PTP.Device = []string{SourcePTP}, "/dev/ptp0" }, "ptp-device"},
		{"ptp without servers", func(c *Config) { c.Sources, c.PTP = []string{SourcePTP}, PTP{Device: "/dev/ptp0", Error: 1} }, "servers"},
		{"ptp before host without servers", func(c *Config) {
			c.Sources, c.PTP = []string{SourcePTP, SourceHost}, PTP{Device: "/dev/ptp0", Error: 1}
		}, "servers"},
		{"ptp with servers", func(c *Config) { ntp(c); c.Sources, c.PTP = []string{SourcePTP}, PTP{Device: "/dev/ptp0", Error: 1} }, ""},
		{"half may lie", func(c *Config) { ntp(c); c.Servers = c.Servers[:2] }, "faulty"},
		{"liars without servers", func(c *Config) { c.Faulty = 1 }, "faulty"},
		{"a server twice", func(c *Config) { ntp(c); c.Servers[2] = c.Servers[0] }, "servers"},
		{"too many servers", func(c *Config) { ntp(c); c.Servers = make([]Server, 10) }, "servers"},
		{"local asks nobody", func(c *Config) { ntp(c); c.Sources = []string{SourceLocal} }, "servers"},
		{"a key without a file", func(c *Config) { ntp(c); c.Servers[0].Key = 7 }, "keys"},
		{"another profile", func(c *Config) { c.Profile = "rts10" }, "profile"},
		{"exit below enter", func(c *Config) { c.Enter, c.Exit = time.Second, time.Millisecond }, "exit"},
		{"exit that no packet can say", func(c *Config) { c.Exit = 5 * time.Second }, "exit"},
		{"another on-loss", func(c *Config) { c.OnLoss = "panic" }, "on-loss"},
		{"local that stops", func(c *Config) { c.Sources, c.OnLoss = []string{SourceLocal}, LossStop }, "on-loss"},
		{"poll too fast", func(c *Config) { c.Poll = time.Millisecond }, "poll"},
		{"poll too slow", func(c *Config) { c.Poll = time.Hour }, "poll"},
		{"timeout over poll", func(c *Config) { c.Timeout = time.Minute }, "timeout"},
		{"timeout that the end waits for", func(c *Config) { c.Poll, c.Timeout = time.Minute, MaxTimeout+1 }, "timeout"},
		{"the longest timeout", func(c *Config) { c.Poll, c.Timeout = time.Minute, MaxTimeout }, ""},
		{"tai", func(c *Config) { c.TAI = 7 }, "tai"},
		{"reference", func(c *Config) { c.Reference = -1 }, "reference"},
		{"holdover", func(c *Config) { c.Hold = 0 }, "holdover"},
		{"drift", func(c *Config) { c.Drift = 1 }, "drift"},
		{"wander", func(c *Config) { c.Wander = 0 }, "wander-cap"},
		{"wander cap", func(c *Config) { c.WanderCap = 1 }, "wander-cap"},
	} {
		cfg := Default()
		c.change(&cfg)
		err := cfg.Validate()
		var bad *ConfigError
		if c.want == "" {
			if err != nil || cfg.Enter == 0 || cfg.Exit < cfg.Enter {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.As(err, &bad) || bad.Key != c.want || bad.Problem == "" || !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v, want one about %s", c.name, err, c.want)
		}
	}
}

// TestOpens: what cannot be opened is a configuration error, before any loop runs.
func TestOpens(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("7 AES128 HEX:00112233445566778899aabbccddeeff\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy := Default()
	busy.Audit = filepath.Join(dir, "audit")
	k, err := New(busy, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for key, change := range map[string]func(c *Config){
		"audit": func(c *Config) { c.Audit = filepath.Join(file, "audit") },
		"file":  func(c *Config) { c.File = filepath.Join(dir, "none", "clock.json") },
		"keys":  func(c *Config) { c.Keys = filepath.Join(dir, "none") },
		"ptp-device": func(c *Config) {
			c.Sources, c.PTP, c.Servers = []string{SourcePTP}, PTP{Device: file, Error: 1}, []Server{{Address: "192.0.2.1:123"}}
		},
		"servers": func(c *Config) { // one that smears
			c.Sources, c.Servers = []string{SourceNTP}, []Server{{Address: "216.239.35.0:123"}}
		},
	} {
		cfg := Default()
		change(&cfg)
		_, err := New(cfg, Options{})
		var bad *ConfigError
		if !errors.As(err, &bad) || bad.Key != key || bad.Err == nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := New(busy, Options{}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("two clocks with one trail: %v", err)
	}
	shown := Default()
	shown.Sources, shown.File = []string{SourceLocal}, filepath.Join(dir, "shown.json")
	first, err := New(shown, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(shown, Options{}); !errors.Is(err, ErrConfig) || !errors.Is(err, errShown) {
		t.Errorf("two clocks with one file: %v", err)
	}
	if s, err := LoadStatus(shown.File); err != nil || s.State == "" {
		t.Errorf("the first one's file: %+v, %v", s, err)
	}
	first.Close()
	if left, err := filepath.Glob(shown.File + "*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	keyed := Default()
	keyed.Sources, keyed.Keys, keyed.Servers = []string{SourceNTP}, file, []Server{{"192.0.2.1:123", 8}}
	if _, err := New(keyed, Options{}); err == nil || !strings.Contains(err.Error(), "has no key 8, which server 192.0.2.1:123 needs") {
		t.Error(err)
	}
}

func TestParseKeys(t *testing.T) {
	keys, err := ParseKeys([]byte("# of the lab\n\n7 AES128 HEX:00112233445566778899AABBCCDDEEFF\n 8 sha1 ASCII:secret\n9 SHA256 plain\n"))
	if err != nil || len(keys) != 3 || keys[7] != (Key{"aes128cmac", "00112233445566778899aabbccddeeff"}) || keys[8] != (Key{"sha1", "736563726574"}) || keys[9].Kind != "sha256" {
		t.Errorf("%v, %v", keys, err)
	}
	for text, want := range map[string]string{
		"7 AES128":                      "line 1: want a number, a kind and a key",
		"\n0 AES128 HEX:00":             "line 2: the number of a key is from 1",
		"x AES128 HEX:00":               "line 1: the number of a key is from 1",
		"7 DES HEX:00":                  "line 1: key 7: no kind",
		"7 AES128 HEX:zz":               "line 1: key 7: not hexadecimal",
		"7 AES128 HEX:0011":             "line 1: key 7: 2 bytes, AES128 needs 16",
		"7 SHA1 HEX:":                   "line 1: key 7: 0 bytes",
		"secret AES128 7":               "line 1: the number of a key is from 1",
		"7 HEX:secret AES128":           "line 1: key 7: no kind of that name",
		"7 SHA1 ASCII:a\n7 SHA1 HEX:00": "line 2: key 7 is there twice",
	} {
		if _, err := ParseKeys([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows it: %v", text, err)
		}
	}
}

// vocabulary is all that an error of ParseKeys may say, beside numbers.
const vocabulary = "line want a number a kind and a key such as AES128 HEX:0011... not words the number of a key is from no kind of that name want AES128 AES256 SHA256 or SHA1 not hexadecimal bytes needs is there twice"

// TestKeysHash: the hash of a configuration is that of what anybody may know: it is no
// help to who guesses a key.
func TestKeysHash(t *testing.T) {
	c := Default()
	c.Servers = []Server{{"192.0.2.1:123", 7}}
	hash := func(kind, hex string) string { return c.hash(Keys{7: {kind, hex}}) }
	if hash("sha1", "00") != hash("sha1", "01") || hash("sha1", "00") == hash("sha256", "00") {
		t.Error("want the kind of a key in the hash, and not the key")
	}
}

// FuzzParseKeys: no panic, and no error shows a key: its words are its own.
func FuzzParseKeys(f *testing.F) {
	f.Add("7 AES128 HEX:00112233445566778899AABBCCDDEEFF\n")
	f.Add("# x\n8 SHA1 ASCII:secret\n\n9 SHA256 plain")
	f.Add("7 AES128 HEX:0011secretsecretsecretsecretsecret")
	f.Add("secret AES128 7")
	f.Add("7 HEX:secret AES128")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseKeys([]byte(text))
		if err != nil && keys != nil {
			t.Error("keys with an error")
		}
		if err != nil {
			for word := range strings.FieldsSeq(err.Error()) {
				word = strings.Trim(word, ":,;")
				if _, no := strconv.ParseUint(word, 10, 32); no != nil && !slices.Contains(strings.Fields(vocabulary), word) {
					t.Errorf("%q: the error says %q: %v", text, word, err)
				}
			}
		}
		for n, k := range keys {
			if n == 0 || k.Hex == "" || len(k.Hex)%2 != 0 {
				t.Errorf("key %d: %+v", n, k)
			}
		}
	})
}

// FuzzParseServer: what is taken is written as it is read.
func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"192.0.2.1:123", "[2001:db8::1]:123 key 7", " 192.0.2.1:123 key 4294967295 ", "ntp.example:123", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:123 key x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseServer(s)
		if err != nil {
			return
		}
		if again, err := ParseServer(v.String()); err != nil || again != v {
			t.Errorf("%q is %+v, written %q, read as %+v, %v", s, v, v, again, err)
		}
	})
}
