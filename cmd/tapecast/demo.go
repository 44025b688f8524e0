package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tapecast/tapecast/cmd/daemon"
	"github.com/tapecast/tapecast/cmd/tapecast/internal/settings"
)

const (
	demoRate  = 40_000 // messages a second, so that the tape can be watched
	demoSlack = 20 * time.Second
	demoTape  = 80 * time.Millisecond // between lines of the tape
)

// demoConfig is what demo can be told.
type demoConfig struct {
	source  string
	drop    float64
	seconds int
	json    bool
}

func (a *app) demo() command {
	c := demoConfig{source: "synth:1", drop: 0.02, seconds: 8}
	return command{
		use:   "demo",
		short: "show loss being repaired, on this host alone",
		long: "Demo runs serve and two listen processes on the loopback interface. Each receiver\n" +
			"drops a share of the datagrams of both lines on purpose, has what both lines lost\n" +
			"repaired, and ends with a hash over all it delivered: all three must be equal.\n" +
			"It needs no root and no configuration, and leaves nothing behind.",
		example: "  tapecast demo\n  tapecast demo --source itch:session.gz --drop 5%",
		args:    noArguments,
		settings: []settings.Setting{
			{Name: "source", Value: settings.Text(&c.source, "SOURCE"), Usage: "synth:SEED or itch:FILE"},
			{Name: "drop", Value: settings.Share(&c.drop), Usage: "share of the datagrams that each receiver drops"},
			{Name: "seconds", Value: settings.Number(&c.seconds, "N", 1, 3600), Usage: fmt.Sprintf("how long, at %d messages a second", demoRate)},
			{Name: "json", Value: settings.Bool(&c.json), Usage: "show it on stderr, and end with one JSON object on stdout"},
		},
		run: func(ctx context.Context, _ []string) error { return a.runDemo(ctx, c) },
	}
}

// demo is one run: a daemon and receivers in processes of their own.
type demo struct {
	app    *app
	cfg    demoConfig
	dir    string // of the journal, removed at the end
	self   string // this program
	screen *screen
	events chan childEvent

	server    *child
	receivers [2]*child
	status    [2]listenStatus // the newest of each receiver
}

func (a *app) runDemo(ctx context.Context, c demoConfig) error {
	net, err := demoNetwork()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tapecast-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{app: a, cfg: c, dir: dir, self: self, screen: newScreen(a, c.json), events: make(chan childEvent, 64)}
	d.screen.say("%s messages of %s on %s and %s over %s; two receivers, each dropping %g%% of the datagrams of each line on purpose",
		grouped(d.messages()), c.source, net.groups[0], net.groups[1], net.name, c.drop*100)
	d.screen.say("clock local: undisciplined, so every packet says unsynchronised; latencies are by that one clock at both ends")
	limited, cancel := context.WithTimeout(ctx, time.Duration(c.seconds)*time.Second+demoSlack)
	defer cancel()
	err = d.run(limited, net)
	switch {
	case ctx.Err() != nil:
		return errors.New("stopped before the end: nothing was compared")
	case limited.Err() != nil:
		return fmt.Errorf("not over after %v: this host is too slow or too busy; try --seconds 2", time.Duration(c.seconds)*time.Second+demoSlack)
	case err != nil:
		return err
	}
	return d.compare()
}

func (d *demo) messages() int { return d.cfg.seconds * demoRate }

// run starts the processes and shows what they say, until all have exited. The
// first failure ends the others.
func (d *demo) run(ctx context.Context, net *network) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	if d.server, err = d.start(ctx, "serve", d.serveArgs(net)); err != nil {
		return err
	}
	for running := 1; running > 0; {
		switch e := <-d.events; {
		case e.exited:
			running--
			err = errors.Join(err, e.err)
		case e.name == eventStarted:
			var n int
			n, e.err = d.listen(ctx, net, e.data)
			running += n
			err = errors.Join(err, e.err)
		default:
			d.show(e)
		}
		if err != nil {
			cancel()
		}
	}
	return err
}

// clockFile is where serve shows its clock to the receivers: though it promises nothing
// about true time, one clock at both ends times the way between them.
func (d *demo) clockFile() string { return filepath.Join(d.dir, "clock.json") }

func (d *demo) serveArgs(net *network) []string {
	return []string{"serve", "--json", "--status", "0", "--source", d.cfg.source, "--count", fmt.Sprint(d.messages()),
		"--pace", fmt.Sprintf("%d/s", demoRate), "--interface", net.name, "--line-a", net.groups[0], "--line-b", net.groups[1],
		"--retransmit", "127.0.0.1:0", "--journal", filepath.Join(d.dir, "journal"),
		"--await", fmt.Sprint(len(d.receivers)), "--end-at-eof", "--linger", "1s", "--clock", "local", "--clock-file", d.clockFile()}
}

// listen starts the receivers once the daemon says where it serves repairs. It
// returns how many it started.
func (d *demo) listen(ctx context.Context, net *network, started []byte) (n int, err error) {
	var info daemon.Info
	if err := json.Unmarshal(started, &info); err != nil {
		return 0, err
	}
	for i := range d.receivers {
		d.receivers[i], err = d.start(ctx, fmt.Sprintf("receiver %d", i+1), []string{
			"listen", "--json", "--status", demoTape.String(), "--retransmit", info.Retransmit, "--interface", net.name,
			"--drop", fmt.Sprint(d.cfg.drop), "--drop-seed", fmt.Sprint(i + 1), "--clock", d.clockFile(), "--exit-at-end"})
		if err != nil {
			return i, err
		}
	}
	return len(d.receivers), nil
}

// show tells what a process said: the first receiver's messages are the tape.
func (d *demo) show(e childEvent) {
	for i, r := range d.receivers {
		before := d.status[i]
		if e.from == r && e.name == eventStatus && json.Unmarshal(e.data, &d.status[i]) == nil {
			d.screen.status(i, &d.status, before)
			return
		}
	}
	if bytes.HasPrefix(e.data, []byte("tapecast: ")) {
		return // why it exits, which its exit will say
	}
	if e.name == "" || e.name == eventWarning || e.name == "lost" || e.name == "alert" {
		d.screen.say("%s: %s", e.from.name, e.data)
	}
}
