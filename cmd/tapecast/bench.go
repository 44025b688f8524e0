package main

import (
	"context"
	"maps"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/multicast"
)

// benchConfig is what the benchmarks can be told.
type benchConfig struct {
	iface        string
	lineA, lineB netip.AddrPort
	oneLine      bool
	port         int
	peer         string
	serve        bool

	receive multicast.ReceiveMethod
	send    string
	wait    daemon.Wait
	journal string
	size    int
	cpu     int
	json    bool

	count, lose int
	rate        float64
	seconds     float64
}

func benchDefaults() benchConfig {
	return benchConfig{
		iface: "lo", port: 30013, send: "auto", wait: daemon.Spin, size: 64, cpu: -1,
		lineA: netip.MustParseAddrPort("239.255.42.13:30013"), lineB: netip.MustParseAddrPort("239.255.42.14:30014"),
		count: 100_000, lose: 100, rate: 1e6, seconds: 5,
	}
}

// settings are those of every benchmark.
func (c *benchConfig) settings(own ...settings.Setting) []settings.Setting {
	return append(own,
		settings.Setting{Name: "interface", Short: "i", Value: settings.Text(&c.iface, "IF"), Usage: "network interface, of both lines"},
		settings.Setting{Name: "peer", Value: settings.Text(&c.peer, "HOST"), Usage: "the other end runs on HOST, where this command is given with --serve; without it both ends run here"},
		settings.Setting{Name: "serve", Value: settings.Bool(&c.serve), Usage: "be the other end, once, for the host that --peer names"},
		settings.Setting{Name: "line-a", Value: settings.Group(&c.lineA), Usage: "multicast group and port of line A; ping uses the next port too"},
		settings.Setting{Name: "line-b", Value: settings.Group(&c.lineB), Usage: "and of line B"},
		settings.Setting{Name: "one-line", Value: settings.Bool(&c.oneLine), Usage: "line A alone"},
		settings.Setting{Name: "port", Value: settings.Number(&c.port, "PORT", 1, 65534), Usage: "TCP port of the retransmit service; ping uses the next one too"},
		settings.Setting{Name: "receive", Value: receiveMethod(&c.receive), Usage: "how to take datagrams from the kernel: ring needs CAP_NET_RAW, IPv4, and Ethernet or loopback"},
		settings.Setting{Name: "send", Value: settings.Choice(&c.send, "auto", "gso", "mmsg", "single"), Usage: "how to send"},
		settings.Setting{Name: "wait", Value: settings.Choice(&c.wait, string(daemon.Block), string(daemon.Yield), string(daemon.Spin)), Usage: "what the loops do when there is nothing to do; each that spins takes a CPU"},
		settings.Setting{Name: "journal", Value: settings.Text(&c.journal, "DIR"), Usage: "make journals in DIR, which are removed at the end; without it none is kept"},
		settings.Setting{Name: "size", Value: settings.Number(&c.size, "BYTES", path.MinSize, 1000), Usage: "length of a message"},
		settings.Setting{Name: "cpu", Value: settings.Number(&c.cpu, "N", -1, 4095), Usage: "pin this end's loop to CPU N, and the other end's, if it is here, to the next; -1 is not pinned"},
		settings.Setting{Name: "json", Value: settings.Bool(&c.json), Usage: "write one JSON object"})
}

const benchLong = "Both ends run on this host unless --peer names the host of the other end, where the same\n" +
	"command is given with --serve and with --peer naming this one. It is the daemon's and the\n" +
	"receiver library's own code that is measured, in processes of their own."

func (a *app) benchPing() command {
	c := benchDefaults()
	return command{
		use: "ping", table: "bench-ping", short: "round trips through the whole path",
		long: "Ping puts a message, stamps, keeps and sends it, receives, orders and handles it at the\n" +
			"other end, and the same way back, one round trip at a time. " + benchLong + "\n" +
			"With both ends here, a bare program that sends and polls the same lines is measured too.",
		example:  "  tapecast bench ping\n  tapecast bench ping --interface eth0 --peer 10.0.0.8   # and on 10.0.0.8: --serve --peer 10.0.0.7",
		args:     noArguments,
		settings: c.settings(settings.Setting{Name: "count", Value: settings.Number(&c.count, "N", 1, 100_000_000), Usage: "round trips, after some that are not counted"}),
		run: func(ctx context.Context, _ []string) error {
			return a.runBench(ctx, &c, "bench ping", (*benchRun).ping)
		},
	}
}

func (a *app) benchRate() command {
	c := benchDefaults()
	c.wait, c.size = daemon.Block, 40
	return command{
		use: "rate", table: "bench-rate", short: "messages at a rate, open loop",
		long: "Rate offers messages at a rate, evenly spaced and whatever becomes of them, and says\n" +
			"how many arrived, how late, and what was lost or repaired. Between two hosts it gives no\n" +
			"latency: theirs are two clocks. " + benchLong,
		example:  "  tapecast bench rate --rate 5000000\n  tapecast bench rate --journal /var/tmp --seconds 10",
		args:     noArguments,
		settings: c.settings(rateSettings(&c)...),
		run: func(ctx context.Context, _ []string) error {
			return a.runBench(ctx, &c, "bench rate", (*benchRun).rate)
		},
	}
}

func rateSettings(c *benchConfig) []settings.Setting {
	return []settings.Setting{
		{Name: "rate", Value: settings.Float(&c.rate, "N"), Usage: "messages a second"},
		{Name: "seconds", Value: settings.Float(&c.seconds, "N"), Usage: "how long"},
	}
}

func (a *app) benchRepair() command {
	c := benchDefaults()
	c.rate, c.wait, c.size = 10_000, daemon.Block, 40
	return command{
		use: "repair", table: "bench-repair", short: "how long a lost packet takes to be repaired",
		long: "Repair loses one packet in so many on both lines, on purpose, and times each from when\n" +
			"the later line has passed the gap to the delivery of what was lost; the grace that a gap\n" +
			"is given, 0.1 ms, is part of it. " + benchLong,
		example:  "  tapecast bench repair\n  tapecast bench repair --lose 1000 --rate 100000",
		args:     noArguments,
		settings: c.settings(append(rateSettings(&c), settings.Setting{Name: "lose", Value: settings.Number(&c.lose, "N", 2, 1_000_000), Usage: "lose the packet that begins with every Nth message"})...),
		run: func(ctx context.Context, _ []string) error {
			return a.runBench(ctx, &c, "bench repair", (*benchRun).repair)
		},
	}
}

// benchCommands are those of the benchmarks.
func (a *app) benchCommands() []command {
	return []command{a.benchPing(), a.benchRate(), a.benchRepair()}
}

func (a *app) bench(sections []settings.Section) *cobra.Command {
	cmd := a.group("bench", "measure tapecast on these hosts")
	for _, c := range a.benchCommands() {
		cmd.AddCommand(a.cobra(c, sections))
	}
	cmd.AddCommand(a.benchRole())
	return cmd
}

// benchRole is what the benchmarks start this program as.
func (a *app) benchRole() *cobra.Command {
	return &cobra.Command{
		Use: "role NAME ARGUMENTS", Short: "one process of a benchmark", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			roles := path.Roles()
			maps.Copy(roles, limit.Roles())
			return roles.Play(cmd.Context(), args[0], args[1])
		},
	}
}

// benchLauncher starts this program again in a role.
func benchLauncher() (rig.Launcher, error) { return rig.Self("bench", "role") }
