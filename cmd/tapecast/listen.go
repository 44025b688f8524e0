package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
	"github.com/tapecast/tapecast/multicast"
	"github.com/tapecast/tapecast/recovery"
	"github.com/tapecast/tapecast/sequencer/clock/keeper"
)

// listenConfig is what listen can be told.
type listenConfig struct {
	servers  []string
	iface    string
	from     uint64
	resume   string
	tcp      bool
	compress bool
	channel  uint16
	session  string

	journal string
	serve   string
	linger  time.Duration
	clock   string
	chronyd string

	print     bool
	exitAtEnd bool
	giveUp    time.Duration
	drop      float64
	dropSeed  uint64
	buffer    int64
	receive   multicast.ReceiveMethod
	wait      daemon.Wait
	status    time.Duration
	json      bool
}

func (a *app) listen() command {
	c := listenConfig{
		from: recovery.FromStart, channel: 1, giveUp: 30 * time.Second, buffer: 8 << 20, dropSeed: 1,
		clock: hostClock, chronyd: keeper.Default().Chronyd, wait: daemon.Block, linger: 5 * time.Second, status: time.Second,
	}
	return command{
		use:   "listen",
		short: "receive a session completely and in order",
		long: "Listen joins a channel that it learns from the retransmit service, delivers every\n" +
			"message once and in order, and repairs what the lines lose. What cannot be repaired\n" +
			"is named at once, and in the summary; the exit code is then 3.",
		example: "  tapecast listen --retransmit 10.0.0.7:30003 --interface eth0\n" +
			"  tapecast listen --retransmit 10.0.0.7:30003 --print --json | jq .\n" +
			"  tapecast listen --retransmit 10.0.0.7:30003 --journal /var/lib/relay --serve :30003",
		args:     noArguments,
		settings: append(listenSettings(&c), outputSettings(&c.status, &c.json)...),
		run:      func(ctx context.Context, _ []string) error { return a.runListen(ctx, c) },
	}
}

func listenSettings(c *listenConfig) []settings.Setting {
	return []settings.Setting{
		{Name: "retransmit", Short: "r", Value: settings.Servers(&c.servers), Usage: "retransmit services, best first, with commas between; needed"},
		{Name: "interface", Short: "i", Value: settings.Text(&c.iface, "IF"), Usage: "network interface that multicast arrives on; the one that leads to the service"},
		{Name: "from", Value: settings.Parsed(&c.from, "start|now|SEQ", parseFrom, showFrom), Usage: "where to begin"},
		{Name: "resume", Value: settings.Text(&c.resume, "FILE"), Usage: "go on at the position in FILE, if there is one, and keep it there"},
		{Name: "tcp", Value: settings.Bool(&c.tcp), Usage: "follow over TCP, where multicast does not reach"},
		{Name: "compress", Value: settings.Bool(&c.compress), Usage: "ask for large repairs compressed"},
		{Name: "channel", Value: settings.Number(&c.channel, "N", 1, 65535), Usage: "number of the channel"},
		{Name: "session", Value: settings.Text(&c.session, "NAME"), Usage: "session to insist on; whichever is served"},

		{Name: "journal", Value: settings.Text(&c.journal, "DIR"), Usage: "keep a journal of what is received; started again, go on behind it"},
		{Name: "serve", Value: settings.Addr(&c.serve), Usage: "serve repairs from that journal to other receivers"},
		{Name: "linger", Value: settings.Duration(&c.linger), Usage: "with --serve and --exit-at-end: how long to serve after the end, counted from the last request"},

		{Name: "clock", Value: settings.Text(&c.clock, "host|FILE"), Usage: "what arrivals are timed by: the host's clock, as far as the kernel or chronyd vouch for it, or that of a serve on this host, which names FILE as --clock-file"},
		{Name: "chronyd", Value: settings.Text(&c.chronyd, "ADDR:PORT"), Usage: "chronyd's command port, for --clock host; none: ask the kernel alone"},

		{Name: "print", Value: settings.Bool(&c.print), Usage: "print every message, one a line"},
		{Name: "exit-at-end", Value: settings.Bool(&c.exitAtEnd), Usage: "exit when the session has ended"},
		{Name: "give-up", Value: settings.Duration(&c.giveUp), Usage: "exit with 4 when nothing has answered for so long after the start; 0 is never"},
		{Name: "drop", Value: settings.Share(&c.drop), Usage: "drill: drop this share of the datagrams that arrive, at random, such as 1%"},
		{Name: "drop-seed", Value: settings.Count(&c.dropSeed, "N"), Usage: "what is dropped depends on it"},
		{Name: "receive", Value: receiveMethod(&c.receive), Usage: "how to take datagrams from the kernel: ring needs CAP_NET_RAW, IPv4, and Ethernet or loopback"},
		{Name: "receive-buffer", Value: settings.Size(&c.buffer), Usage: "socket buffer, or ring, of each line"},
		{Name: "wait", Value: settings.Choice(&c.wait, string(daemon.Block), string(daemon.Yield), string(daemon.Spin)), Usage: "what to do when there is nothing to do: spin takes a CPU for the least latency"},
	}
}

