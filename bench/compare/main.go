// Command compare measures tapecast beside the limit of the machine and beside its
// peers, turn by turn in separate processes, and writes results.json and plots.
//
//	go run ./bench/compare -only ping,throughput -form short -out bench/results
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tapecast/tapecast/bench/limit"
	"github.com/tapecast/tapecast/bench/path"
	"github.com/tapecast/tapecast/bench/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// roleWord in front of a role's name and arguments makes this process a child.
const roleWord = "role"

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == roleWord {
		roles := path.Roles()
		maps.Copy(roles, limit.Roles())
		return roles.Play(ctx, args[1], args[2])
	}
	var b bench
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	form := flags.String("form", "short", "short or full")
	only := flags.String("only", "", "experiments, comma between; all without")
	match := flags.String("match", "", "only candidates whose name matches this regular expression; marks need all of theirs")
	out := flags.String("out", "bench/results", "folder for results.json and the plots")
	flags.StringVar(&b.network, "interface", "lo", "network interface")
	flags.IntVar(&b.turns, "turns", 0, "turns of each experiment; 0: as the form has it")
	flags.StringVar(&b.disk, "disk", os.TempDir(), "where journals are written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if b.match, err = regexp.Compile(*match); err != nil {
		return fmt.Errorf("-match: %w", err)
	}
	if b.full = *form == "full"; !b.full && *form != "short" {
		return fmt.Errorf("-form %q: use short or full", *form)
	}
	if err := known(*only); err != nil {
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	report := rig.Report{Machine: rig.ThisMachine(), Begun: time.Now().UTC(), Form: *form}
	fmt.Println(report.Machine)
	for _, x := range experiments {
		if *only != "" && !strings.Contains(","+*only+",", ","+x.name+",") {
			continue
		}
		e := x.run(&b)
		report.Experiments = append(report.Experiments, e)
		e.Table(os.Stdout, x.columns...)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	report.Marks(os.Stdout)
	if err := report.Save(*out); err != nil {
		return err
	}
	var table bytes.Buffer
	markdown(&table, &report)
	return os.WriteFile(filepath.Join(*out, "marks.md"), table.Bytes(), 0o644)
}

// known says which of the names in only is no experiment's.
func known(only string) error {
	var names []string
	for _, x := range experiments {
		names = append(names, x.name)
	}
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !slices.Contains(names, name) {
			return fmt.Errorf("-only %q: use %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// experiments in their order.
var experiments = []struct {
	name    string
	run     func(b *bench) *rig.Experiment
	columns []rig.Column
}{
	{"ping", (*bench).ping, rig.LatencyColumns()},
	{"load", (*bench).evenLoad, rig.LatencyColumns()},
	{"bursts", (*bench).burstLoad, rig.LatencyColumns()},
	{"throughput", (*bench).throughput, throughputColumns()},
	{"receivers", (*bench).receivers, throughputColumns()},
	{"sizes", (*bench).sizes, throughputColumns()},
	{"sends", (*bench).sends, sendsColumns()},
	{"repair", (*bench).repair, append(rig.LatencyColumns(), rig.Column{Head: "M messages/s", Metric: rig.Value("rate"), Scale: 1e-6})},
	{"waits", (*bench).waits, waitColumns()},
	{"heap", (*bench).heap, heapColumns()},
	{"restart", (*bench).restart, []rig.Column{{Head: "s", Metric: rig.Value("seconds")}, {Head: "MB", Metric: rig.Value("memory"), Scale: 1e-6}}},
	{"peers", (*bench).peers, append(rig.LatencyColumns(), rig.Column{Head: "M messages/s", Metric: rig.Value("rate"), Scale: 1e-6})},
}
