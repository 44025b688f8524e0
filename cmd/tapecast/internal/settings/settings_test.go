package settings

import (
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// config is a destination of every kind.
type config struct {
	source  string
	json    bool
	count   uint64
	ttl     int
	linger  time.Duration
	mode    string
	line    netip.AddrPort
	addr    string
	servers []string
	history int64
	drop    float64
}

func section(c *config) Section {
	return Section{Name: "serve", Settings: []Setting{
		{Name: "source", Usage: "where from", Value: Text(&c.source, "SOURCE")},
		{Name: "json", Usage: "objects", Value: Bool(&c.json)},
		{Name: "count", Usage: "how many", Value: Count(&c.count, "N")},
		{Name: "ttl", Usage: "hops", Value: Number(&c.ttl, "N", 0, 255)},
		{Name: "end-linger", Usage: "how long", Value: Duration(&c.linger)},
		{Name: "mode", Usage: "how", Value: Choice(&c.mode, "fast", "strict")},
		{Name: "line-a", Usage: "group", Value: Group(&c.line)},
		{Name: "addr", Usage: "address", Value: Addr(&c.addr)},
		{Name: "servers", Usage: "servers", Value: Servers(&c.servers)},
		{Name: "history", Usage: "memory", Value: Size(&c.history)},
		{Name: "drop", Usage: "share", Value: Share(&c.drop)},
	}}
}

// load is what a command does.
func load(c *config, args []string, env map[string]string, toml string) error {
	s := section(c)
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	s.Declare(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	other := Section{Name: "listen", Settings: []Setting{{Name: "print", Value: Bool(new(bool))}}}
	file, err := ParseFile("t.toml", []byte(toml), []Section{s, other})
	if err != nil {
		return err
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	return s.Load(flags, lookup, file)
}

func TestPrecedence(t *testing.T) {
	const toml = "[serve]\nend-linger = \"3s\"\n"
	env := map[string]string{"TAPECAST_SERVE_END_LINGER": "4s"}
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		toml string
		want time.Duration
	}{
		{"default", nil, nil, "", 2 * time.Second},
		{"file over default", nil, nil, toml, 3 * time.Second},
		{"environment over file", nil, env, toml, 4 * time.Second},
		{"flag over environment", []string{"--end-linger=5s"}, env, toml, 5 * time.Second},
		{"flag that repeats the default", []string{"--end-linger=2s"}, env, toml, 2 * time.Second},
	} {
		cfg := config{linger: 2 * time.Second}
		if err := load(&cfg, c.args, c.env, c.toml); err != nil || cfg.linger != c.want {
			t.Errorf("%s: %v, %v; want %v", c.name, cfg.linger, err, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	var c config
	toml := `
[serve]
source = 'itch:a.gz' # comment
json = true
count = 1_000
ttl = 3
end-linger = "50ms"
mode = "strict"
line-a = "239.1.2.3:4000"
addr = ":30003"
servers = ["a:1", "b:2"]
history = "64MiB"
drop = 0.25
[listen]
print = false
`
	if err := load(&c, nil, nil, toml); err != nil {
		t.Fatal(err)
	}
	if len(c.servers) != 2 || c.servers[0] != "a:1" || c.servers[1] != "b:2" {
		t.Errorf("servers = %q", c.servers)
	}
	c.servers = nil
	got := [...]any{c.source, c.json, c.count, c.ttl, c.linger, c.mode, c.line.String(), c.addr, c.history, c.drop}
	want := [...]any{"itch:a.gz", true, uint64(1000), 3, 50 * time.Millisecond, "strict", "239.1.2.3:4000", ":30003", int64(64 << 20), 0.25}
	if got != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestFileErrors(t *testing.T) {
	for _, c := range []struct{ toml, want string }{
		{"[serve]\n\nline-b = \"x\"\n", `t.toml:3: unknown key line-b in [serve]; did you mean line-a?`},
		{"[serv]\n", `t.toml:1: unknown table [serv]; did you mean serve?; tables are serve, listen`},
		{"\nsource = \"x\"\n", `t.toml:2: key source stands in no table; begin one, such as [serve], above it`},
		{"[serve]\ncount = \"many\"\n", `t.toml:2: count = "many": want a whole number, such as 1000`},
		{"[serve]\ncount = -1\n", `t.toml:2: count = "-1": want a whole number, such as 1000`},
		{"[serve]\ncount = 1\n# again\ncount = 2\n", `t.toml:4: count is set twice, first in t.toml:2`},
		{"[serve]\nsource = [\"a\"]\n", `t.toml:2: source: want one string, number or truth value`},
		{"[serve]\nsource.x = 1\n", `t.toml:2: unknown key source.x in [serve]`},
		{"[serve]\njson = \"maybe\"\n", `t.toml:2: json = "maybe": want true or false`},
		{"[serve]\nsource =\n", `t.toml:2: not TOML: `},
		{"[listen]\nprint = 3\n", `t.toml:2: print = "3": want true or false`},
		{"[[serve]]\n", `t.toml:1: unknown table [serve]`},
		{"[serve]\nmode = \"careful\"\n", `t.toml:2: mode = "careful": want fast or strict`},
	} {
		err := load(&config{}, nil, nil, c.toml)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", c.toml, err, c.want)
		}
	}
}

func TestEnvironmentError(t *testing.T) {
	err := load(&config{}, nil, map[string]string{"TAPECAST_SERVE_LINE_A": "10.0.0.1:7"}, "")
	want := `TAPECAST_SERVE_LINE_A="10.0.0.1:7": want a multicast group and a port, such as 239.255.42.1:30001`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestRefused(t *testing.T) {
	for flag, texts := range map[string][]string{
		"end-linger": {"", "5", "-1s", "5 seconds"},
		"history":    {"", "x", "-1", "64 mib", "9999999999GiB", "1.5MiB"},
		"drop":       {"", "101%", "-1%", "NaN", "x"},
		"ttl":        {"256", "-1", "x"},
		"line-a":     {"239.1.2.3", "239.1.2.3:0", "10.0.0.1:30001", "x:1"},
		"addr":       {"", "30003", "a:b", "a:65536"},
		"servers":    {"", "a", "a:0", ":1", "a:1,,b:2"},
	} {
		for _, text := range texts {
			if err := load(&config{}, []string{"--" + flag, text}, nil, ""); err == nil {
				t.Errorf("--%s %q is taken", flag, text)
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1000": 1000, "64MiB": 64 << 20, "2 GiB": 2 << 30, "3kB": 3000, "5MB": 5e6, "7B": 7} {
		if n, err := parseSize(text); n != want || err != nil {
			t.Errorf("size %q is %d, %v; want %d", text, n, err, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 1000: "1000", 64 << 20: "64MiB", 1 << 30: "1GiB", 1 << 10: "1KiB", math.MaxInt64: "9223372036854775807"} {
		if s := showSize(n); s != want {
			t.Errorf("%d shows as %q; want %q", n, s, want)
		}
	}
	for text, want := range map[string]float64{"1%": 0.01, "0.5": 0.5, "0%": 0, "100%": 1, "0.1%": 0.001} {
		if f, err := parseShare(text); f != want || err != nil {
			t.Errorf("share %q is %v, %v; want %v", text, f, err, want)
		}
	}
}

// Help shows the type as a placeholder and the default with its unit.
func TestHelp(t *testing.T) {
	c := config{linger: 5 * time.Second, history: 64 << 20}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	section(&c).Declare(flags)
	help := flags.FlagUsages()
	for _, want := range []string{"--end-linger TIME", "(default 5s)", "--history SIZE", "(default 64MiB)", "--mode fast|strict", "--json "} {
		if !strings.Contains(help, want) {
			t.Errorf("help lacks %q:\n%s", want, help)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte("[serve]\nsource = \"x\"\ncount = 0x10\nservers = [\"a:1\", 'b:2']\n[listen]\nprint=true"))
	f.Add([]byte("[serve]\nline-a = {a = 1}\ndrop = 1e-3\nend-linger = 1979-05-27"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e *Error
		_, err := ParseFile("t.toml", data, []Section{section(&config{})})
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
	})
}

// FuzzValues: every value takes what it shows, and shows that again.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"", "1", "-1", "true", "0x10", "5s", "9223372036854775807GiB", "239.1.1.1:1", ":99999", "a:1,b:2", "64MiB", "1e-300%", "NaN", "strict"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range section(&config{}).Settings {
			if s.Value.Check(text) != nil {
				continue
			}
			if err := s.Value.Set(text); err != nil {
				t.Fatalf("%s: %q was checked, and not set: %v", s.Name, text, err)
			}
			shown := s.Value.String()
			if shown == "" {
				continue
			}
			if err := s.Value.Set(shown); err != nil || s.Value.String() != shown {
				t.Errorf("%s: %q shows as %q, then as %q: %v", s.Name, text, shown, s.Value, err)
			}
		}
	})
}