// receiveMethod is a setting by the method's name.
func receiveMethod(to *multicast.ReceiveMethod) settings.Value {
	return settings.Parsed(to, "sockets|ring", func(s string) (m multicast.ReceiveMethod, err error) {
		if m.UnmarshalText([]byte(s)) != nil {
			err = errors.New("want sockets or ring")
		}
		return m, err
	}, multicast.ReceiveMethod.String)
}

// hostClock is the clock of a receiver that is told no other.
const hostClock = "host"

// receiver says what receive stamps are worth.
func (c *listenConfig) receiver() (*keeper.Receiver, error) {
	file := c.clock
	if file == hostClock {
		file = ""
	}
	r, err := keeper.NewReceiver(file, c.chronyd)
	if err != nil {
		return nil, &settings.Error{Place: "--clock=" + c.clock, Problem: "no clock shows itself there; give the FILE of a running serve's --clock-file, or " + hostClock}
	}
	return r, nil
}

// parseFrom reads where to begin.
func parseFrom(s string) (uint64, error) {
	switch s {
	case "start":
		return recovery.FromStart, nil
	case "now":
		return recovery.FromNow, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 {
		return 0, errors.New("want start, now or a sequence")
	}
	return n, nil
}

func showFrom(n uint64) string {
	switch n {
	case recovery.FromStart:
		return "start"
	case recovery.FromNow:
		return "now"
	}
	return strconv.FormatUint(n, 10)
}

// validate says what the settings lack, before anything is opened.
func (c *listenConfig) validate() error {
	switch {
	case len(c.servers) == 0:
		return &settings.Error{Place: "--retransmit", Problem: "missing; give the ADDR:PORT of a retransmit service"}
	case c.serve != "" && c.journal == "":
		return &settings.Error{Place: "--serve=" + c.serve, Problem: "needs a journal to serve from; add --journal DIR"}
	case c.resume != "" && c.journal != "":
		return &settings.Error{Place: "--resume=" + c.resume, Problem: "the journal keeps the position too; leave one of them out"}
	case c.tcp && c.receive != multicast.ReceiveSockets:
		return &settings.Error{Place: "--receive=" + c.receive.String(), Problem: "is how multicast is received, and --tcp receives none; leave one of them out"}
	case c.tcp && c.drop > 0:
		return &settings.Error{Place: "--drop", Problem: "drops datagrams, and --tcp receives none; leave one of them out"}
	}
	return nil
}

// lossError is messages that will never come.
func lossError(messages uint64) error {
	if messages == 0 {
		return nil
	}
	return fmt.Errorf("%s lost for good (%w); the summary names them", plural(messages, "message"), errData)
}
